// Check, quarantine and scrub: each kind of damage is planted, found, and repaired as far as it can
// be.

#include <algorithm>

#include "storage/blob_format.h"
#include "storage/care_tables.h"
#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

constexpr std::size_t kLarge = 200 * 1024;

class CheckTest : public EngineFixture {
  protected:
    // A whole check, step by step.
    CheckReport check(bool repair = false, std::optional<GridId> grid = std::nullopt) {
        CheckReport all;
        std::string from;
        do {
            CheckReport step = run(engine_->check_step(ctx(), {grid, repair, from})).value();
            all.shares += step.shares;
            all.bytes += step.bytes;
            all.blobs += step.blobs;
            all.grids += step.grids;
            for (Finding& finding : step.findings) all.findings.push_back(std::move(finding));
            from = std::move(step.next);
        } while (!from.empty());
        return all;
    }
    std::vector<Problem> problems(const CheckReport& report) {
        std::vector<Problem> out;
        for (const Finding& finding : report.findings) out.push_back(finding.problem);
        return out;
    }
    std::vector<blob::Listed> blobs() { return run(store_->list(ctx(), "")).value().blobs; }
    std::string path_of(const blob::Key& key) { return "state/store/blobs/" + key.text(); }
    std::unique_ptr<rt::File> file_of(const blob::Key& key) {
        return process_->runtime().files.open(path_of(key), rt::OpenMode::write).value();
    }
    void flip_bit(const blob::Key& key, std::uint64_t at) {
        auto file = file_of(key);
        ByteBuffer byte(1);
        ASSERT_EQ(file->read_at(at, byte).value(), 1u);
        byte[0] ^= 1;
        ASSERT_TRUE(file->write_at(at, byte));
    }
    void sql(const sql::Query& query) {
        ASSERT_TRUE(run(database_->write(ctx(), [&](sql::Transaction& tx) -> Result<void> {
            TRY(tx.execute(query));
            return ok();
        })));
    }
    std::vector<Advisory> advisories() {
        return run(engine_->advisories(ctx(), kGrid, 0, 100)).value();
    }
    // The damaged large share is found, taken out, and can be uploaded anew.
    void expect_quarantine(Problem problem) {
        const CheckReport found = check();
        EXPECT_EQ(problems(found), std::vector{problem});
        EXPECT_EQ(list(index_of(1)), (std::vector<ShareNumber>{0}));
        EXPECT_EQ(advisories().size(), 1u);

        const CheckReport repaired = check(true);
        ASSERT_FALSE(repaired.findings.empty());
        EXPECT_EQ(repaired.findings.front().problem, problem);
        EXPECT_TRUE(repaired.findings.front().repaired);
        EXPECT_TRUE(list(index_of(1)).empty());
        EXPECT_EQ(advisories().size(), 1u) << "the same words are not said twice";
        expect_usage_exact();
        EXPECT_EQ(usage().shares, 0u);

        ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
        EXPECT_EQ(content(index_of(1), 0).value(), pattern(kLarge, 1));
        EXPECT_EQ(problems(check()), std::vector{Problem::quarantined});
        expect_usage_exact();
    }
};

