// Leases and collection: clients store and renew, the customer asks for shares to be freed, days
// pass, the clock jumps, and the machine dies in any step. A share may be gone only as
// collection_model.h allows, with a record of it; and at last everything that was asked for goes.
#include <fmt/format.h>

#include "collection_model.h"
#include "rt/scope.h"
#include "run.h"
#include "storage/engine.h"
#include "storage/expiry.h"
#include "storage/schema.h"
#include "storage_node.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Crash;
using rt::sim::Dice;
using rt::sim::Machine;
using rt::sim::Process;
using storage::CollectionKind;
using storage::Engine;
using storage::ShareKind;

constexpr std::uint64_t kClients = 3;
constexpr std::uint64_t kIndexes = 9;  // of a grid; each belongs to one client
constexpr std::uint64_t kLeasesOfAnIndex = 3;
constexpr Duration kDay = 24h;

struct Story {
    explicit Story(Run& run) : base(run), model(run) {}

    StorageStory base;
    CollectionModel model;
    std::int64_t jumped_s = 0;  // by all jumps that the service noticed
    std::int64_t jump_s = 0;    // by one that it may not have noticed yet
    bool stopped = false;       // it told so, and nobody has confirmed the clock
};

// One process of it.
struct Desk {
    Story& story;
    sql::Database& database;
    Node node;

    Dice& dice() { return node.dice(); }
    bool gone() const { return node.gone(); }
    rt::Context ctx() const { return node.process.context(); }
    storage::Expiry& expiry() { return node.engine.expiry(); }
    Moment now() const {
        const std::int64_t wall = node.process.runtime().reactor.unix_s();
        return {wall, wall - story.jumped_s};
    }
    // True when the call was done. A client is told to ask again when its slot was freed meanwhile,
    // or when the grid is frozen; any other refusal is a violation.
    template <typename T>
    bool answered(const char* what, const Result<T>& result) {
        if (gone()) return false;
        if (result) return true;
        const ErrorKind kind = result.error().kind();
        if (kind != ErrorKind::cancelled && kind != ErrorKind::unavailable)
            story.base.run.violated(11,
                                    fmt::format("{} failed: {}", what, result.error().to_string()));
        return false;
    }
};

IndexName some_index(Dice& dice, std::uint64_t client) {
    return {GridId{static_cast<std::int64_t>(dice.between(1, kGrids))},
            client + kClients * dice.below(kIndexes / kClients)};
}

storage::LeaseSecrets some_lease(Dice& dice, const IndexName& name) {
    return lease_of(name.number * kLeasesOfAnIndex + dice.below(kLeasesOfAnIndex)).secrets;
}

// -- the clients --

