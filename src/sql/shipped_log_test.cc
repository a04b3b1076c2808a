// The shipped log: what is restored is the database as it was at some commit, no older than the
// window, whenever the machine is lost.

#include <gtest/gtest.h>

#include <functional>

#include "rt/scope.h"
#include "rt/sim/world.h"
#include "sql/database.h"
#include "sql/shipped_log.h"

namespace s4::sql {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Crash;
using rt::sim::Process;

constexpr Duration kWindow = 1s;
constexpr Migration kTables[] = {
    {"test", 1,
     "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, data BYTEA NOT NULL) CLUSTERED; "
     "CREATE TABLE filling (id BIGINT NOT NULL PRIMARY KEY, data BYTEA NOT NULL) CLUSTERED; "
     "CREATE TABLE last (id BIGINT NOT NULL PRIMARY KEY, note BIGINT NOT NULL) CLUSTERED"},
};
constexpr Query kInsert{"ship.insert", "INSERT INTO notes (id, data) VALUES ($1, $2)"};
constexpr Query kFill{"ship.fill", "INSERT INTO filling (id, data) VALUES ($1, $2)"};
constexpr Query kLast{"ship.last",
                      "INSERT INTO last (id, note) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET "
                      "note = excluded.note"};
constexpr Query kTrim{"ship.trim", "DELETE FROM notes WHERE id <= $1"};
constexpr Query kRead{"ship.read",
                      "SELECT (SELECT count(*) FROM notes), (SELECT max(id) FROM notes), "
                      "(SELECT min(id) FROM notes), (SELECT note FROM last)"};

// Notes are numbered without gaps; the last number stands in a second table, the oldest go.
struct Story {
    std::int64_t asked = 0;
    std::vector<std::pair<Instant, std::int64_t>> acknowledged;

    std::int64_t acknowledged_by(Instant when) const {
        std::int64_t out = 0;
        for (const auto& [at, number] : acknowledged)
            if (at <= when) out = number;
        return out;
    }
};

class ShippedLog : public ::testing::TestWithParam<int> {
  protected:
    ShippedLog() : world_(static_cast<std::uint64_t>(GetParam()), {}) {}
    ~ShippedLog() override {
        database_.reset();
        world_.end();
    }
    rt::sim::Machine& machine() { return world_.machine("m"); }

    void boot() {
        process_ = &machine().boot();
        (void)process_->runtime().files.make_directories("state");
        Options options{.path = "state/db", .vfs = Options::Vfs::files, .readers = 1};
        options.on_fatal = [](const Error&) {};
        database_ = Database::open(process_->runtime(), std::move(options), kTables).value();
    }
    // Returns once the first generation is whole.
    void ship() {
        std::optional<Result<void>> started;
        process_->spawn(start_shipping(started));
        ASSERT_TRUE(world_.run_until(
            [&] { return started && database_->ship_status() && database_->ship_status()->whole; },
            60s));
        EXPECT_TRUE(*started);
    }
    Task<void> start_shipping(std::optional<Result<void>>& started) {
        started = co_await database_->ship_log(
            process_->context(), {.directory = "copy", .owner = owner_}, process_->runtime().pool);
    }
    Task<void> stop(bool& stopped) {
        stopped_at_ = process_->runtime().reactor.now();
        co_await database_->stop_shipping();
        stopped = true;
    }
    Task<void> load(Duration pause) {
        for (;;) {
            const std::int64_t number = ++story_.asked;
            const ByteBuffer data(100 + number * 37 % 9000, static_cast<std::uint8_t>(number));
            const auto done = co_await database_->write(
                process_->context(), [&](Transaction& tx) -> Result<void> {
                    TRY(tx.execute(kInsert, {number, data}));
                    TRY(tx.execute(kLast, {number}));
                    TRY(tx.execute(kTrim, {number - 200}));
                    return ok();
                });
            if (!process_->alive()) co_return;
            if (!done) {
                --story_.asked;  // it was undone
                co_return;
            }
            story_.acknowledged.push_back({process_->runtime().reactor.now(), number});
            if (!co_await rt::sleep(process_->runtime().reactor, process_->context(), pause))
                co_return;
        }
    }
    void lose_machine(Crash how) {
        machine().crash(how);
        world_.run_for(1s);
        database_.reset();
    }
    // Rows that stay, beside the notes.
    void fill(std::int64_t rows) {
        const ByteBuffer data(9000, 7);
        const auto filled = database_->write_blocking([&](Transaction& tx) -> Result<void> {
            for (std::int64_t row = 0; row < rows; ++row) TRY(tx.execute(kFill, {row, data}));
            return ok();
        });
        ASSERT_TRUE(filled);
    }
    // The disk of the shipped log goes and comes back.
    static void hide_copy(rt::Files& files) {
        ASSERT_TRUE(files.rename("copy", "away"));
        ASSERT_TRUE(files.open("copy", rt::OpenMode::create));
    }
    static void show_copy(rt::Files& files) {
        ASSERT_TRUE(files.remove("copy"));
        ASSERT_TRUE(files.rename("away", "copy"));
    }
    // Ships some seconds of load, and loses the machine; returns what is restored.
    std::int64_t ship_for(Duration time) {
        boot();
        ship();
        process_->spawn(load(50ms));
        world_.run_for(time);
        lose_machine(Crash::process);
        return restore();
    }
    static std::string newest_generation(rt::Files& files) {
        return "copy/" + generation_name(list_generations(files, "copy").value().back());
    }
    void change_log(const std::function<Result<void>(rt::File&)>& change,
                    const char* name = "00000001.log") {
        rt::Files& files = machine().boot().runtime().files;
        const std::string path = newest_generation(files) + "/" + name;
        ASSERT_TRUE(change(*files.open(path, rt::OpenMode::write).value()));
        machine().crash(Crash::process);
    }
    Result<RestoredLog> try_restore() {
        rt::Files& files = machine().boot().runtime().files;
        auto out = restore_shipped_log(files, "copy", "state/restored-not");
        machine().crash(Crash::process);
        return out;
    }
    // The number of the last commit of what is restored, which is whole.
    std::int64_t restore() {
        Process& process = machine().boot();
        rt::Files& files = process.runtime().files;
        (void)files.remove("state/restored");
        (void)files.remove("state/restored-wal");
        const auto restored = restore_shipped_log(files, "copy", "state/restored");
        if (!restored) {
            ADD_FAILURE() << restored.error().to_string();
            machine().crash(Crash::process);
            return -1;
        }
        Options options{.path = "state/restored", .vfs = Options::Vfs::files, .readers = 1};
        options.on_fatal = [](const Error&) {};
        const auto db = Database::open(process.runtime(), std::move(options), kTables).value();
        std::int64_t last = 0;
        const auto read = db->write_blocking([&](Transaction& tx) -> Result<void> {
            Rows rows = TRY(tx.select(kRead));
            EXPECT_TRUE(TRY(rows.next()));
            last = rows.integer(3);
            EXPECT_EQ(rows.integer(1), last);
            EXPECT_EQ(rows.integer(0), std::min<std::int64_t>(last, 200));
            if (last != 0) EXPECT_EQ(rows.integer(2), std::max<std::int64_t>(last - 199, 1));
            return ok();
        });
        EXPECT_TRUE(read) << read.error().to_string();
        machine().crash(Crash::process);
        return last;
    }

