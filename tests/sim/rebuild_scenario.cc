// The index of large shares, made anew from the blobs alone (docs/formats/blob.md), after whatever
// befell the machine: uploads, changes, deletions and the collector's work, cut off anywhere.
// Sometimes the rebuilt database goes into service in place of the old one.
//
// What the database said is in the model. Each acknowledged large share must come back, byte by
// byte; what else comes back was at least once to be stored, whole: a call that got no answer may
// have taken place, and the blobs do not tell of deletions.
#include <fmt/format.h>

#include <algorithm>

#include "run.h"
#include "storage/engine.h"
#include "storage/rebuild.h"
#include "storage/schema.h"
#include "storage_actors.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Dice;
using rt::sim::Process;
using storage::Engine;

constexpr const char* kAsidePath = "state/rebuilt";

struct EveryGrid final : storage::KnownGrids {
    Task<Result<bool>> has(const rt::Context&, GridId) override { co_return true; }
};

bool is_large(const StorageStory& story, std::uint64_t size) {
    return size > story.options.small_share_bytes_max;
}

void compare_immutable(Node& node, const IndexName& name, const Observed& seen) {
    IndexModel& model = node.story.model.at(name);
    for (auto& [number, share] : model.immutable) {
        const bool large = share.known && is_large(node.story, share.known->size());
        if (large && !seen.immutable.contains(number))
            node.story.run.violated(
                3, fmt::format("{} share {} is not found from the blobs", name.text(), number));
    }
    for (const auto& [number, content] : seen.immutable) {
        // Whoever uploads it writes these bytes.
        const bool offered =
            model.immutable.contains(number) && is_large(node.story, content.size());
        if (!offered || content != content_of(node.story, name, number))
            node.story.run.violated(3, fmt::format("{} share {} was made of {} bytes that nobody "
                                                   "stored so",
                                                   name.text(), number, content.size()));
    }
}

// Whether a slot may look so when `state` is what it held at last.
bool may_show(const StorageStory& story, const IndexModel& model, const SlotPrint& state,
              const SlotPrint& seen) {
    for (const auto& [number, print] : state)
        if (is_large(story, print.size) && !seen.contains(number)) return false;
    for (const auto& [number, print] : seen) {
        const auto at = state.find(number);
        if (at != state.end() && is_large(story, at->second.size)) {
            if (at->second != print) return false;
            continue;
        }
        // It was deleted, or became small: of that its blobs know nothing.
        const auto ever = model.ever.find(number);
        if (!is_large(story, print.size) || ever == model.ever.end() ||
            !ever->second.contains(print))
            return false;
    }
    return true;
}

// What an attempt that was not answered may have left: its shares that no later change overtook.
// Nothing when a share of it was changed where it lay: then the blobs tell that the whole attempt
// did not take place.
std::map<ShareNumber, std::optional<Print>> left_by(const StorageStory& story,
                                                    const SlotAttempt& attempt) {
    auto out = attempt.changes;
    for (const SlotAttempt::Overtaken& by : attempt.overtaken) {
        if (is_large(story, by.bytes_before) && is_large(story, by.bytes_after)) return {};
        out.erase(by.share);
    }
    return out;
}

// All that the slot may have held at last: what is known, and each attempt upon it or not.
std::vector<SlotPrint> possible_states(const StorageStory& story, const IndexModel& model) {
    std::vector<SlotPrint> out = {print_of(model.slot.known)};
    for (const SlotAttempt& attempt : model.attempts) {
        const auto changes = left_by(story, attempt);
        if (changes.empty()) continue;
        for (std::size_t i = 0, before = out.size(); i < before; ++i) {
            SlotPrint state = out[i];
            for (const auto& [share, print] : changes) {
                if (print)
                    state[share] = *print;
                else
                    state.erase(share);
            }
            out.push_back(std::move(state));
        }
    }
    return out;
}

void compare_slot(Node& node, const IndexName& name, const Observed& seen) {
    const IndexModel& model = node.story.model.at(name);
    const SlotPrint shown = print_of(seen.slot);
    const std::vector<SlotPrint> states = possible_states(node.story, model);
    if (std::ranges::any_of(states, [&](const SlotPrint& state) {
            return may_show(node.story, model, state, shown);
        }))
        return;
    std::string sizes;
    for (const SlotPrint* slot : {&shown, &states.front()}) {
        sizes += sizes.empty() ? "" : " instead of";
        for (const auto& [number, print] : *slot)
            sizes += fmt::format(" {}:{}", number, print.size);
    }
    node.story.run.violated(
        3, fmt::format("{}: from the blobs comes a slot that nobody made:{}", name.text(), sizes));
}

// The service's own, so that expiry leaves it alone until clients have renewed theirs.
Task<void> check_leases(Node& node, const IndexName& name, ShareNumber number) {
    const rt::Context ctx = node.process.context();
    const auto leases = co_await node.engine.leases(ctx, name.grid, name.index(), number);
    if (node.gone() || !leases) co_return;
    const auto now = node.process.runtime().reactor.unix_s();
    if (leases->empty() || leases->front().expires < now + storage::kLeaseSeconds - 60)
        node.story.run.violated(
            3, fmt::format("{} share {} comes back without a lease", name.text(), number));
}

