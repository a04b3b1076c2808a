#include "run.h"

#include <fmt/format.h>

#include <array>

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::sim::Crash;
using rt::sim::Process;
using rt::sim::Profile;

constexpr std::array kPlants = {Plant::synchronous_off,      Plant::missing_blob_sync,
                                Plant::answer_before_commit, Plant::lease_not_stored,
                                Plant::job_not_stored,       Plant::unbounded_calls,
                                Plant::base_not_written,     Plant::second_pass_blind,
                                Plant::clock_trusted,        Plant::freed_not_recorded};
// A task that does not end by then hangs.
constexpr Duration kEndTimeMax = 30min;

// Some worlds are kinder than others.
Profile profile_of(std::uint64_t seed) {
    rt::sim::Dice dice(seed, "profile");
    Profile profile;
    if (dice.chance(0.3)) profile.latency_max = 50ms;
    if (dice.chance(0.5)) profile.reset_chance = 0.3;
    if (dice.chance(0.3)) profile.window_bytes = 1000;
    if (dice.chance(0.3)) profile.job_wait_max = 20ms;
    if (dice.chance(0.2)) profile.slow_job_chance = 0.2;
    if (dice.chance(0.2)) profile.pool_threads = 1;
    return profile;
}

}  // namespace

std::string_view name_of(Plant plant) {
    switch (plant) {
        case Plant::none:
            return "none";
        case Plant::synchronous_off:
            return "synchronous_off";
        case Plant::missing_blob_sync:
            return "missing_blob_sync";
        case Plant::answer_before_commit:
            return "answer_before_commit";
        case Plant::lease_not_stored:
            return "lease_not_stored";
        case Plant::job_not_stored:
            return "job_not_stored";
        case Plant::unbounded_calls:
            return "unbounded_calls";
        case Plant::base_not_written:
            return "base_not_written";
        case Plant::second_pass_blind:
            return "second_pass_blind";
        case Plant::clock_trusted:
            return "clock_trusted";
        case Plant::freed_not_recorded:
            return "freed_not_recorded";
    }
    return "unknown";
}

std::span<const Plant> all_plants() {
    return kPlants;
}

Run::Run(std::uint64_t seed, Plant plant) : plant_(plant), world_(seed, profile_of(seed)) {}

void Run::violated(int invariant, const std::string& sentence) {
    world_.trace().note("VIOLATED", sentence, static_cast<std::uint64_t>(invariant));
    violations_.push_back(fmt::format("invariant {}: {}", invariant, sentence));
}

namespace {

std::string_view skipped_by(Plant plant) {
    if (plant == Plant::lease_not_stored) return "storage.insert_lease";
    if (plant == Plant::job_not_stored) return "service.queue_job";
    if (plant == Plant::freed_not_recorded) return "storage.add_freed";
    return "";
}

}  // namespace

sql::Options Run::database_options(Process& process, std::string path) const {
    return {.path = std::move(path),
            .vfs = sql::Options::Vfs::files,
            .on_fatal = [&process](const Error&) { process.crash(Crash::process); },
            .planted_bugs = {
                .synchronous_off = plant_ == Plant::synchronous_off,
                .answer_before_commit = plant_ == Plant::answer_before_commit,
                .skipped_statement = skipped_by(plant_),
            }};
}

void Run::wait_for_end(Process& process) {
    if (!world_.run_until([&] { return process.ended(); }, kEndTimeMax))
        violated(10, process.name() + " does not end");
}

void Run::boot_and_crash(rt::sim::Machine& machine, const Start& start, std::uint64_t calls_max) {
    Process& process = machine.boot();
    const Crash how = dice().chance(0.6) ? Crash::power : Crash::process;
    const bool at_call = dice().chance(0.7);
    // Early crashes hit the start-up, late ones the load.
    const std::uint64_t calls = dice().between(1, dice().chance(0.2) ? 100 : calls_max);
    if (at_call) process.crash_at_file_call(calls, how);
    start(process);
    const Duration time = at_call ? Duration(20s) : dice().between(Duration(1ms), Duration(5s));
    world_.run_until([&] { return !process.alive() || process.ended(); }, time);
    process.crash(how);
    wait_for_end(process);
    // Sometimes the power goes only after the process did.
    if (how == Crash::process && dice().chance(0.3)) machine.crash(Crash::power);
}

void Run::boot_and_stop(rt::sim::Machine& machine, const Start& start, Duration time) {
    Process& process = machine.boot();
    start(process);
    world_.run_until([&] { return process.ended(); }, time);
    process.stop();
    wait_for_end(process);
    process.crash(Crash::process);
}

}  // namespace s4::simulation