TEST_F(CheckTest, ASoundStoreHasNothingToReport) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(put(index_of(2), 3, pattern(100, 2)));
    ASSERT_TRUE(change(index_of(3), {{0, {{}, {{0, pattern(3 * kMiB, 3)}}, {}}}}));
    ASSERT_TRUE(change(index_of(3), {{0, {{}, {{5, pattern(70'000, 4)}}, {}}}}));
    ASSERT_TRUE(put(index_of(4), 1, pattern(kLarge, 5), 1, kOther));
    const CheckReport report = check();
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.shares, 4u);
    EXPECT_EQ(report.grids, 2u);
    EXPECT_EQ(report.blobs, blobs().size());
    EXPECT_GT(report.bytes, 2 * kLarge + 3 * kMiB);
    const CheckReport one = check(false, kOther);
    EXPECT_EQ(one.shares, 1u);
    EXPECT_EQ(one.grids, 1u);
    EXPECT_EQ(one.blobs, 1u);
}

TEST_F(CheckTest, AMissingBlob) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(process_->runtime().files.remove(path_of(blobs().front().key)));
    expect_quarantine(Problem::missing_blob);
}

TEST_F(CheckTest, ATruncatedBlob) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(file_of(blobs().front().key)->truncate(kLarge));
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, ABlobWithMoreAtItsEnd) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(file_of(blobs().front().key)->write_at(blobs().front().size, pattern(1)));
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, OneFlippedBitInTheHeader) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    flip_bit(blobs().front().key, 30);
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, OneFlippedBitInTheBody) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    flip_bit(blobs().front().key, kBlobHeaderBytes + 100'000);
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, OneFlippedBitInTheTrailer) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    flip_bit(blobs().front().key, kBlobHeaderBytes + kLarge + 1);
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, ABlobOfAnotherGridUnderTheSharesKey) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    const blob::Key mine = blobs().front().key;
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 2), 1, kOther));
    const blob::Key theirs = blobs().back().key;
    ASSERT_EQ(theirs.grid(), kOther);
    ByteBuffer whole(static_cast<std::size_t>(blobs().back().size));
    ASSERT_TRUE(file_of(theirs)->read_at(0, whole));
    ASSERT_TRUE(file_of(mine)->write_at(0, whole));
    expect_quarantine(Problem::damaged_share);
    EXPECT_EQ(content(index_of(1), 0, ShareKind::immutable, kOther).value(), pattern(kLarge, 2));
}

TEST_F(CheckTest, ABlobUnderAnotherGridsKeyIsReportedAndLeftAlone) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    const blob::Key mine = blobs().front().key;
    const blob::Key wrong(kOther, mine.name());
    rt::Files& files = process_->runtime().files;
    ASSERT_TRUE(files.make_directories(rt::parent_path(path_of(wrong))));
    ASSERT_TRUE(files.rename(path_of(mine), path_of(wrong)));
    const auto found = problems(check(true));
    EXPECT_EQ(found,
              (std::vector{Problem::missing_blob, Problem::misplaced_blob, Problem::quarantined}));
    ASSERT_EQ(blobs().size(), 1u);
    // Put where it belongs, it serves again.
    ASSERT_TRUE(files.rename(path_of(wrong), path_of(mine)));
    const CheckReport back = check(true);
    EXPECT_EQ(problems(back), std::vector{Problem::quarantined});
    EXPECT_TRUE(back.findings.front().repaired);
    EXPECT_EQ(content(index_of(1), 0).value(), pattern(kLarge, 1));
    expect_usage_exact();
    EXPECT_TRUE(check().findings.empty());
}

TEST_F(CheckTest, AnOrphanGoesTheCollectorsWay) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    rt::Files& files = process_->runtime().files;
    const blob::Key orphan(kGrid, {1, 2, 3});
    ASSERT_TRUE(files.make_directories(rt::parent_path(path_of(orphan))));
    ASSERT_TRUE(files.open(path_of(orphan), rt::OpenMode::create).value()->write_at(0, pattern(9)));
    EXPECT_EQ(problems(check()), std::vector{Problem::orphan_blob});
    EXPECT_EQ(blobs_in_store(), 2u);
    EXPECT_TRUE(check(true).findings.front().repaired);
    EXPECT_EQ(blobs_in_store(), 2u) << "it keeps its retention";
    EXPECT_TRUE(check().findings.empty());
    pass(25h);  // the simulator's clock does not jump, it passes
    pass(7 * 24h);
    run(engine_->collect_step(ctx())).value();
    EXPECT_EQ(blobs_in_store(), 1u);
}

