#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SlotsTest : public EngineFixture {
  protected:
    static constexpr ShareKind kMutable = ShareKind::mutable_;
    // What all real clients send for "must not exist".
    static TestVector absent() { return {0, 1, {}}; }

    bool changed(const std::map<ShareNumber, Change>& changes, std::uint8_t enabler = 50) {
        return change(index_, changes, {}, enabler).value().success;
    }
    ByteBuffer now(ShareNumber share) { return content(index_, share, kMutable).value(); }
    std::vector<ShareNumber> shares() { return list(index_, kMutable); }

    const StorageIndex index_ = index_of(1);
};

TEST_F(SlotsTest, CreatesOnlyWhatPassesItsTest) {
    const std::map<ShareNumber, Change> create = {{0, {{absent()}, {{0, bytes("hello")}}, {}}}};
    EXPECT_TRUE(changed(create));
    EXPECT_FALSE(changed(create));
    EXPECT_EQ(now(0), bytes("hello"));
    expect_usage_exact();
}

TEST_F(SlotsTest, OneFailedTestStopsTheWholeCall) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("zero")}}, {}}}, {1, {{}, {{0, bytes("one")}}, {}}}}));
    EXPECT_FALSE(changed({{0, {{{0, 4, bytes("zero")}}, {{0, bytes("ZERO")}}, {}}},
                          {1, {{{0, 3, bytes("two")}}, {{0, bytes("ONE")}}, {}}}}));
    EXPECT_EQ(now(0), bytes("zero"));
    EXPECT_EQ(now(1), bytes("one"));
}

TEST_F(SlotsTest, TestsCompareWhatIsThereClippedAtTheEnd) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("hello")}}, {}}}}));
    struct Case {
        TestVector test;
        bool passes;
    };
    for (const Case& c :
         {Case{{0, 5, bytes("hello")}, true}, Case{{1, 3, bytes("ell")}, true},
          Case{{3, 9, bytes("lo")}, true}, Case{{5, 1, {}}, true}, Case{{99, 1, {}}, true},
          Case{{0, 0, {}}, true}, Case{{0, 1, {}}, false}, Case{{0, 5, bytes("hell")}, false},
          Case{{0, 4, bytes("hello")}, false}, Case{{UINT64_MAX, UINT64_MAX, {}}, true}})
        EXPECT_EQ(changed({{0, {{c.test}, {}, {}}}}), c.passes) << c.test.offset;
}

TEST_F(SlotsTest, ReadsSeeAllSharesAsTheyWereBefore) {
    ASSERT_TRUE(
        changed({{0, {{}, {{0, bytes("zero")}}, {}}}, {3, {{}, {{0, bytes("three")}}, {}}}}));
    for (const bool pass : {true, false}) {
        const TestVector test{0, 1, bytes(pass ? "z" : "x")};
        const auto answer =
            change(index_, {{0, {{test}, {{0, bytes("ZERO!")}}, {}}}}, {{1, 2}, {3, 100}}).value();
        EXPECT_EQ(answer.success, pass);
        ASSERT_EQ(answer.before.size(), 2u);
        EXPECT_EQ(answer.before[0].share, 0u);
        EXPECT_EQ(extract_bytes(answer.before[0].items[0]), bytes("er"));
        EXPECT_EQ(extract_bytes(answer.before[0].items[1]), bytes("o"));
        EXPECT_EQ(answer.before[1].share, 3u);
        EXPECT_EQ(extract_bytes(answer.before[1].items[1]), bytes("ee"));
        ASSERT_TRUE(changed({{0, {{}, {{0, bytes("zero")}}, 4}}}));
    }
    const auto empty = change(index_, {}).value();
    EXPECT_TRUE(empty.success);
    EXPECT_EQ(empty.before.size(), 2u);
    EXPECT_THAT(empty.before[0].items, IsEmpty());
}

TEST_F(SlotsTest, NothingOnNothingSucceeds) {
    const auto answer = change(index_, {}, {{0, 10}}).value();
    EXPECT_TRUE(answer.success);
    EXPECT_THAT(answer.before, IsEmpty());
    EXPECT_THAT(shares(), IsEmpty());
}