Task<void> compare_grid(Node& node, GridId grid, bool adopt) {
    const auto contents = co_await observe_grid(node, grid, 3);
    if (!contents) co_return;
    for (const auto& [name, seen] : contents->indexes) {
        compare_immutable(node, name, seen);
        compare_slot(node, name, seen);
    }
    for (const auto& [name, share] : contents->shares()) co_await check_leases(node, name, share);
    if (node.gone()) co_return;
    if (adopt)
        for (const auto& [name, seen] : contents->indexes) node.story.model.adopt(name, seen);
    co_await check_usage(node, grid, contents->bytes(), contents->shares().size());
}

struct Attempt {
    bool in_place = false;  // the database is lost; else the rebuilt one lies aside
    bool anew = true;       // not on what an interrupted attempt left
    bool last = false;      // it is not going to be interrupted
    bool begun = false;     // what was there before is gone for good
};

Task<void> rebuild(StorageStory& story, Process& process, Attempt& attempt) {
    const std::string path = attempt.in_place ? kDatabasePath : kAsidePath;
    if (attempt.anew) {
        rt::Files& files = process.runtime().files;
        for (const char* suffix : {"", "-wal", "-journal"}) (void)files.remove(path + suffix);
        if (!files.sync_directory("state")) co_return;
        attempt.begun = true;
    }
    const auto database = open_database(story.run, process, false, storage::migrations(), path);
    if (!database) co_return;
    const auto blobs = open_store(story.run, process, false);
    if (!blobs) co_return;
    EveryGrid every;
    const auto report = co_await storage::rebuild_index(process.context(), process.runtime(),
                                                        *database, *blobs, story.master, every, {});
    if (!process.alive()) co_return;
    if (!report) {
        story.run.violated(3, "the index is not rebuilt: " + report.error().to_string());
        co_return;
    }
    if (report->damaged != 0)
        story.run.violated(3, fmt::format("{} blobs are not whole", report->damaged));
    // Nothing is collected meanwhile: what this database does not know the other one may.
    storage::EngineOptions options = story.options;
    options.collect_every = 24h;
    auto engine = co_await Engine::create(process.context(), process.runtime(), *database, *blobs,
                                          story.master, story.policies, options);
    if (!process.alive()) co_return;
    if (!engine) {
        story.run.violated(3, "no engine starts on it: " + engine.error().to_string());
        co_return;
    }
    Node node{.story = story, .process = process, .engine = **engine};
    for (std::int64_t grid = 1; grid <= kGrids && !node.gone(); ++grid)
        co_await compare_grid(node, GridId{grid}, attempt.in_place && attempt.last);
    co_await (*engine)->close();
}

// Returns whether what was rebuilt is in service now.
bool rebuild_some_time(StorageStory& story, rt::sim::Machine& machine) {
    Run& run = story.run;
    Dice& dice = run.dice();
    // With the database in order first, or as the crash left the machine.
    if (dice.chance(0.5))
        run.boot_and_stop(
            machine,
            [&](Process& process) { process.spawn(serve_storage(story, process, false, false)); },
            1min);
    Attempt attempt{.in_place = dice.chance(0.3)};
    if (dice.chance(0.3)) {
        run.boot_and_crash(
            machine, [&](Process& process) { process.spawn(rebuild(story, process, attempt)); },
            300);
        attempt.anew = !attempt.begun || dice.chance(0.5);
    }
    attempt.last = true;
    if (run.failed()) return false;
    run.boot_and_stop(
        machine, [&](Process& process) { process.spawn(rebuild(story, process, attempt)); }, 1min);
    return attempt.in_place;
}

}  // namespace

void play_rebuild(Run& run) {
    StorageStory story(run);
    Dice& dice = run.dice();
    story.policies.only.quota_bytes = kGiB;
    story.options.disk_reserve_bytes = kMiB;
    story.options.collect_every = 2s;
    story.options.small_share_bytes_max = dice.between(500, 5000);
    story.options.planted_bugs.base_not_written = run.plant() == Plant::base_not_written;
    rt::sim::Machine& machine = run.world().machine("storage");
    bool in_service = false;
    for (int round = 0; round < 2 && !run.failed(); ++round) {
        run.boot_and_crash(
            machine,
            [&](Process& process) { process.spawn(serve_storage(story, process, true, false)); },
            dice.chance(0.5) ? 800 : 3000);
        if (!run.failed()) in_service = rebuild_some_time(story, machine);
    }
    if (run.failed() || !in_service) return;
    run.boot_and_stop(
        machine,
        [&](Process& process) { process.spawn(serve_storage(story, process, false, false)); },
        1min);
}

}  // namespace s4::simulation