TEST_F(CheckTest, WhatAGridOfALostDatabaseStoredIsKept) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    rt::Files& files = process_->runtime().files;
    for (std::uint8_t name = 1; name <= 2; ++name) {
        const blob::Key lost(GridId{77}, {name, 2, 3});
        ASSERT_TRUE(files.make_directories(rt::parent_path(path_of(lost))));
        ASSERT_TRUE(
            files.open(path_of(lost), rt::OpenMode::create).value()->write_at(0, pattern(9)));
    }
    const CheckReport report = check(true);
    ASSERT_EQ(problems(report), std::vector{Problem::lost_grid});
    EXPECT_FALSE(report.findings.front().repaired);
    EXPECT_EQ(report.findings.front().grid, GridId{77});
    EXPECT_TRUE(report.findings.front().detail.starts_with("2 blobs"));
    for (int days = 0; days < 10; ++days) pass(24h);
    run(engine_->collect_step(ctx())).value();
    EXPECT_EQ(blobs_in_store(), 3u);
}

TEST_F(CheckTest, WrongUsageIsSetRight) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(100, 1)));
    static constexpr sql::Query kSpoil{"test.spoil",
                                       "UPDATE storage_usage SET data_bytes = 7, shares = 9"};
    sql(kSpoil);
    restart();
    EXPECT_EQ(problems(check()), std::vector{Problem::wrong_usage});
    EXPECT_EQ(usage().shares, 9u);
    EXPECT_TRUE(check(true).findings.front().repaired);
    EXPECT_EQ(usage().shares, 1u);
    expect_usage_exact();
    EXPECT_TRUE(check().findings.empty());
}

TEST_F(CheckTest, AGridWithoutARowOfUsageIsCountedToo) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(100, 1)));
    static constexpr sql::Query kSpoil{"test.forget_usage", "DELETE FROM storage_usage"};
    sql(kSpoil);
    restart();
    EXPECT_EQ(problems(check(true)), std::vector{Problem::wrong_usage});
    expect_usage_exact();
}

TEST_F(CheckTest, ARowWithoutItsBytes) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(100, 1)));
    static constexpr sql::Query kSpoil{"test.forget_small", "DELETE FROM storage_small"};
    sql(kSpoil);
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, ASmallShareThatFailsItsChecksum) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(4, 1)));
    static constexpr sql::Query kSpoil{"test.spoil_small",
                                       "UPDATE storage_small SET data = CAST('abcd' AS BLOB)"};
    sql(kSpoil);
    expect_quarantine(Problem::damaged_share);
}

TEST_F(CheckTest, ASmallShareOfTheFirstReleaseHasNoChecksum) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(4, 1)));
    static constexpr sql::Query kForget{"test.forget_sum",
                                        "UPDATE storage_small SET crc32c = NULL"};
    sql(kForget);
    EXPECT_TRUE(check().findings.empty());
}

TEST_F(CheckTest, OneDamagedSmallShareAmongManyIsFoundAlone) {
    std::uint64_t bytes = 0;
    for (std::uint8_t i = 0; i < 3; ++i)
        for (ShareNumber share = 0; share < 100; ++share) {
            ASSERT_TRUE(put(index_of(i), share, pattern(10 + share, i)));
            bytes += 10 + share;
        }
    ASSERT_TRUE(change(index_of(3), {{0, {{}, {{0, pattern(200, 3)}}, {}}}}));
    ASSERT_TRUE(change(index_of(4), {{7, {{}, {{0, pattern(200, 4)}}, {}}}}));
    static constexpr sql::Query kSpoil{"test.spoil_one",
                                       "UPDATE storage_small SET crc32c = crc32c + 1 WHERE id IN "
                                       "(SELECT small_id FROM storage_share WHERE length = 70)"};
    static constexpr sql::Query kLockOut{
        "test.spoil_slot",
        "DELETE FROM storage_slot WHERE si IN (SELECT si FROM storage_share WHERE share = 7 AND "
        "kind = 1)"};
    sql(kSpoil);
    sql(kLockOut);
    const CheckReport report = check();
    EXPECT_EQ(report.shares, 302u) << "each once, over the ends of steps";
    EXPECT_EQ(report.bytes, bytes - 3 * 70 + 200);
    ASSERT_EQ(problems(report), std::vector(4, Problem::damaged_share));
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(report.findings[i].index, index_of(static_cast<std::uint8_t>(i)));
        EXPECT_EQ(report.findings[i].share, 60u);
    }
    EXPECT_EQ(report.findings[3].index, index_of(4));
}