TEST_F(SlotsTest, NewLengthTruncatesDeletesAndNeverGrows) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("0123456789")}}, {}}}}));
    EXPECT_TRUE(changed({{0, {{}, {}, 20}}}));
    EXPECT_EQ(now(0), bytes("0123456789"));
    EXPECT_TRUE(changed({{0, {{}, {{8, bytes("abc")}}, 9}}}));
    EXPECT_EQ(now(0), bytes("01234567a"));
    EXPECT_TRUE(changed({{0, {{}, {}, 3}}}));
    EXPECT_EQ(now(0), bytes("012"));
    EXPECT_TRUE(changed({{0, {{}, {{5, bytes("x")}}, {}}}}));
    EXPECT_EQ(now(0), ByteBuffer({'0', '1', '2', 0, 0, 'x'}));  // cut bytes do not come back
    EXPECT_TRUE(changed({{0, {{}, {{0, bytes("ignored")}}, 0}}}));
    EXPECT_THAT(shares(), IsEmpty());
    EXPECT_TRUE(changed({{0, {{}, {{0, bytes("ignored")}}, 0}}}));
    EXPECT_THAT(shares(), IsEmpty());
    expect_usage_exact();
}

TEST_F(SlotsTest, ShareWithoutDataIsMade) {
    EXPECT_TRUE(changed({{4, {{}, {}, {}}}}));
    EXPECT_THAT(shares(), ElementsAre(4));
    EXPECT_EQ(now(4), ByteBuffer());
    EXPECT_EQ(usage().used_bytes(), kShareOverheadBytes);
}

TEST_F(SlotsTest, EmptyWriteFarOutGrowsTheShareWithZeros) {
    EXPECT_TRUE(changed({{0, {{}, {{6, {}}}, {}}}}));
    EXPECT_EQ(now(0), ByteBuffer(6));
}

TEST_F(SlotsTest, WriteEnablerGuardsEveryCallUntilTheLastShareIsGone) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("mine")}}, {}}}}));
    for (const auto& call : std::vector<std::map<ShareNumber, Change>>{
             {}, {{0, {{}, {{0, bytes("evil")}}, {}}}}, {{7, {{}, {{0, bytes("evil")}}, {}}}}})
        EXPECT_TRUE(change(index_, call, {{0, 4}}, 51).error().is("storage.bad_write_enabler"));
    EXPECT_EQ(now(0), bytes("mine"));
    EXPECT_EQ(run(engine_->write_enabler(ctx(), kGrid, index_)).value(), secret32(50));
    ASSERT_TRUE(changed({{0, {{}, {}, 0}}}));
    EXPECT_TRUE(
        run(engine_->write_enabler(ctx(), kGrid, index_)).error().is("storage.no_such_share"));
    EXPECT_TRUE(changed({{0, {{}, {{0, bytes("yours")}}, {}}}}, 51));
    EXPECT_TRUE(change(index_, {}, {}, 50).error().is("storage.bad_write_enabler"));
}

TEST_F(SlotsTest, AnIndexHasSharesOfOneKind) {
    ASSERT_TRUE(put(index_, 0, bytes("immutable")));
    EXPECT_TRUE(change(index_, {}).error().is("storage.wrong_kind"));
    EXPECT_THAT(shares(), IsEmpty());
    const StorageIndex slot = index_of(2);
    ASSERT_TRUE(allocate(slot, {1}, 3));
    ASSERT_TRUE(change(slot, {{0, {{}, {{0, bytes("mutable")}}, {}}}}));
    EXPECT_TRUE(write(slot, 1, 0, bytes("imm")).error().is("storage.share_exists"));
    EXPECT_TRUE(allocate(slot, {2}, 3, upload_secret(9)).error().is("storage.wrong_kind"));
    EXPECT_THAT(list(slot), IsEmpty());
    expect_usage_exact();
}

