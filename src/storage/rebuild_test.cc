// The index made anew from the blobs: with no database, and with one from an older backup.

#include "storage/rebuild.h"
#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

constexpr std::size_t kLarge = 100'000;

class RebuildTest : public EngineFixture {
  protected:
    using Shares = std::map<std::pair<StorageIndex, ShareNumber>, ByteBuffer>;
    using Saved = std::map<std::string, ByteBuffer>;

    // Everything that is stored, as clients read it.
    Shares everything(GridId grid = kGrid) {
        Shares out;
        for (const ShareInfo& info : run(engine_->shares_after(ctx(), grid, {}, 1000)).value())
            out[{info.index, info.share}] =
                content(info.index, info.share, info.kind, grid).value();
        return out;
    }
    Saved save_database() {
        stop();
        rt::Files& files = machine().boot().runtime().files;
        Saved out;
        for (const char* name : {"state/db", "state/db-wal"})
            if (auto bytes = rt::read_file(files, name, kGiB)) out[name] = std::move(*bytes);
        machine().crash(rt::sim::Crash::process);
        start();
        return out;
    }
    // Stops, puts another database in place (none: a fresh one), rebuilds, starts.
    RebuildReport rebuild(const Saved& database = {}) {
        stop();
        process_ = &machine().boot();
        rt::Runtime& runtime = process_->runtime();
        for (const char* name : {"state/db", "state/db-wal"}) (void)runtime.files.remove(name);
        for (const auto& [name, bytes] : database)
            CHECK(rt::replace_file(runtime.files, name, bytes), "the file is written");
        sql::Options options;
        options.path = "state/db";
        options.vfs = sql::Options::Vfs::files;
        database_ = sql::Database::open(runtime, options, migrations()).value();
        store_ = blob::DirectoryStore::open(runtime, {"state/store", {}}).value();
        auto report = run(rebuild_index(ctx(), runtime, *database_, *store_, master_, known_, {}));
        process_->stop();
        world_.run_until([&] { return process_->ended(); }, 60s);
        store_.reset();
        database_.reset();
        process_ = nullptr;
        machine().crash(rt::sim::Crash::power);
        start();
        return report.value();
    }
    void expect_sound() {
        std::string from;
        do {
            const CheckReport step = run(engine_->check_step(ctx(), {{}, false, from})).value();
            for (const Finding& finding : step.findings)
                ADD_FAILURE() << to_string(finding.problem) << ": " << finding.detail;
            from = step.next;
        } while (!from.empty());
        expect_usage_exact();
    }
    std::vector<blob::Key> keys() {
        std::vector<blob::Key> out;
        for (const blob::Listed& blob : run(store_->list(ctx(), "")).value().blobs)
            out.push_back(blob.key);
        return out;
    }
    struct Known final : KnownGrids {
        rt::Task<Result<bool>> has(const rt::Context&, GridId grid) override {
            co_return grid != unknown;
        }
        GridId unknown{};
    } known_;

    static Change writes(std::uint64_t offset, ByteBuffer data,
                         std::optional<std::uint64_t> length = {}) {
        return {{}, {{offset, std::move(data)}}, length};
    }
};