TEST_F(CheckTest, SmallAndLargeSharesInOneStepAreEachVerifiedOnce) {
    std::uint64_t small = 0;
    for (std::uint8_t i = 0; i < 20; ++i) {
        const std::size_t size = i % 3 == 0 ? kLarge : kSmallShareBytesMax;
        ASSERT_TRUE(put(index_of(i), 0, pattern(size, i)));
        small += size == kSmallShareBytesMax ? size : 0;
    }
    flip_bit(blobs().back().key, kBlobHeaderBytes);
    const CheckReport report = check();
    EXPECT_EQ(report.shares, 20u);
    EXPECT_EQ(problems(report), std::vector{Problem::damaged_share});
    // The damaged one is looked at twice.
    EXPECT_GT(report.bytes, small + 8 * kLarge);
    EXPECT_LT(report.bytes, small + 9 * kLarge);
}

TEST_F(CheckTest, OneLookEndsWithTheShareThatFillsIt) {
    constexpr std::size_t kFilling = kLookBytes / kSmallShareBytesMax;
    for (ShareNumber share = 0; share <= kFilling; ++share)
        ASSERT_TRUE(put(index_of(1), share, pattern(kSmallShareBytesMax, 1)));
    const auto looked_at = [&](std::uint64_t bytes) {
        return run(database_->read(ctx(),
                                   [&](sql::Reader& db) {
                                       return tables::all_shares_after(db, {}, kGrid, 256, bytes);
                                   }))
            .value()
            .size();
    };
    EXPECT_EQ(looked_at(kLookBytes), kFilling);
    EXPECT_EQ(looked_at(kLookBytes + 1), kFilling + 1);
}

TEST_F(CheckTest, AStepThatReadLittleKeepsToTheRateToo) {
    for (ShareNumber share = 0; share < 64; ++share)
        ASSERT_TRUE(put(index_of(1), share, pattern(10 * kKiB, 1)));
    const Instant begun = process_->runtime().reactor.now();
    EXPECT_EQ(run(engine_->check_step(ctx(), {kGrid, false, ""})).value().shares, 64u);
    const std::chrono::duration<double> took = process_->runtime().reactor.now() - begun;
    EXPECT_GE(took.count(), 640.0 * kKiB / kCheckBytesPerS);
}

TEST_F(CheckTest, ALargeMutableShareIsQuarantinedWithItsWriteEnabler) {
    ASSERT_TRUE(change(index_of(1), {{0, {{}, {{0, pattern(3 * kMiB, 3)}}, {}}}}));
    const ByteBuffer before = content(index_of(1), 0, ShareKind::mutable_).value();
    const blob::Key first = blobs().front().key;
    flip_bit(first, kBlobHeaderBytes + 5);
    EXPECT_EQ(problems(check(true)), (std::vector{Problem::damaged_share, Problem::quarantined}));
    EXPECT_TRUE(list(index_of(1), ShareKind::mutable_).empty());
    expect_usage_exact();
    // The collector knows that the blobs are kept.
    pass(9 * 24h);
    run(engine_->collect_step(ctx())).value();
    EXPECT_EQ(blobs_in_store(), 3u);
    flip_bit(first, kBlobHeaderBytes + 5);
    EXPECT_TRUE(check(true).findings.front().repaired);
    EXPECT_EQ(content(index_of(1), 0, ShareKind::mutable_).value(), before);
    expect_usage_exact();
    EXPECT_EQ(change(index_of(1), {{0, {{}, {{0, bytes("x")}}, {}}}}, {}, 51).error().code(),
              "storage.bad_write_enabler");
    EXPECT_TRUE(change(index_of(1), {{0, {{}, {{0, bytes("x")}}, {}}}}));
    EXPECT_TRUE(check().findings.empty());
}

TEST_F(CheckTest, APurgedGridsQuarantineGoesToo) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    flip_bit(blobs().front().key, kBlobHeaderBytes);
    (void)check(true);
    policies_.by_grid[1].access = Access::frozen;
    EXPECT_EQ(run(engine_->purge_step(ctx(), kGrid, 10)).value(), 0u);
    policies_.by_grid[1].access = Access::read_write;
    EXPECT_TRUE(check().findings.empty());
    pass(9 * 24h);
    run(engine_->collect_step(ctx())).value();
    EXPECT_EQ(blobs_in_store(), 0u);
}