TEST_F(SlotsTest, ReadSlotLeavesOutWhatIsNotThere) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("zero")}}, {}}}, {2, {{}, {{0, bytes("two")}}, {}}}}));
    const auto read = [&](std::vector<ShareNumber> wanted) {
        return run(engine_->read_slot(ctx(), kGrid, index_, std::move(wanted), {{1, 2}, {50, 1}}))
            .value();
    };
    const auto all = read({});
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(extract_bytes(all[1].items[0]), bytes("wo"));
    EXPECT_EQ(extract_bytes(all[1].items[1]), bytes(""));
    const auto some = read({2, 9});
    ASSERT_EQ(some.size(), 1u);
    EXPECT_EQ(some[0].share, 2u);
}

TEST_F(SlotsTest, LargeSharesGoToExtentsAndBack) {
    const ByteBuffer large = pattern(2'500'000);
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("small")}}, {}}}}));
    ASSERT_TRUE(changed({{0, {{{0, 5, bytes("small")}}, {{0, large}}, {}}}}));
    EXPECT_EQ(now(0), large);
    EXPECT_EQ(blobs_in_store(), 3u);
    EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index_, 0)));
    restart();
    EXPECT_EQ(now(0), large);
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("tiny")}}, 4}}}));
    EXPECT_EQ(now(0), bytes("tiny"));
    EXPECT_EQ(usage().used_bytes(), 4 + kShareOverheadBytes);
    expect_usage_exact();
}

TEST_F(SlotsTest, ASmallChangeOfALargeShareCostsASmallBlob) {
    ByteBuffer data = pattern(5'000'000);
    ASSERT_TRUE(changed({{0, {{}, {{0, data}}, {}}}}));
    const std::size_t before = blobs_in_store();
    const ByteBuffer patch = pattern(1000, 2);
    ASSERT_TRUE(
        changed({{0, {{{0, 4, to_buffer(ByteView(data).first(4))}}, {{2'000'000, patch}}, {}}}}));
    std::copy(patch.begin(), patch.end(), data.begin() + 2'000'000);
    EXPECT_EQ(now(0), data);
    EXPECT_EQ(blobs_in_store(), before + 1);
    std::uint64_t smallest = UINT64_MAX;
    for (const blob::Listed& blob : run(store_->list(ctx(), "")).value().blobs)
        smallest = std::min(smallest, blob.size);
    EXPECT_LT(smallest, 2000u);
    EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index_, 0)));
}

TEST_F(SlotsTest, ManySmallChangesOfOneRegionAreMergedAndTheOldBlobsCollected) {
    ByteBuffer data = pattern(1'000'000);
    ASSERT_TRUE(changed({{0, {{}, {{0, data}}, {}}}}));
    for (std::size_t i = 0; i < 3 * kPiecesPerExtentMax; ++i) {
        const ByteBuffer patch = pattern(100, i + 5);
        const std::size_t at = 30'000 * i + 7;
        ASSERT_TRUE(changed({{0, {{}, {{at, patch}}, {}}}}));
        std::copy(patch.begin(), patch.end(), data.begin() + static_cast<std::ptrdiff_t>(at));
        ASSERT_EQ(now(0), data);
    }
    pass(std::chrono::hours(24 * 7) + 2h);
    EXPECT_LE(blobs_in_store(), kPiecesPerExtentMax + 1);
    EXPECT_EQ(now(0), data);
}

TEST_F(SlotsTest, ALargeShareWithHolesReadsZeros) {
    ASSERT_TRUE(changed({{0, {{}, {{3'000'000, bytes("end")}}, {}}}}));
    ByteBuffer expected(3'000'003);
    std::copy_n("end", 3, expected.begin() + 3'000'000);
    EXPECT_EQ(now(0), expected);
    ASSERT_TRUE(changed({{0, {{}, {{1'500'000, bytes("mid")}}, 2'000'000}}}));
    expected.resize(2'000'000);
    std::copy_n("mid", 3, expected.begin() + 1'500'000);
    EXPECT_EQ(now(0), expected);
    ASSERT_TRUE(changed({{0, {{}, {{3'000'000, bytes("x")}}, {}}}}));
    expected.resize(3'000'001);
    expected.back() = 'x';
    EXPECT_EQ(now(0), expected);  // what was cut off does not come back
    expect_usage_exact();
}