Task<void> upload(Desk& desk, const IndexName& name) {
    Kept& kept = desk.story.model.at(name);
    const storage::UploadOwner owner = secret_of(name.number + 700'000);
    ByteBuffer content = content_of(desk.story.base, name, 0);
    Moment began = desk.now();
    const auto answer =
        co_await desk.node.engine.allocate(desk.ctx(), name.grid,
                                           {.index = name.index(),
                                            .secrets = some_lease(desk.dice(), name),
                                            .owner = owner,
                                            .shares = {0},
                                            .size = content.size()});
    if (!desk.answered("an allocation", answer)) co_return;
    desk.story.model.saw(name, answer->already_have.empty() ? Share() : Share(content), desk.now());
    if (!answer->already_have.empty()) {
        desk.story.model.renewed(name, began);
        co_return;
    }
    began = desk.now();
    kept.attempted = began;
    kept.share.unanswered.emplace_back(content);
    const auto written = co_await desk.node.engine.write(desk.ctx(), {name.grid, name.index(), 0},
                                                         owner, 0, content);
    if (desk.answered("a write", written)) desk.story.model.stored(name, std::move(content), began);
}

Task<void> rewrite(Desk& desk, const IndexName& name) {
    Kept& kept = desk.story.model.at(name);
    ByteBuffer content(desk.dice().between(1, 20'000));
    desk.dice().fill(content);
    auto staging = desk.node.engine.stage();
    if (!desk.answered("staging", co_await staging->append(desk.ctx(), content))) co_return;
    storage::TestWriteRequest request{.index = name.index(),
                                      .write_enabler = secret_of(name.number + 500'000),
                                      .secrets = some_lease(desk.dice(), name),
                                      .shares = {},
                                      .reads = {{0, 1}},
                                      .staging = std::move(staging)};
    request.shares[0] = {
        .tests = {}, .writes = {{0, {0, content.size()}}}, .new_length = content.size()};
    const Moment began = desk.now();
    kept.attempted = began;
    kept.share.unanswered.emplace_back(content);
    const auto answer =
        co_await desk.node.engine.read_test_write(desk.ctx(), name.grid, std::move(request));
    if (!desk.answered("a test-and-write", answer)) co_return;
    // Whether it was still there says the read that came with the write.
    desk.story.model.saw(name, answer->before.empty() ? Share() : kept.share.known, desk.now());
    desk.story.model.stored(name, std::move(content), began);
}

Task<void> renew(Desk& desk, const IndexName& name) {
    const Moment began = desk.now();
    const auto shares = co_await desk.node.engine.add_lease(desk.ctx(), name.grid, name.index(),
                                                            some_lease(desk.dice(), name));
    if (!desk.answered("a lease", shares)) co_return;
    if (*shares == 0)
        desk.story.model.saw(name, {}, desk.now());
    else
        desk.story.model.renewed(name, began);
}

Task<Share> read_share(Desk& desk, const IndexName& name, bool& read) {
    const ShareKind kind = name.is_slot() ? ShareKind::mutable_ : ShareKind::immutable;
    auto shares = co_await read_all(desk.node, name, kind, desk.ctx());
    read = desk.answered("a read", shares);
    if (!read || shares->empty()) co_return Share();
    co_return std::move(shares->begin()->second);
}

Task<void> client(Desk& desk, std::uint64_t number, rt::Context ctx) {
    const std::uint64_t calls = desk.dice().between(2, 8);
    for (std::uint64_t i = 0; i < calls && !desk.gone(); ++i) {
        const IndexName name = some_index(desk.dice(), number);
        const std::uint64_t choice = desk.dice().below(10);
        if (choice < 4 && name.is_slot())
            co_await rewrite(desk, name);
        else if (choice < 4)
            co_await upload(desk, name);
        else if (choice < 8)
            co_await renew(desk, name);
        else {
            bool read = false;
            const Share seen = co_await read_share(desk, name, read);
            if (read) desk.story.model.saw(name, seen, desk.now());
        }
        if (!co_await rt::sleep(desk.node.process.runtime().reactor, ctx,
                                desk.dice().between(Duration(0), Duration(1s))))
            co_return;
    }
}

// -- the customer and the operator --

Task<void> ask_to_free(Desk& desk, GridId grid, std::int64_t before) {
    desk.story.model.asked(grid, CollectionKind::once, before, desk.now());
    const auto asked = co_await desk.expiry().free_unrenewed(desk.ctx(), grid, before, "customer");
    if (desk.gone() || asked) co_return;
    desk.story.model.refused(grid);
    if (!asked.error().is("storage.collection_under_way")) (void)desk.answered("freeing", asked);
}

Task<void> switch_expiry(Desk& desk, GridId grid, bool on) {
    if (on) desk.story.model.asked(grid, CollectionKind::expiry, 0, desk.now());
    const auto done = co_await desk.expiry().set_expiry(
        desk.ctx(), grid, on ? storage::Switch::on : storage::Switch::off, "customer");
    if (desk.answered("the switch", done) && !on)
        desk.story.model.ended(grid, CollectionKind::expiry, desk.now());
}

Task<void> stop_freeing(Desk& desk, GridId grid) {
    const auto done = co_await desk.expiry().stop_freeing(desk.ctx(), grid, "customer");
    if (desk.answered("stopping", done))
        desk.story.model.ended(grid, CollectionKind::once, desk.now());
}

Task<void> customer(Desk& desk, rt::Context ctx) {
    Dice& dice = desk.dice();
    for (std::uint64_t i = dice.below(3); i > 0 && !desk.gone(); --i) {
        const GridId grid{static_cast<std::int64_t>(dice.between(1, kGrids))};
        constexpr std::int64_t kAges[] = {0, 0, 3600, 24 * 3600, 20 * 24 * 3600};
        switch (dice.below(8)) {
            case 0:
            case 1:
                co_await switch_expiry(desk, grid, true);
                break;
            case 2:
                co_await switch_expiry(desk, grid, false);
                break;
            case 3:
                co_await stop_freeing(desk, grid);
                break;
            default:
                co_await ask_to_free(desk, grid, desk.now().wall_s - kAges[dice.below(5)]);
        }
        if (!co_await rt::sleep(desk.node.process.runtime().reactor, ctx,
                                dice.between(Duration(0), Duration(3s))))
            co_return;
    }
}

void learn_of_clock(Desk& desk) {
    Story& story = desk.story;
    const bool stopped = !desk.expiry().clock_problem().empty();
    if (story.stopped && !stopped)
        story.base.run.violated(5, "collection goes on, and nobody confirmed the clock");
    if (stopped) story.jumped_s += std::exchange(story.jump_s, 0);
    story.stopped = stopped;
}

// Steps until there is nothing more to do.
Task<void> collect(Desk& desk, rt::Context ctx) {
    desk.expiry().look_at_all();
    for (bool more = true; more && !desk.gone();) {
        desk.story.model.clock_showed(desk.now().wall_s, false);
        const bool stopped = desk.story.stopped;
        const bool frozen = desk.story.base.policies.only.access == storage::Access::frozen;
        const auto step = co_await desk.expiry().step(ctx);
        if (!desk.answered("a step", step)) co_return;
        if (step->freed != 0 && (stopped || frozen))
            desk.story.base.run.violated(5, stopped ? "shares go while the clock is not trusted"
                                                    : "shares of a frozen grid go");
        learn_of_clock(desk);
        more = step->more;
        if (!co_await rt::sleep(desk.node.process.runtime().reactor, ctx,
                                desk.dice().between(Duration(0), Duration(200ms))))
            co_return;
    }
}

Task<void> confirm_clock(Desk& desk) {
    const Moment began = desk.now();
    const auto done = co_await desk.expiry().confirm_clock(desk.ctx());
    if (desk.gone()) {
        // Maybe it was; then what is freed was marked after this.
        desk.story.model.clock_confirmed(began);
        desk.story.stopped = false;
        co_return;
    }
    if (!desk.answered("the confirmation", done)) co_return;
    desk.story.model.clock_confirmed(began);
    desk.story.stopped = false;
}

Task<void> work(Desk& desk) {
    rt::Scope scope(desk.ctx());
    for (std::uint64_t number = 0; number < kClients; ++number)
        scope.spawn(client(desk, number, scope.context()));
    scope.spawn(customer(desk, scope.context()));
    // The engine by itself, and the operator's command.
    for (std::uint64_t i = desk.dice().between(1, 2); i > 0; --i)
        scope.spawn(collect(desk, scope.context()));
    co_await scope.join();
}

// -- one process --

Task<void> compare_record(Desk& desk, GridId grid) {
    using Freed = CollectionModel::Freed;
    static constexpr sql::Query kOrders{
        "sim.freed", "SELECT shares, data_bytes FROM storage_collection WHERE grid = $1"};
    static constexpr sql::Query kDays{
        "sim.freed_by_day",
        "SELECT d.shares, d.data_bytes FROM storage_collected d JOIN storage_collection c "
        "ON c.id = d.collection WHERE c.grid = $1"};
    const auto sum = [grid](const sql::Query& query) {
        return [&query, grid](sql::Reader& db) -> Result<Freed> {
            sql::Rows rows = TRY(db.select(query, {grid}));
            Freed out;
            while (TRY(rows.next())) {
                out.shares += static_cast<std::uint64_t>(rows.integer(0));
                out.bytes += static_cast<std::uint64_t>(rows.integer(1));
            }
            return out;
        };
    };
    const auto record = co_await desk.database.read(desk.ctx(), sum(kOrders));
    if (!desk.answered("the record", record)) co_return;
    const auto by_day = co_await desk.database.read(desk.ctx(), sum(kDays));
    if (desk.answered("the record by day", by_day))
        desk.story.model.compare_record(grid, *record, *by_day);
}

// Nothing else is at work.
Task<void> look_at_everything(Desk& desk) {
    for (std::int64_t grid = 1; grid <= kGrids; ++grid) {
        std::uint64_t bytes = 0;
        std::uint64_t shares = 0;
        for (std::uint64_t number = 0; number < kIndexes; ++number) {
            const IndexName name{GridId{grid}, number};
            bool read = false;
            const Share seen = co_await read_share(desk, name, read);
            if (!read) co_return;
            desk.story.model.settle(name, seen, desk.now());
            if (seen) ++shares, bytes += seen->size();
        }
        co_await check_usage(desk.node, GridId{grid}, bytes, shares);
        if (desk.gone()) co_return;
        co_await compare_record(desk, GridId{grid});
        if (desk.gone()) co_return;
    }
}

// Nobody else is at work, so that what the service notices is clear.
Task<void> move_clock(Desk& desk) {
    co_await collect(desk, desk.ctx());
    // What went before the jump is no longer counted after it.
    co_await look_at_everything(desk);
    if (desk.gone()) co_return;
    const bool back = desk.dice().chance(0.3);
    const std::int64_t by =
        static_cast<std::int64_t>(desk.dice().between(3600, back ? 20 * 3600 : 60 * 3600));
    desk.story.jump_s = back ? -by : by;
    desk.node.process.machine().shift_clock(std::chrono::seconds(desk.story.jump_s));
    co_await collect(desk, desk.ctx());
    if (!desk.gone() && !desk.story.stopped)
        desk.story.base.run.violated(5, "the clock jumped, and collection goes on");
}

using Deed = Task<void> (*)(Desk& desk);

Task<void> serve(Story& story, Process& process, Deed deed) {
    Run& run = story.base.run;
    const auto database = open_database(run, process, false, storage::migrations());
    if (!database) co_return;
    const auto blobs = open_store(run, process, false);
    if (!blobs) co_return;
    auto engine =
        co_await Engine::create(process.context(), process.runtime(), *database, *blobs,
                                story.base.master, story.base.policies, story.base.options);
    if (!process.alive()) co_return;
    if (!engine) {
        run.violated(10, "the engine does not start: " + engine.error().to_string());
        co_return;
    }
    Desk desk{story, *database, {.story = story.base, .process = process, .engine = **engine}};
    learn_of_clock(desk);
    // A jump that nobody noticed, since the machine died with it, is time like another.
    story.jump_s = 0;
    co_await look_at_everything(desk);
    story.model.clock_showed(desk.now().wall_s, true);
    if (!desk.gone()) co_await deed(desk);
    co_await (*engine)->close();
}

// Some days of the service, or minutes, until the machine dies.
Task<void> some_days(Desk& desk) {
    Dice& dice = desk.dice();
    if (dice.chance(0.6))
        desk.node.process.crash_at_file_call(dice.between(1, 500),
                                             dice.chance(0.5) ? Crash::power : Crash::process);
    for (std::uint64_t i = dice.between(1, 3); i > 0 && !desk.gone(); --i) {
        if (desk.story.stopped && dice.chance(0.7)) co_await confirm_clock(desk);
        if (!desk.gone()) co_await work(desk);
        if (!desk.gone() && !desk.story.stopped && dice.chance(0.15)) co_await move_clock(desk);
        if (!desk.gone() && dice.chance(0.03))
            (void)co_await rt::sleep(desk.node.process.runtime().reactor, desk.ctx(), kDay + 1min);
    }
}

Task<void> ask_for_everything(Desk& desk) {
    if (desk.story.stopped) co_await confirm_clock(desk);
    (void)co_await rt::sleep(desk.node.process.runtime().reactor, desk.ctx(), 2s);
    for (std::int64_t grid = 1; grid <= kGrids; ++grid) {
        co_await switch_expiry(desk, GridId{grid}, false);
        co_await stop_freeing(desk, GridId{grid});
        co_await ask_to_free(desk, GridId{grid}, desk.now().wall_s);
    }
    co_await collect(desk, desk.ctx());
}

Task<void> find_nothing(Desk& desk) {
    for (int i = 0; i < 2; ++i) co_await collect(desk, desk.ctx());
    co_await look_at_everything(desk);
    for (std::int64_t grid = 1; grid <= kGrids; ++grid)
        for (std::uint64_t number = 0; number < kIndexes; ++number) {
            const IndexName name{GridId{grid}, number};
            if (desk.story.model.at(name).share.known)
                desk.story.base.run.violated(10, name.text() + " was to be freed, and is not");
        }
}

void live(Story& story, Machine& machine, Deed deed) {
    Run& run = story.base.run;
    Process& process = machine.boot();
    process.spawn(serve(story, process, deed));
    if (!run.world().run_until([&] { return process.ended(); }, 10 * kDay))
        run.violated(10, process.name() + " does not end");
    process.crash(run.dice().chance(0.5) ? Crash::power : Crash::process);
}

// How long the machine is off, or how far its clock is off when it is on again.
void pass_time(Story& story, Machine& machine) {
    Dice& dice = story.base.run.dice();
    const auto hours = [&](std::uint64_t from, std::uint64_t to) {
        return std::chrono::seconds(dice.between(from * 3600, to * 3600));
    };
    const std::uint64_t choice = dice.below(20);
    if (choice < 2) return;
    if (choice < 6) return machine.shift_clock(hours(1, 20));
    if (choice < 15) return machine.shift_clock(hours(24, 30));
    if (choice < 16) return machine.shift_clock(hours(40, 70));
    if (choice < 19) return machine.shift_clock(hours(32 * 24, 40 * 24));
    const auto back = hours(1, 30);
    machine.shift_clock(-back);
    if (story.jump_s == 0) story.jump_s = -back.count();
}

}  // namespace

void play_collection(Run& run) {
    Story story(run);
    Dice& dice = run.dice();
    storage::EngineOptions& options = story.base.options;
    story.base.policies.only.quota_bytes = kGiB;
    options.disk_reserve_bytes = kMiB;
    options.collect_every = 1000 * kDay;  // the steps are the story's
    options.small_share_bytes_max = dice.between(500, 10'000);
    options.planted_bugs.second_pass_blind = run.plant() == Plant::second_pass_blind;
    options.planted_bugs.clock_trusted = run.plant() == Plant::clock_trusted;
    Machine& machine = run.world().machine("storage");
    for (int round = 0; round < 6 && !run.failed(); ++round) {
        story.base.policies.only.access =
            dice.chance(0.1) ? storage::Access::frozen : storage::Access::read_write;
        live(story, machine, some_days);
        pass_time(story, machine);
    }
    story.base.policies.only.access = storage::Access::read_write;
    // So that no lease is from a time that the clock has yet to come to again.
    machine.shift_clock(20 * kDay);
    if (!run.failed()) live(story, machine, ask_for_everything);
    machine.shift_clock(kDay + 1min);
    if (!run.failed()) live(story, machine, find_nothing);
}

}  // namespace s4::simulation