TEST_F(CheckTest, ADiskThatIsNotMountedQuarantinesNothing) {
    for (std::uint8_t i = 0; i < kMissingBlobsSuspicious; ++i)
        ASSERT_TRUE(put(index_of(i), 0, pattern(70'000, i)));
    for (const blob::Listed& blob : blobs())
        ASSERT_TRUE(process_->runtime().files.remove(path_of(blob.key)));
    const CheckReport report = check(true);
    EXPECT_EQ(report.findings.size(), kMissingBlobsSuspicious);
    for (const Finding& finding : report.findings) EXPECT_FALSE(finding.repaired);
    EXPECT_EQ(usage().shares, kMissingBlobsSuspicious);
}

TEST_F(CheckTest, OneFewerMissingBlobsAreQuarantined) {
    for (std::uint8_t i = 0; i + 1 < kMissingBlobsSuspicious; ++i)
        ASSERT_TRUE(put(index_of(i), 0, pattern(70'000, i)));
    for (const blob::Listed& blob : blobs())
        ASSERT_TRUE(process_->runtime().files.remove(path_of(blob.key)));
    (void)check(true);
    EXPECT_EQ(usage().shares, 0u);
}

TEST_F(CheckTest, APlaceThatIsNoneIsRefused) {
    for (const char* from : {"shares", "shares 1", "shares 1 x 0", "usage x", "elsewhere 1"})
        EXPECT_FALSE(run(engine_->check_step(ctx(), {std::nullopt, false, from}))) << from;
}

TEST_F(CheckTest, AFailingDiskIsNoDamage) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    machine().faults().read_error = 1;
    EXPECT_FALSE(run(engine_->check_step(ctx(), {})));
    machine().faults().read_error = 0;
    EXPECT_TRUE(check().findings.empty());
    EXPECT_TRUE(advisories().empty());
}

class ScrubTest : public CheckTest {
  protected:
    ScrubTest() { options_.scrub_bytes_per_s = 64 * kKiB; }
    CareStatus status() { return run(engine_->care_status(ctx())).value(); }
};

TEST_F(ScrubTest, VerifiesEveryShareInARoundAndReportsDamage) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(kLarge, 1)));
    ASSERT_TRUE(put(index_of(2), 0, pattern(kLarge, 2)));
    flip_bit(blobs().front().key, kBlobHeaderBytes);
    pass(10min);
    EXPECT_EQ(status().scrub_shares, 2);
    EXPECT_EQ(status().scrub_damaged, 1);
    EXPECT_NE(status().scrub_ended, 0);
    EXPECT_EQ(advisories().size(), 1u);
    EXPECT_EQ(list(index_of(1)).size() + list(index_of(2)).size(), 2u) << "it changes no share";
    const UnixSeconds first = status().scrub_began;
    pass(29 * 24h);
    EXPECT_EQ(status().scrub_began, first);
    pass(2 * 24h);
    EXPECT_GE(status().scrub_began, first + kScrubRoundS);
    EXPECT_EQ(advisories().size(), 1u);
}

TEST_F(ScrubTest, GoesOnAfterARestartAndKeepsToItsRate) {
    for (std::uint8_t i = 0; i < 2; ++i)
        for (ShareNumber share = 0; share < 200; ++share)
            ASSERT_TRUE(put(index_of(i), share, pattern(20'000, i)));
    // 8 MB at 64 KiB/s are two minutes; a page of 256 shares is done after 78 s.
    pass(60s + 60s);
    EXPECT_EQ(status().scrub_ended, 0);
    pass(40s);
    EXPECT_EQ(status().scrub_shares, 256);
    restart();
    pass(3min);
    EXPECT_EQ(status().scrub_shares, 400);
    EXPECT_NE(status().scrub_ended, 0);
}

}  // namespace
}  // namespace s4::storage