TEST_F(SlotsTest, AReaderKeepsTheVersionItBeganOn) {
    for (const std::size_t size : {std::size_t{100}, std::size_t{1'500'000}}) {
        const StorageIndex index = index_of(size > 100 ? 8 : 9);
        const ByteBuffer old = pattern(size, 1);
        ASSERT_TRUE(change(index, {{0, {{}, {{0, old}}, {}}}}));
        const auto reader = open(index, 0, kMutable).value();
        ASSERT_TRUE(change(index, {{0, {{}, {{0, pattern(size, 2)}}, {}}}}));
        ASSERT_TRUE(change(index, {{0, {{}, {}, 0}}}));
        pass(std::chrono::hours(24 * 8));  // the collector leaves what a reader holds
        EXPECT_EQ(read(*reader, 0, size).value(), old);
    }
}

TEST_F(SlotsTest, ReadsOfALargeCallSeeTheVersionBefore) {
    const ByteBuffer old = pattern(200'000, 1);
    ASSERT_TRUE(changed({{0, {{}, {{0, old}}, {}}}}));
    const auto answer =
        change(index_, {{0, {{}, {{0, pattern(200'000, 2)}}, {}}}}, {{1000, 50'000}}).value();
    ASSERT_TRUE(answer.success);
    EXPECT_EQ(extract_bytes(answer.before[0].items[0]),
              to_buffer(ByteView(old).subspan(1000, 50'000)));
}

TEST_F(SlotsTest, FailedTestOfALargeCallLeavesNothingBehind) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("old")}}, {}}}}));
    EXPECT_FALSE(changed({{0, {{{0, 3, bytes("new")}}, {{0, pattern(300'000)}}, {}}}}));
    EXPECT_EQ(now(0), bytes("old"));
    EXPECT_EQ(blobs_in_store(), 0u);
}

TEST_F(SlotsTest, AcknowledgedChangesSurvivePowerLoss) {
    const ByteBuffer large = pattern(1'300'000);
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("small")}}, {}}}, {1, {{}, {{0, large}}, {}}}}));
    power_loss();
    EXPECT_EQ(now(0), bytes("small"));
    EXPECT_EQ(now(1), large);
    EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index_, 1)));
    EXPECT_TRUE(change(index_, {}, {}, 51).error().is("storage.bad_write_enabler"));
    expect_usage_exact();
}

TEST_F(SlotsTest, GrowthEndsAtTheOverdraftAndTheRestPasses) {
    policies_.by_grid[1].quota_bytes = kMiB;
    const std::uint64_t most = kMiB + kMutableOverdraftBytes - kShareOverheadBytes;
    ASSERT_TRUE(changed({{0, {{}, {{most - 4, bytes("tail")}}, {}}}}));
    const auto over = change(index_, {{0, {{}, {{most, bytes("x")}}, {}}}});
    EXPECT_TRUE(over.error().is("storage.no_space"));
    EXPECT_EQ(over.error().kind(), ErrorKind::no_space);
    EXPECT_TRUE(change(index_, {{9, {{}, {}, {}}}}).error().is("storage.no_space"));
    EXPECT_TRUE(changed({{0, {{}, {{0, bytes("same size")}}, {}}}}));
    EXPECT_TRUE(changed({{0, {{}, {}, most - 1}}}));
    EXPECT_TRUE(changed({{0, {{}, {{most - 1, bytes("x")}}, {}}}}));
    expect_usage_exact();
}

TEST_F(SlotsTest, WhatUploadsWerePromisedCountsAgainstGrowth) {
    policies_.by_grid[1].quota_bytes = 2 * kMiB;
    ASSERT_THAT(allocate(index_of(2), {0}, kMiB).value().allocated, ElementsAre(0));
    const std::uint64_t most = kMiB + kMutableOverdraftBytes - 2 * kShareOverheadBytes;
    EXPECT_TRUE(
        change(index_, {{0, {{}, {{most, bytes("x")}}, {}}}}).error().is("storage.no_space"));
    EXPECT_TRUE(changed({{0, {{}, {{most - 1, bytes("x")}}, {}}}}));
    EXPECT_TRUE(write(index_of(2), 0, 0, pattern(kMiB)).value().complete);  // as was promised
    expect_usage_exact();
}

