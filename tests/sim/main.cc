// s4_sim: plays scenarios under seeds; README.md shows the command line.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "run.h"

namespace s4::simulation {
namespace {

constexpr Plant kFoundBySql[] = {Plant::synchronous_off, Plant::answer_before_commit};
constexpr Plant kFoundByStorage[] = {Plant::missing_blob_sync, Plant::lease_not_stored};
constexpr Plant kFoundByRebuild[] = {Plant::base_not_written};
constexpr Plant kFoundByCollection[] = {Plant::second_pass_blind, Plant::clock_trusted,
                                        Plant::freed_not_recorded};
constexpr Plant kFoundByMemory[] = {Plant::unbounded_calls};
constexpr Plant kFoundByService[] = {Plant::job_not_stored};

constexpr Scenario kScenarios[] = {
    {"sql", "the database alone, under crashes, full disks and failing writes", 60, play_sql,
     kFoundBySql},
    {"storage", "the storage engine: uploads, slots, leases, quota, full and failing disks", 80,
     play_storage, kFoundByStorage},
    {"rebuild", "the index of large shares, made anew from the blobs alone", 200, play_rebuild,
     kFoundByRebuild},
    {"collection", "leases, expiry and freeing: passes a day apart, clocks that jump", 200,
     play_collection, kFoundByCollection},
    {"gbs", "the storage protocol over HTTPS: clients, network, gate and engine", 40, play_gbs, {}},
    {"foolscap",
     "the storage protocol over Foolscap, and HTTPS on the same shares",
     30,
     play_foolscap,
     {}},
    {"introducer",
     "the introducer over Foolscap: publishers, subscribers, network and gate",
     25,
     play_introducer,
     {}},
    {"memory", "peers who would have the gate hold more than a fixed amount", 4, play_memory,
     kFoundByMemory},
    {"service", "sign-ups, payments, provisioning and cancellation", 40, play_service,
     kFoundByService},
};

// The same seed twice must be the same run; not worth twice the time for each.
constexpr std::uint64_t kReplayEvery = 10;

struct Command {
    std::string_view scenario;  // empty: all
    std::optional<std::uint64_t> first;
    std::uint64_t last = 0;
    Plant plant = Plant::none;
    bool verbose = false;
    bool list = false;
    bool expect_violation = false;
};

struct Outcome {
    std::vector<std::string> violations;
    std::uint64_t hash = 0;
    std::uint64_t acknowledged = 0;
};

Outcome play(const Scenario& scenario, std::uint64_t seed, const Command& command) {
    Run run(seed, command.plant);
    if (command.verbose)
        run.world().trace().set_sink([](const std::string& line) { fmt::print("{}\n", line); });
    scenario.play(run);
    run.world().end();
    return {run.violations(), run.world().trace_hash(), run.acknowledgements()};
}

void tell(const Scenario& scenario, std::uint64_t seed, const Command& command,
          const Outcome& outcome) {
    for (const std::string& violation : outcome.violations) fmt::print("  {}\n", violation);
    const std::string plant =
        command.plant == Plant::none ? "" : fmt::format(" --plant {}", name_of(command.plant));
    fmt::print("seed {} of {} failed; replay it with: s4_sim --scenario {} --seed {}{} --verbose\n",
               seed, scenario.name, scenario.name, seed, plant);
}

// Returns how many seeds failed.
std::uint64_t play_seeds(const Scenario& scenario, const Command& command) {
    const std::uint64_t first = command.first.value_or(1);
    const std::uint64_t last = command.first ? command.last : scenario.seeds;
    std::uint64_t failed = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t hashes = 0;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        Outcome outcome = play(scenario, seed, command);
        if (seed % kReplayEvery == 0 || first == last) {
            Command quiet = command;
            quiet.verbose = false;
            if (play(scenario, seed, quiet).hash != outcome.hash)
                outcome.violations.emplace_back("the seed's second run differs from the first");
        }
        acknowledged += outcome.acknowledged;
        hashes = hashes * 31 + outcome.hash;
        if (outcome.violations.empty()) continue;
        ++failed;
        tell(scenario, seed, command, outcome);
        if (command.expect_violation) break;
    }
    fmt::print("{}: seeds {} to {}, {} acknowledged, {} failed, trace {:016x}\n", scenario.name,
               first, last, acknowledged, failed, hashes);
    return failed;
}

bool parse_number(std::string_view text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

bool parse_seeds(std::string_view text, Command& command) {
    const std::size_t dots = text.find("..");
    std::uint64_t first = 0;
    if (!parse_number(text.substr(0, dots), first)) return false;
    command.first = command.last = first;
    return dots == std::string_view::npos || parse_number(text.substr(dots + 2), command.last);
}

bool parse_plant(std::string_view text, Command& command) {
    for (const Plant plant : all_plants())
        if (name_of(plant) == text) command.plant = plant;
    return command.plant != Plant::none;
}

bool parse(std::span<char*> arguments, Command& command) {
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string_view flag = arguments[i];
        if (flag == "--verbose")
            command.verbose = true;
        else if (flag == "--list")
            command.list = true;
        else if (flag == "--expect-violation")
            command.expect_violation = true;
        else if (i + 1 == arguments.size())
            return false;
        else if (flag == "--scenario")
            command.scenario = arguments[++i];
        else if (flag == "--seed" || flag == "--seeds") {
            if (!parse_seeds(arguments[++i], command)) return false;
        } else if (flag == "--plant") {
            if (!parse_plant(arguments[++i], command)) return false;
        } else
            return false;
    }
    return true;
}

int list() {
    for (const Scenario& scenario : kScenarios)
        fmt::print("{:12} {} ({} seeds)\n", scenario.name, scenario.what, scenario.seeds);
    for (const Plant plant : all_plants()) fmt::print("--plant {}\n", name_of(plant));
    return 0;
}

int run(const Command& command) {
    std::uint64_t failed = 0;
    bool known = false;
    for (const Scenario& scenario : kScenarios) {
        if (!command.scenario.empty() && command.scenario != scenario.name) continue;
        known = true;
        failed += play_seeds(scenario, command);
    }
    if (!known) {
        fmt::print(stderr, "there is no scenario {}; see s4_sim --list\n", command.scenario);
        return 2;
    }
    if (command.expect_violation && failed == 0)
        fmt::print("no seed found the planted bug {}\n", name_of(command.plant));
    return (failed > 0) == command.expect_violation ? 0 : 1;
}

}  // namespace
}  // namespace s4::simulation

int main(int argc, char** argv) {
    using namespace s4::simulation;
    Command command;
    if (!parse({argv, static_cast<std::size_t>(argc)}, command)) {
        fmt::print(stderr,
                   "usage: s4_sim [--scenario NAME] [--seed N | --seeds N..M] [--plant NAME] "
                   "[--expect-violation] [--verbose] [--list]\n");
        return 2;
    }
    if (command.list) return list();
    // The services' own log matters only to whoever replays a seed.
    if (!command.verbose) s4::log::set_sink([](s4::log::Level, std::string_view) {});
    return run(command);
}
