// Leases, advisories, walking, the collector.
#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LeasesTest : public EngineFixture {
  protected:
    std::vector<LeaseInfo> leases(ShareNumber share) {
        return run(engine_->leases(ctx(), kGrid, index_, share)).value();
    }
    Result<std::size_t> add(std::uint8_t lease) {
        return run(engine_->add_lease(ctx(), kGrid, index_, lease_secrets(lease)));
    }
    UnixSeconds now() { return process_->runtime().reactor.unix_s(); }

    const StorageIndex index_ = index_of(1);
};

TEST_F(LeasesTest, AStoredShareHasItsUploadersLeaseHashedAsTahoeDoes) {
    ASSERT_TRUE(put(index_, 0, bytes("data"), 1));
    const auto found = leases(0);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].renew_hash, crypto::blake2b_256(lease_secrets(1).renew.reveal()));
    EXPECT_EQ(found[0].cancel_hash, crypto::blake2b_256(lease_secrets(1).cancel.reveal()));
    EXPECT_NEAR(static_cast<double>(found[0].expires), static_cast<double>(now() + kLeaseSeconds),
                5);
}

TEST_F(LeasesTest, RenewalMovesTheExpiryForwardOnly) {
    ASSERT_TRUE(put(index_, 0, bytes("data"), 1));
    const UnixSeconds first = leases(0)[0].expires;
    pass(1h);
    EXPECT_EQ(add(1).value(), 1u);
    EXPECT_GE(leases(0)[0].expires, first + 3600);
    EXPECT_EQ(leases(0).size(), 1u);
}

TEST_F(LeasesTest, ANewSecretAddsALeaseToEveryShare) {
    ASSERT_TRUE(put(index_, 0, bytes("a")));
    ASSERT_TRUE(put(index_, 3, bytes("b")));
    EXPECT_EQ(add(2).value(), 2u);
    EXPECT_EQ(leases(0).size(), 2u);
    EXPECT_EQ(leases(3).size(), 2u);
    restart();
    EXPECT_EQ(leases(3).size(), 2u);
}

TEST_F(LeasesTest, LeasesOfAnotherServerTakeThePlaceOfTheImportsOwn) {
    policies_.by_grid[1].leases_per_share_max = 2;
    ASSERT_TRUE(put(index_, 0, bytes("a"), 9));  // under the import's secrets
    const auto hashed = [](std::uint8_t n, UnixSeconds expires) {
        return LeaseInfo{crypto::blake2b_256(lease_secrets(n).renew.reveal()),
                         crypto::blake2b_256(lease_secrets(n).cancel.reveal()), expires};
    };
    const std::vector<LeaseInfo> kept = {hashed(1, 1000), hashed(2, 2000), hashed(3, 3000)};
    const auto adopt = [&] {
        return run(
            engine_->adopt_leases(ctx(), kGrid, index_, {{0, kept}, {5, kept}}, lease_secrets(9)));
    };
    ASSERT_TRUE(adopt());
    const auto expiries = [&] {
        std::vector<UnixSeconds> out;
        for (const LeaseInfo& lease : leases(0)) out.push_back(lease.expires);
        return out;
    };
    EXPECT_THAT(expiries(), testing::UnorderedElementsAre(1000, 2000, 3000))
        << "past or over the limit, they are kept";
    EXPECT_THAT(leases(5), IsEmpty());

    // A client renewed one, and the import goes on after a restart.
    EXPECT_EQ(add(2).value(), 1u);
    restart();
    ASSERT_TRUE(adopt());
    EXPECT_THAT(expiries(),
                testing::UnorderedElementsAre(1000, testing::Ge(now() + kLeaseSeconds - 60), 3000));
}

TEST_F(LeasesTest, AnUnknownIndexTakesNoLease) {
    EXPECT_EQ(add(1).value(), 0u);
    EXPECT_THAT(leases(0), IsEmpty());
}

TEST_F(LeasesTest, AllocateRenewsOnWhatIsThere) {
    ASSERT_TRUE(put(index_, 0, bytes("a"), 1));
    ASSERT_TRUE(allocate(index_, {0, 1}, 1, upload_secret(), 2));
    EXPECT_EQ(leases(0).size(), 2u);
    EXPECT_THAT(leases(1), IsEmpty());  // until it is stored
}