TEST_F(RebuildTest, EveryLargeShareComesBackFromTheBlobsAlone) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(put(index_of(1), 7, pattern(5 * kMiB + 3, 2)));
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 3), 1, kOther));
    ASSERT_TRUE(change(index_of(2), {{0, writes(0, pattern(3 * kMiB, 4))},
                                     {1, writes(10, pattern(2 * kMiB, 5))}}));
    ASSERT_TRUE(change(index_of(2), {{0, writes(kMiB - 5, pattern(2000, 6))}}));
    ASSERT_TRUE(change(index_of(2), {{0, writes(70'000, pattern(10, 7), 2 * kMiB + 1)}}));
    ASSERT_TRUE(change(index_of(2), {{1, writes(9 * kMiB, pattern(10, 8))}}));
    const Shares before = everything();
    const Shares others = everything(kOther);

    const RebuildReport report = rebuild();
    EXPECT_EQ(everything(), before);
    EXPECT_EQ(everything(kOther), others);
    EXPECT_EQ(report.added, 5u);
    EXPECT_EQ(report.left_out, 0u);
    EXPECT_EQ(report.damaged, 0u);
    EXPECT_EQ(report.grids, (std::vector{kGrid, kOther}));
    expect_usage_exact(kOther);
    EXPECT_TRUE(change(index_of(2), {{0, writes(0, bytes("still its writer's"))}}));
    EXPECT_EQ(change(index_of(2), {{0, writes(0, bytes("x"))}}, {}, 51).error().code(),
              "storage.bad_write_enabler");
    // What superseded blobs the database no longer knows of are found by the next comparison.
    run(engine_->collect_step(ctx())).value();
    expect_sound();
    EXPECT_EQ(run(engine_->leases(ctx(), kGrid, index_of(1), 0)).value().size(), 1u);
}

TEST_F(RebuildTest, ManyChangesOfOneShare) {
    std::uint64_t x = 12345;
    const auto dice = [&](std::uint64_t below) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        return (x >> 33) % below;
    };
    ASSERT_TRUE(change(index_of(1), {{0, writes(0, pattern(2 * kMiB, 1))}}));
    for (std::uint64_t i = 0; i < 60; ++i) {
        const std::uint64_t at = dice(4 * kMiB);
        std::optional<std::uint64_t> length;
        if (dice(4) == 0) length = 70'000 + dice(3 * kMiB);
        ASSERT_TRUE(change(index_of(1), {{0, writes(at, pattern(1 + dice(90'000), i), length)}}));
    }
    const Shares before = everything();
    rebuild();
    EXPECT_EQ(everything(), before);
    run(engine_->collect_step(ctx())).value();
    expect_sound();
}

TEST_F(RebuildTest, AFormerShareDoesNotShineThrough) {
    ASSERT_TRUE(change(index_of(1), {{0, writes(0, pattern(5 * kMiB, 1))}}));
    ASSERT_TRUE(change(index_of(1), {{0, {{}, {}, 0}}}));  // deleted
    ASSERT_TRUE(change(index_of(1), {{0, writes(4 * kMiB, pattern(100, 2))}}));
    const Shares before = everything();
    rebuild();
    EXPECT_EQ(everything(), before);
}

TEST_F(RebuildTest, AHalfWriteIsNotResurrected) {
    ASSERT_TRUE(change(index_of(1), {{0, writes(0, pattern(2 * kMiB, 1))}}));
    const Shares before = everything();
    const std::vector<blob::Key> old = keys();
    ASSERT_TRUE(change(index_of(1), {{0, writes(0, pattern(2 * kMiB, 2))}}));
    for (const blob::Key& key : keys())
        if (std::ranges::find(old, key) == old.end()) {
            ASSERT_TRUE(run(store_->remove(ctx(), key)));
            break;
        }
    const RebuildReport report = rebuild();
    EXPECT_EQ(everything(), before);
    EXPECT_EQ(report.left_out, 1u);
}

TEST_F(RebuildTest, AHalfCommitOfSeveralSharesIsNotResurrected) {
    ASSERT_TRUE(change(index_of(1),
                       {{0, writes(0, pattern(kLarge, 1))}, {1, writes(0, pattern(kLarge, 2))}}));
    const Shares before = everything();
    const std::vector<blob::Key> old = keys();
    ASSERT_TRUE(change(index_of(1),
                       {{0, writes(0, pattern(kLarge, 3))}, {1, writes(0, pattern(kLarge, 4))}}));
    for (const blob::Key& key : keys())
        if (std::ranges::find(old, key) == old.end()) {
            ASSERT_TRUE(run(store_->remove(ctx(), key)));
            break;
        }
    rebuild();
    EXPECT_EQ(everything(), before);
}

TEST_F(RebuildTest, ADeletionThatACommitTellsOfStays) {
    ASSERT_TRUE(change(index_of(1),
                       {{0, writes(0, pattern(kLarge, 1))}, {1, writes(0, pattern(kLarge, 2))}}));
    ASSERT_TRUE(change(index_of(1), {{0, writes(0, pattern(kLarge, 3))}, {1, {{}, {}, 0}}}));
    const Shares before = everything();
    ASSERT_EQ(before.size(), 1u);
    rebuild();
    EXPECT_EQ(everything(), before);
}

TEST_F(RebuildTest, AnOlderDatabaseIsBroughtUpToDate) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(put(index_of(5), 0, pattern(100, 9)));
    ASSERT_TRUE(put(index_of(6), 0, pattern(kLarge, 9)));
    ASSERT_TRUE(change(index_of(2), {{0, writes(0, pattern(3 * kMiB, 2))}}));
    ASSERT_TRUE(change(index_of(3), {{0, writes(0, pattern(100, 3))}}));
    policies_.by_grid[1].access = Access::read_write;
    const Saved backup = save_database();
    ASSERT_TRUE(put(index_of(1), 1, pattern(kLarge, 4)));
    ASSERT_TRUE(change(index_of(2), {{0, writes(2 * kMiB, pattern(2 * kMiB, 5))}}));
    ASSERT_TRUE(change(index_of(3), {{0, writes(0, pattern(kLarge, 6))}}));
    const Shares before = everything();
    const RebuildReport report = rebuild(backup);
    EXPECT_EQ(everything(), before);
    EXPECT_EQ(report.added, 1u);
    EXPECT_EQ(report.renewed, 2u);
    EXPECT_EQ(report.kept, 2u);
    run(engine_->collect_step(ctx())).value();
    expect_sound();
    EXPECT_FALSE(run(engine_->leases(ctx(), kGrid, index_of(2), 0)).value().empty());
}

TEST_F(RebuildTest, TwiceIsAsGoodAsOnce) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(change(index_of(2), {{0, writes(0, pattern(3 * kMiB, 2))}}));
    const Saved whole = save_database();
    const Shares before = everything();
    const RebuildReport report = rebuild(whole);
    EXPECT_EQ(report.added + report.renewed, 0u);
    EXPECT_EQ(report.kept, 2u);
    EXPECT_EQ(everything(), before);
    expect_sound();
}

TEST_F(RebuildTest, ADamagedBlobIsCountedAndLeftAlone) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(put(index_of(2), 0, pattern(kLarge, 2)));
    const blob::Key key = keys().front();
    auto file =
        process_->runtime().files.open("state/store/blobs/" + key.text(), rt::OpenMode::write);
    ASSERT_TRUE((*file)->write_at(kLarge + 256 + 2, pattern(1)));
    file->reset();
    const RebuildReport report = rebuild();
    EXPECT_EQ(report.damaged, 1u);
    EXPECT_EQ(report.added, 1u);
    EXPECT_EQ(keys().size(), 2u);
}

TEST_F(RebuildTest, AGridThatTheDatabaseDoesNotHaveIsLeftAlone) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 2), 1, kOther));
    known_.unknown = kOther;
    const RebuildReport report = rebuild();
    EXPECT_EQ(report.unknown_grids, std::vector{kOther});
    EXPECT_EQ(report.added, 1u);
    EXPECT_TRUE(list(index_of(1), ShareKind::immutable, kOther).empty());
    // Nor does the collector take its blobs for rubbish.
    for (int i = 0; i < 3; ++i) {
        run(engine_->collect_step(ctx())).value();
        pass(8 * 24h);
    }
    EXPECT_EQ(keys().size(), 2u);
}

TEST_F(RebuildTest, AnotherMasterKeyIsRefused) {
    ASSERT_TRUE(change(index_of(2), {{0, writes(0, pattern(kLarge, 2))}}));
    const crypto::StaticMasterKey other = crypto::StaticMasterKey::generate(random_);
    static constexpr sql::Query kForget{"test.forget_shares", "DELETE FROM storage_share"};
    static constexpr sql::Query kForgetSlots{"test.forget_slots", "DELETE FROM storage_slot"};
    static constexpr sql::Query kForgetPieces{"test.forget_pieces", "DELETE FROM storage_extent"};
    ASSERT_TRUE(run(database_->write(ctx(), [](sql::Transaction& tx) -> Result<void> {
        TRY(tx.execute(kForget));
        TRY(tx.execute(kForgetSlots));
        TRY(tx.execute(kForgetPieces));
        return ok();
    })));
    const auto refused =
        run(rebuild_index(ctx(), process_->runtime(), *database_, *store_, other, known_, {}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), "storage.wrong_master_key");
}

}  // namespace
}  // namespace s4::storage