    rt::sim::World world_;
    Process* process_ = nullptr;
    std::unique_ptr<Database> database_;
    Story story_;
    Instant stopped_at_{};
    std::string owner_ = "this database";
};

TEST_P(ShippedLog, AMachineLostAtAnyMomentLosesNoMoreThanTheWindow) {
    rt::sim::Dice& dice = world_.dice();
    for (int life = 0; life < 2; ++life) {
        boot();
        ship();
        process_->spawn(load(dice.between(Duration(1ms), Duration(20ms))));
        world_.run_for(dice.between(Duration(0), Duration(12s)));
        const Instant lost = world_.now();
        lose_machine(dice.chance(0.5) ? Crash::power : Crash::process);
        const std::int64_t last = restore();
        EXPECT_GE(last, story_.acknowledged_by(lost - kWindow));
        EXPECT_LE(last, story_.asked);
        // The database that was not lost has all that was acknowledged; the next life goes on.
        story_.asked = story_.acknowledged.empty() ? 0 : story_.acknowledged.back().second;
        boot();
        const auto kept = database_->write_blocking([&](Transaction& tx) -> Result<std::int64_t> {
            Rows rows = TRY(tx.select(kRead));
            TRY(rows.next());
            return rows.integer(3);
        });
        EXPECT_GE(*kept, story_.asked);
        story_.asked = *kept;
        lose_machine(Crash::process);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShippedLog, ::testing::Range(1, 9));

using OneShippedLog = ShippedLog;

TEST_P(OneShippedLog, GenerationsAreBounded) {
    for (int life = 0; life < 4; ++life) {
        boot();
        ship();
        const auto there = list_generations(process_->runtime().files, "copy").value();
        EXPECT_EQ(there.size(), std::min<std::size_t>(life + 1, kGenerationsKept));
        lose_machine(Crash::process);
    }
}

TEST_P(OneShippedLog, AfterADayAnotherGenerationBegins) {
    boot();
    ship();
    process_->spawn(load(30min));
    world_.run_for(24h + 1min);
    const auto generations = list_generations(process_->runtime().files, "copy").value();
    EXPECT_EQ(generations.size(), 2u);
    const std::int64_t acknowledged = story_.acknowledged_by(world_.now() - kWindow);
    EXPECT_GT(acknowledged, 40);
    lose_machine(Crash::process);
    EXPECT_GE(restore(), acknowledged);
}

TEST_P(OneShippedLog, ADirectoryThatCannotBeMadeIsAnError) {
    boot();
    ASSERT_TRUE(process_->runtime().files.open("copy", rt::OpenMode::create));
    std::optional<Result<void>> started;
    process_->spawn(start_shipping(started));
    ASSERT_TRUE(world_.run_until([&] { return started.has_value(); }, 60s));
    EXPECT_FALSE(*started);
    lose_machine(Crash::process);
}

TEST_P(OneShippedLog, ADirectoryOfAnotherDatabaseIsRefusedAndLeftAsItIs) {
    const std::int64_t whole = ship_for(5s);
    owner_ = "another";
    for (int attempt = 0; attempt < 3; ++attempt) {
        boot();
        std::optional<Result<void>> started;
        process_->spawn(start_shipping(started));
        ASSERT_TRUE(world_.run_until([&] { return started.has_value(); }, 60s));
        EXPECT_EQ(started->error().code(), "sql.ship_other_database");
        EXPECT_EQ(shipped_log_owner(process_->runtime().files, "copy").value(), "this database");
        lose_machine(Crash::process);
    }
    EXPECT_EQ(restore(), whole);
}

TEST_P(OneShippedLog, ADirectoryThatGoesStopsNoWriteAndAnotherGenerationFollows) {
    boot();
    ship();
    process_->spawn(load(100ms));
    world_.run_for(5s);
    rt::Files& files = process_->runtime().files;
    const std::uint64_t first = list_generations(files, "copy").value().back();
    hide_copy(files);
    world_.run_for(30s);
    EXPECT_FALSE(database_->ship_status()->whole);
    EXPECT_FALSE(database_->ship_status()->problem.empty());
    EXPECT_GT(database_->ship_status()->lag, 25s);
    EXPECT_GE(story_.acknowledged_by(world_.now()),
              story_.acknowledged_by(world_.now() - 20s) + 50);
    show_copy(files);
    world_.run_for(30s);
    EXPECT_TRUE(database_->ship_status()->whole);
    EXPECT_EQ(database_->ship_status()->problem, "");
    EXPECT_LT(database_->ship_status()->lag, kWindow);
    EXPECT_GT(list_generations(files, "copy").value().back(), first);
    const std::int64_t acknowledged = story_.acknowledged_by(world_.now() - kWindow);
    lose_machine(Crash::process);
    EXPECT_GE(restore(), acknowledged);
}

// A snapshot of many steps, with checkpoints meanwhile.
TEST_P(OneShippedLog, CommitsMadeWhileASnapshotIsCopiedAreNotMissed) {
    boot();
    fill(4000);
    process_->spawn(load(1ms));
    ship();
    rt::Files& files = process_->runtime().files;
    EXPECT_GT(files.info(newest_generation(files) + "/" + kSnapshotName)->size, kSnapshotStepBytes);
    world_.run_for(2s);
    const std::int64_t acknowledged = story_.acknowledged_by(world_.now() - kWindow);
    EXPECT_GT(acknowledged, 100);
    lose_machine(Crash::process);
    EXPECT_GE(restore(), acknowledged);
}

TEST_P(OneShippedLog, ACutLastRecordIsTheEnd) {
    const std::int64_t whole = ship_for(5s);
    change_log([](rt::File& file) { return file.truncate(file.size().value() - 1); });
    const std::int64_t cut = restore();
    EXPECT_LT(cut, whole);
    EXPECT_GT(cut, whole - 20);
}

TEST_P(OneShippedLog, ARecordDamagedInTheMiddleIsRefused) {
    ship_for(5s);
    change_log(
        [](rt::File& file) { return file.write_at(file.size().value() / 2, ByteBuffer(1, 0xa5)); });
    EXPECT_EQ(try_restore().error().code(), "sql.log_damaged");
}

TEST_P(OneShippedLog, ASnapshotThatIsDamagedIsRefused) {
    ship_for(1s);
    change_log([](rt::File& file) { return file.write_at(60, ByteBuffer(1, 0xa5)); },
               kSnapshotName);
    EXPECT_EQ(try_restore().error().code(), "sql.log_damaged");
}

TEST_P(OneShippedLog, AMissingSegmentIsRefused) {
    ship_for(5s);
    rt::Files& files = machine().boot().runtime().files;
    const std::string folder = newest_generation(files);
    ASSERT_TRUE(files.rename(folder + "/00000001.log", folder + "/00000002.log"));
    machine().crash(Crash::process);
    EXPECT_EQ(try_restore().error().code(), "sql.log_damaged");
}

TEST_P(OneShippedLog, ADirectoryWithoutALogIsNamed) {
    boot();
    rt::Files& files = process_->runtime().files;
    EXPECT_EQ(restore_shipped_log(files, "state", "state/x").error().code(), "sql.no_generation");
    lose_machine(Crash::process);
}

TEST_P(OneShippedLog, APlannedStopLeavesNothingBehind) {
    boot();
    ship();
    process_->spawn(load(7ms));
    world_.run_for(3s);
    bool stopped = false;
    process_->spawn(stop(stopped));
    ASSERT_TRUE(world_.run_until([&] { return stopped; }, 10s));
    const std::int64_t all = story_.acknowledged_by(stopped_at_);
    lose_machine(Crash::process);
    EXPECT_GE(restore(), all);
}

INSTANTIATE_TEST_SUITE_P(One, OneShippedLog, ::testing::Values(1));

}  // namespace
}  // namespace s4::sql