TEST_F(LeasesTest, AMutableWriteLeasesWhatItMentionsAndNothingElse) {
    ASSERT_TRUE(change(index_, {{0, {{}, {}, {}}}, {1, {{}, {}, {}}}}));
    ASSERT_TRUE(change(index_, {{0, {{}, {{0, bytes("x")}}, {}}}}, {}, 50, 2));
    EXPECT_EQ(leases(0).size(), 2u);
    EXPECT_EQ(leases(1).size(), 1u);
    ASSERT_TRUE(change(index_, {{1, {{}, {{0, pattern(100'000)}}, {}}}}, {}, 50, 2));
    EXPECT_EQ(leases(1).size(), 2u);
    ASSERT_TRUE(change(index_, {{0, {{{0, 1, bytes("y")}}, {}, {}}}}, {}, 50, 3));
    EXPECT_EQ(leases(0).size(), 2u);  // the test failed
    ASSERT_TRUE(change(index_, {{0, {{}, {}, 0}}}));
    EXPECT_THAT(leases(0), IsEmpty());
}

TEST_F(LeasesTest, LeasesOfAShareAreBounded) {
    policies_.by_grid[1].leases_per_share_max = 3;
    ASSERT_TRUE(put(index_, 0, bytes("a"), 1));
    EXPECT_TRUE(add(2));
    EXPECT_TRUE(add(3));
    EXPECT_TRUE(add(4).error().is("storage.too_many_leases"));
    EXPECT_TRUE(add(2));
    EXPECT_EQ(allocate(index_, {0}, 1, upload_secret(), 5).value().already_have.size(), 1u);
    EXPECT_EQ(leases(0).size(), 3u);
}

TEST_F(LeasesTest, AReadOnlyGridRenewsAndAddsNothing) {
    ASSERT_TRUE(put(index_, 0, bytes("a"), 1));
    policies_.by_grid[1].access = Access::read_only;
    EXPECT_TRUE(add(1));
    EXPECT_TRUE(add(2).error().is("storage.read_only"));
}

TEST_F(LeasesTest, LeasesAreCheckedForTheirLength) {
    const auto bad =
        run(engine_->add_lease(ctx(), kGrid, index_, {secret32(1), Secret(bytes("x"))}));
    EXPECT_TRUE(bad.error().is("storage.invalid_secret"));
}

TEST_F(LeasesTest, AdvisoriesAreKeptForSharesThatExistAndTheOldestGiveWay) {
    policies_.by_grid[1].advisories_max = 3;
    ASSERT_TRUE(put(index_, 0, bytes("a")));
    const auto advise = [&](ShareNumber share, ShareKind kind, std::string reason) {
        return run(engine_->advise_corrupt(ctx(), kGrid, index_, share, kind, std::move(reason)));
    };
    EXPECT_TRUE(advise(1, ShareKind::immutable, "x").error().is("storage.no_such_share"));
    EXPECT_TRUE(advise(0, ShareKind::mutable_, "x").error().is("storage.no_such_share"));
    EXPECT_TRUE(advise(0, ShareKind::immutable, std::string(kAdvisoryReasonBytesMax + 1, 'x'))
                    .error()
                    .is("storage.reason_too_long"));
    EXPECT_TRUE(advise(0, ShareKind::immutable, std::string(kAdvisoryReasonBytesMax, 'x')));
    for (const char* reason : {"one", "two", "three"})
        EXPECT_TRUE(advise(0, ShareKind::immutable, reason));
    const auto found = run(engine_->advisories(ctx(), kGrid, 0, 10)).value();
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].reason, "three");
    EXPECT_EQ(found[2].reason, "one");
    EXPECT_EQ(found[0].index, index_);
    EXPECT_EQ(run(engine_->advisories(ctx(), kGrid, found[1].id, 10)).value().size(), 1u);
    EXPECT_THAT(run(engine_->advisories(ctx(), kOther, 0, 10)).value(), IsEmpty());
}

TEST_F(LeasesTest, AWalkMeetsEveryShareOnceInOrder) {
    for (const std::uint8_t i : std::initializer_list<std::uint8_t>{9, 2, 5})
        ASSERT_TRUE(put(index_of(i), i, pattern(i)));
    ASSERT_TRUE(put(index_of(5), 1, bytes("x")));
    ASSERT_TRUE(put(index_of(5), 1, bytes("other grid"), 1, kOther));
    std::vector<std::pair<int, ShareNumber>> met;
    std::optional<std::pair<StorageIndex, ShareNumber>> after;
    for (;;) {
        const auto page = run(engine_->shares_after(ctx(), kGrid, after, 2)).value();
        if (page.empty()) break;
        for (const ShareInfo& info : page) met.emplace_back(info.index.bytes[0], info.share);
        after.emplace(page.back().index, page.back().share);
    }
    EXPECT_THAT(
        met, ElementsAre(std::pair(2, 2u), std::pair(5, 1u), std::pair(5, 5u), std::pair(9, 9u)));
}

TEST_F(LeasesTest, PurgeTakesAGridAndNothingElse) {
    for (std::uint8_t i = 0; i < 5; ++i) ASSERT_TRUE(put(index_of(i), i, pattern(100)));
    ASSERT_TRUE(put(index_of(9), 0, pattern(100'000)));
    ASSERT_TRUE(change(index_of(10), {{0, {{}, {{0, pattern(100'000)}}, {}}}}));
    ASSERT_TRUE(put(index_of(1), 1, pattern(70'000), 1, kOther));
    std::size_t steps = 0;
    while (run(engine_->purge_step(ctx(), kGrid, 2)).value() != 0) ++steps;
    EXPECT_EQ(steps, 3u);
    EXPECT_EQ(usage().used_bytes(), 0u);
    expect_usage_exact();
    pass(std::chrono::hours(24 * 7) + 2h);
    EXPECT_EQ(blobs_in_store(), 1u);
    EXPECT_TRUE(content(index_of(1), 1, ShareKind::immutable, kOther));
}

TEST_F(LeasesTest, SupersededBlobsAreKeptForTheirTime) {
    ASSERT_TRUE(change(index_, {{0, {{}, {{0, pattern(100'000)}}, {}}}}));
    ASSERT_TRUE(change(index_, {{0, {{}, {}, 0}}}));
    pass(std::chrono::hours(24 * 7) - 2h);
    EXPECT_EQ(blobs_in_store(), 1u);
    pass(4h);
    EXPECT_EQ(blobs_in_store(), 0u);
}

TEST_F(LeasesTest, ABlobThatNothingKnowsHasItsRetentionToo) {
    // In a grid that the database knows; those of another wait for a rebuilt index.
    ASSERT_TRUE(put(index_of(9), 0, bytes("small")));
    const blob::Key key(kGrid, {1, 2, 3});
    ASSERT_TRUE(run(store_->put(ctx(), key, bytes("orphan"))));
    EXPECT_EQ(run(engine_->collect_step(ctx())).value().orphans, 1u);
    EXPECT_EQ(run(engine_->collect_step(ctx())).value().orphans, 0u);
    EXPECT_EQ(blobs_in_store(), 1u);
    pass(std::chrono::hours(24 * 7) + 2h);
    EXPECT_EQ(blobs_in_store(), 0u);
}

TEST_F(LeasesTest, AnAbortedLargeUploadLeavesNothing) {
    ASSERT_TRUE(allocate(index_, {0}, 100'000));
    ASSERT_TRUE(write(index_, 0, 0, pattern(100)));
    pass(1s);
    ASSERT_TRUE(run(engine_->abort_upload(ctx(), {kGrid, index_, 0}, upload_secret())));
    EXPECT_EQ(run(engine_->collect_step(ctx())).value().intents, 1u);
    EXPECT_EQ(blobs_in_store(), 0u);
}

TEST_F(LeasesTest, TheCollectorRestsWhilePaused) {
    ASSERT_TRUE(change(index_, {{0, {{}, {{0, pattern(100'000)}}, {}}}}));
    ASSERT_TRUE(change(index_, {{0, {{}, {}, 0}}}));
    engine_->pause_collector();
    pass(std::chrono::hours(24 * 8));
    EXPECT_EQ(blobs_in_store(), 1u);
    engine_->resume_collector();
    pass(2h);
    EXPECT_EQ(blobs_in_store(), 0u);
}

TEST_F(LeasesTest, ATamperedBlobIsFoundByVerify) {
    std::uint8_t next = 20;
    for (const std::size_t at : {10u, 300u, 70'000u, 100'300u}) {
        const StorageIndex index = index_of(next++);
        ASSERT_TRUE(put(index, 0, pattern(100'000)));
        ASSERT_TRUE(run(engine_->verify(ctx(), kGrid, index, 0)));
        rt::Files& files = process_->runtime().files;
        for (const blob::Listed& blob : run(store_->list(ctx(), "")).value().blobs) {
            const std::string path = "state/store/blobs/" + blob.key.text();
            ByteBuffer head(64);
            const auto file = files.open(path, rt::OpenMode::write).value();
            ASSERT_TRUE(file->read_at(0, head));
            if (!equal(ByteView(head).subspan(24, 16), index.bytes)) continue;
            ByteBuffer byte(1);
            ASSERT_TRUE(file->read_at(at, byte));
            byte[0] ^= 0x40;
            ASSERT_TRUE(file->write_at(at, byte));
        }
        const auto verified = run(engine_->verify(ctx(), kGrid, index, 0));
        ASSERT_FALSE(verified) << at;
        EXPECT_EQ(verified.error().kind(), ErrorKind::corrupt);
    }
}

}  // namespace
}  // namespace s4::storage
