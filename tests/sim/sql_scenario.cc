// The database alone. Each cell is two rows that are always written together with the same value,
// by one actor after the other; a cell's model is its last acknowledged value and those whose write
// got no answer.
#include <fmt/format.h>

#include <array>
#include <set>

#include "rt/scope.h"
#include "run.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;

constexpr std::size_t kActors = 6;
constexpr std::size_t kCellsEach = 4;

constexpr sql::Migration kTables[] = {
    {"cells", 1,
     "CREATE TABLE cells (cell BIGINT NOT NULL, half BIGINT NOT NULL, value BIGINT NOT NULL, "
     "filling BYTEA NOT NULL, PRIMARY KEY (cell, half)) CLUSTERED"},
};
constexpr sql::Query kPut{"cells.put",
                          "INSERT INTO cells (cell, half, value, filling) VALUES ($1, $2, $3, $4) "
                          "ON CONFLICT (cell, half) DO UPDATE SET value = excluded.value, "
                          "filling = excluded.filling"};
constexpr sql::Query kGet{"cells.get", "SELECT value FROM cells WHERE cell = $1 ORDER BY half"};

struct Cell {
    std::int64_t acknowledged = 0;  // 0: nothing
    std::set<std::int64_t> unanswered;
};

struct Story {
    Run& run;
    std::array<Cell, kActors * kCellsEach> cells;
    std::int64_t last_value = 0;
};

using Halves = std::vector<std::int64_t>;

Result<Halves> halves_of(sql::Reader& reader, std::size_t cell) {
    Halves out;
    sql::Rows rows = TRY(reader.select(kGet, {cell}));
    while (TRY(rows.next())) out.push_back(rows.integer(0));
    return out;
}

void compare(Story& story, std::size_t cell, const Halves& halves, bool restarted) {
    Cell& model = story.cells[cell];
    if (!halves.empty() && (halves.size() != 2 || halves[0] != halves[1]))
        story.run.violated(2, fmt::format("cell {} is half written", cell));
    const std::int64_t value = halves.empty() ? 0 : halves[0];
    const bool known = value == model.acknowledged || model.unanswered.contains(value);
    if (!known)
        story.run.violated(1, fmt::format("cell {} holds {} and {} was acknowledged", cell, value,
                                          model.acknowledged));
    if (restarted) model = {.acknowledged = value, .unanswered = {}};
}

Task<void> check_all(Story& story, sql::Database& db, Process& process) {
    for (std::size_t cell = 0; cell < story.cells.size(); ++cell) {
        const auto halves = co_await db.read(
            process.context(), [cell](sql::Reader& reader) { return halves_of(reader, cell); });
        if (!process.alive()) co_return;
        if (!halves) {
            story.run.violated(
                10, "a cell cannot be read after restart: " + halves.error().to_string());
            co_return;
        }
        compare(story, cell, *halves, true);
    }
}

Task<void> act(Story& story, sql::Database& db, Process& process, rt::Context ctx,
               std::size_t actor) {
    rt::sim::Dice& dice = story.run.dice();
    while (!ctx.cancel.cancelled()) {
        const std::size_t cell = actor * kCellsEach + dice.below(kCellsEach);
        const std::int64_t value = ++story.last_value;
        const ByteBuffer filling(dice.below(3000), static_cast<std::uint8_t>(value));
        Cell& model = story.cells[cell];
        model.unanswered.insert(value);
        const auto written = co_await db.write(ctx, [&](sql::Transaction& tx) -> Result<bool> {
            for (const int half : {1, 2}) TRY(tx.execute(kPut, {cell, half, value, filling}));
            return true;
        });
        if (!process.alive()) co_return;
        if (written) {
            model = {.acknowledged = value, .unanswered = {}};
            story.run.acknowledged();
        }
        if (dice.chance(0.3)) {
            const auto halves = co_await db.read(
                ctx, [cell](sql::Reader& reader) { return halves_of(reader, cell); });
            if (process.alive() && halves) compare(story, cell, *halves, false);
        }
        if (!co_await rt::sleep(process.runtime().reactor, ctx,
                                dice.between(Duration(0), Duration(30ms))))
            co_return;
    }
}

Task<void> serve(Story& story, Process& process, bool load) {
    auto db = sql::Database::open(process.runtime(),
                                  story.run.database_options(process, "state/db"), kTables);
    if (!db) {
        if (process.alive())
            story.run.violated(10, "the database does not open: " + db.error().to_string());
        co_return;
    }
    co_await check_all(story, **db, process);
    if (!load) co_return;
    rt::Scope scope(process.context());
    for (std::size_t actor = 0; actor < kActors; ++actor)
        scope.spawn(act(story, **db, process, scope.context(), actor));
    co_await scope.join();
}

}  // namespace

void play_sql(Run& run) {
    Story story{.run = run, .cells = {}};
    rt::sim::Machine& machine = run.world().machine("database");
    CHECK(machine.boot().runtime().files.make_directories("state").has_value(), "a folder");
    CHECK(machine.running()->runtime().files.sync_directory(".").has_value(), "a safe folder");
    for (int round = 0; round < 8 && !run.failed(); ++round) {
        const bool faults = run.dice().chance(0.2);
        rt::sim::Disk& disk = machine.disk();
        run.boot_and_crash(machine, [&](Process& process) {
            if (faults) machine.faults().write_error = 0.002;
            if (faults && run.dice().chance(0.5))
                disk.set_capacity(disk.used_bytes() + run.dice().below(300'000));
            process.spawn(serve(story, process, true));
        });
        machine.faults() = {};
        disk.set_capacity(4 * kGiB);
    }
    run.boot_and_stop(
        machine, [&](Process& process) { process.spawn(serve(story, process, false)); }, 1min);
}

}  // namespace s4::simulation