TEST_F(SlotsTest, AQuotaWithoutEndIsNoQuota) {
    policies_.by_grid[1].quota_bytes = UINT64_MAX;
    EXPECT_TRUE(changed({{0, {{}, {{0, pattern(100'000)}}, {}}}}));
    EXPECT_TRUE(put(index_of(2), 0, pattern(100)));
}

TEST_F(SlotsTest, ASlotHasSoManySharesAndNoMore) {
    std::map<ShareNumber, Change> all;
    for (std::size_t i = 0; i < kSharesPerIndexMax; ++i) all[static_cast<ShareNumber>(i)] = {};
    EXPECT_TRUE(changed(all));
    EXPECT_TRUE(change(index_, {{1000, {{}, {}, {}}}}).error().is("storage.too_many_shares"));
    EXPECT_TRUE(change(index_, {{1000, {{}, {{0, pattern(70'000)}}, {}}}})
                    .error()
                    .is("storage.too_many_shares"));
    EXPECT_EQ(shares().size(), kSharesPerIndexMax);
    expect_usage_exact();
}

TEST_F(SlotsTest, ReadOnlyGridsRefuseWrites) {
    ASSERT_TRUE(changed({{0, {{}, {{0, bytes("x")}}, {}}}}));
    policies_.by_grid[1].access = Access::read_only;
    EXPECT_TRUE(change(index_, {{0, {{}, {}, 0}}}).error().is("storage.read_only"));
    EXPECT_EQ(now(0), bytes("x"));
}

TEST_F(SlotsTest, LimitsOfOneCall) {
    std::vector<TestVector> tests(kTestVectorsPerShareMax);
    EXPECT_TRUE(changed({{0, {tests, {}, {}}}}));
    tests.emplace_back();
    EXPECT_TRUE(change(index_, {{0, {tests, {}, {}}}}).error().is("storage.too_many_vectors"));
    std::vector<ByteRange> reads(kReadVectorsMax);
    EXPECT_TRUE(change(index_, {}, reads));
    reads.emplace_back();
    EXPECT_TRUE(change(index_, {}, reads).error().is("storage.too_many_vectors"));
    const TestVector huge{0, 1, ByteBuffer(kSpecimenBytesPerCallMax)};
    EXPECT_FALSE(changed({{0, {{huge}, {}, {}}}}));
    EXPECT_TRUE(change(index_, {{0, {{huge, {0, 1, bytes("x")}}, {}, {}}}})
                    .error()
                    .is("storage.too_many_bytes"));
    EXPECT_TRUE(change(index_, {{0, {{}, {{kMutableShareBytesMax, bytes("x")}}, {}}}})
                    .error()
                    .is("storage.share_too_large"));
    EXPECT_TRUE(change(index_, {{0, {{}, {{UINT64_MAX, bytes("x")}}, {}}}})
                    .error()
                    .is("storage.share_too_large"));
    EXPECT_TRUE(change(index_, {{ShareNumber{0x8000'0000}, {{}, {}, {}}}})
                    .error()
                    .is("storage.invalid_share_number"));
}

TEST_F(SlotsTest, OnlyOneOfManyRacingCreatorsWins) {
    std::vector<std::optional<Result<TestWriteAnswer>>> answers(12);
    std::vector<ByteBuffer> data;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        // Small ones and large ones race for the same slot.
        data.push_back(pattern(i % 3 == 0 ? 100'000 : 100, i));
        TestWriteRequest request;
        request.index = index_;
        request.write_enabler = secret32(50);
        request.secrets = lease_secrets(1);
        request.staging = engine_->stage();
        ASSERT_TRUE(run(request.staging->append(ctx(), data.back())));
        request.shares[0] = {{absent()}, {{0, {0, data.back().size()}}}, {}};
        process_->spawn(
            keep(engine_->read_test_write(ctx(), kGrid, std::move(request)), answers[i]));
    }
    pass(60s);
    int winners = 0;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        ASSERT_TRUE(answers[i] && *answers[i]) << i;
        if (!(*answers[i])->success) continue;
        ++winners;
        EXPECT_EQ(now(0), data[i]);
    }
    EXPECT_EQ(winners, 1);
    expect_usage_exact();
}

}  // namespace
}  // namespace s4::storage
