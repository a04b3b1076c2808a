// Collection of what no client renews: two passes, what spares a share, clocks, crashes.
#include "storage/expiry.h"
#include "storage/engine_test_fixture.h"
#include "storage/usage_history.h"

namespace s4::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A pass of whatever was asked for, as the engine does it by itself.
rt::Task<void> do_pass(const rt::Context& ctx, Engine& engine, bool& done) {
    for (bool more = true; more;) {
        const auto step = co_await engine.expiry().step(ctx);
        if (!step) co_return;
        more = step->more;
    }
    done = true;
}

class ExpiryTest : public EngineFixture {
  protected:
    ExpiryTest() {
        options_.collect_every = 10'000 * 24h;  // steps are the tests' own
        options_.blob_retention_s = INT64_MAX / 2;
    }

    UnixSeconds now() { return process_->runtime().reactor.unix_s(); }
    Expiry& expiry() { return engine_->expiry(); }
    CollectionStatus status() { return run(expiry().status(ctx(), kGrid)).value(); }

    // Steps until there is nothing more to do.
    ExpiryReport work() {
        expiry().look_at_all();
        ExpiryReport sum;
        for (bool more = true; more;) {
            const auto step = run(expiry().step(ctx()));
            EXPECT_TRUE(step) << step.error().to_string();
            if (!step) break;
            sum.marked += step->marked;
            sum.spared += step->spared;
            sum.freed += step->freed;
            sum.freed_data_bytes += step->freed_data_bytes;
            more = step->more;
        }
        return sum;
    }
    // Each day the machine is off, and on for a step; a day that it runs costs the simulator more.
    void days(int count) {
        for (int i = 0; i < count; ++i) {
            stop();
            machine().shift_clock(24h + 1s);
            start();
            ASSERT_TRUE(run(expiry().step(ctx())));
        }
    }
    void free_all() {
        pass(1s);
        ASSERT_TRUE(run(expiry().free_unrenewed(ctx(), kGrid, now(), "customer")));
    }
    void put_three() {
        ASSERT_TRUE(put(index_of(1), 0, pattern(1000)));
        ASSERT_TRUE(put(index_of(2), 0, pattern(70'000)));
        ASSERT_TRUE(change(index_of(3), {{0, {{}, {{0, pattern(300)}}, {}}}}));
    }
    std::vector<ShareNumber> slot() { return list(index_of(3), ShareKind::mutable_); }
};

TEST_F(ExpiryTest, NothingExpiresUnlessTheCustomerAsks) {
    put_three();
    days(40);
    EXPECT_EQ(work().marked, 0u);
    EXPECT_THAT(list(index_of(1)), ElementsAre(0));
    EXPECT_EQ(usage().shares, 3u);
}

TEST_F(ExpiryTest, WhatIsNotRenewedGoesInTwoPassesADayApart) {
    put_three();
    free_all();
    EXPECT_EQ(work().marked, 3u);
    pass(23h);
    EXPECT_EQ(work().freed, 0u);
    EXPECT_EQ(usage().shares, 3u);
    pass(1h + 1s);
    EXPECT_EQ(work().freed, 3u);
    EXPECT_THAT(list(index_of(1)), IsEmpty());
    EXPECT_THAT(list(index_of(2)), IsEmpty());
    EXPECT_THAT(slot(), IsEmpty());
    EXPECT_EQ(usage().used_bytes(), 0u);
    expect_usage_exact();
    // The record of it.
    const CollectionStatus after = status();
    EXPECT_FALSE(after.once);
    ASSERT_EQ(after.past.size(), 1u);
    EXPECT_EQ(after.past[0].asked_by, "customer");
    EXPECT_EQ(after.past[0].shares, 3u);
    EXPECT_EQ(after.past[0].data_bytes, 1000u + 70'000u + 300u);
    // The slot can be made again, with another write enabler.
    EXPECT_TRUE(change(index_of(3), {{0, {{}, {{0, pattern(10)}}, {}}}}, {}, 60)->success);
}

TEST_F(ExpiryTest, ARenewalANewLeaseOrAWriteInBetweenSparesAShare) {
    put_three();
    ASSERT_TRUE(put(index_of(4), 0, pattern(10)));
    free_all();
    EXPECT_EQ(work().marked, 4u);
    pass(1h);
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(1), lease_secrets(1))));
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(2), lease_secrets(9))));
    ASSERT_TRUE(change(index_of(3), {{0, {{}, {{0, pattern(300, 2)}}, {}}}}));
    pass(24h);
    const ExpiryReport report = work();
    EXPECT_EQ(report.freed, 1u);
    EXPECT_EQ(report.spared, 3u);
    EXPECT_THAT(list(index_of(1)), ElementsAre(0));
    EXPECT_THAT(list(index_of(2)), ElementsAre(0));
    EXPECT_THAT(slot(), ElementsAre(0));
    EXPECT_THAT(list(index_of(4)), IsEmpty());
    EXPECT_FALSE(status().once);
    expect_usage_exact();
}

TEST_F(ExpiryTest, WhatWasRenewedSinceTheDateIsNotMarked) {
    put_three();
    pass(2h);
    const UnixSeconds date = now() - 3600;
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(1), lease_secrets(1))));
    const FreeEstimate estimate = run(expiry().estimate(ctx(), kGrid, date)).value();
    EXPECT_EQ(estimate.shares, 2u);
    EXPECT_EQ(estimate.data_bytes, 70'300u);
    EXPECT_EQ(usage().shares, 3u);  // a dry run
    ASSERT_TRUE(run(expiry().free_unrenewed(ctx(), kGrid, date, "customer")));
    EXPECT_EQ(work().marked, 2u);
}

TEST_F(ExpiryTest, OneOfSeveralLeasesIsEnoughToKeepAShare) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(10), 1));
    pass(2h);
    const UnixSeconds date = now() - 3600;
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(1), lease_secrets(2))));
    EXPECT_EQ(run(expiry().estimate(ctx(), kGrid, date)).value().shares, 0u);
}

TEST_F(ExpiryTest, ExpiryTakesWhatHasOnlyLeasesOlderThan31Days) {
    put_three();
    ASSERT_TRUE(run(expiry().set_expiry(ctx(), kGrid, Switch::on, "customer")));
    days(30);
    EXPECT_EQ(work().marked, 0u);
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(1), lease_secrets(1))));
    days(2);
    EXPECT_EQ(work().marked + status().expiry->shares, 2u);
    days(2);
    work();
    EXPECT_EQ(status().expiry->shares, 2u);
    EXPECT_EQ(usage().shares, 1u);
    EXPECT_THAT(list(index_of(1)), ElementsAre(0));
}

TEST_F(ExpiryTest, SwitchedOffNothingGoesThatWasMarked) {
    put_three();
    ASSERT_TRUE(run(expiry().set_expiry(ctx(), kGrid, Switch::on, "customer")));
    days(31);
    ASSERT_TRUE(run(expiry().set_expiry(ctx(), kGrid, Switch::off, "customer")));
    days(3);
    work();
    EXPECT_EQ(usage().shares, 3u);
    ASSERT_EQ(status().past.size(), 1u);
    EXPECT_TRUE(status().past[0].swept);
    // Switched on again, it begins with a first pass.
    ASSERT_TRUE(run(expiry().set_expiry(ctx(), kGrid, Switch::on, "customer")));
    EXPECT_EQ(work().freed, 0u);
    days(2);
    work();
    EXPECT_EQ(usage().shares, 0u);
}

TEST_F(ExpiryTest, AStoppedFreeingDeletesNothingMore) {
    put_three();
    free_all();
    work();
    ASSERT_TRUE(run(expiry().stop_freeing(ctx(), kGrid, "customer")));
    days(2);
    work();
    EXPECT_EQ(usage().shares, 3u);
    EXPECT_FALSE(status().once);
}

TEST_F(ExpiryTest, AFrozenGridLosesNothingAndAReadOnlyOneRenews) {
    put_three();
    free_all();
    work();
    policies_.by_grid[1].access = Access::frozen;
    pass(25h);
    EXPECT_EQ(work().freed, 0u);
    policies_.by_grid[1].access = Access::read_only;
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(1), lease_secrets(1))));
    EXPECT_EQ(work().freed, 2u);
    EXPECT_THAT(list(index_of(1)), ElementsAre(0));
}

TEST_F(ExpiryTest, OnlyOneFreeingAtATimeAndNoneOfTheFuture) {
    put_three();
    free_all();
    const auto again = run(expiry().free_unrenewed(ctx(), kGrid, now(), "customer"));
    EXPECT_TRUE(again.error().is("storage.collection_under_way"));
    const auto future = run(expiry().free_unrenewed(ctx(), kOther, now() + 60, "customer"));
    EXPECT_TRUE(future.error().is("storage.invalid_date"));
}

TEST_F(ExpiryTest, AnotherGridKeepsItsShares) {
    put_three();
    ASSERT_TRUE(put(index_of(1), 0, pattern(10), 1, kOther));
    free_all();
    work();
    pass(25h);
    EXPECT_EQ(work().freed, 3u);
    EXPECT_THAT(list(index_of(1), ShareKind::immutable, kOther), ElementsAre(0));
}

TEST_F(ExpiryTest, ManySharesGoInManySteps) {
    for (std::uint8_t i = 0; i < 100; ++i)
        for (ShareNumber share = 0; share < 5; ++share)
            ASSERT_TRUE(put(index_of(i), share, pattern(10)));
    free_all();
    EXPECT_EQ(run(expiry().estimate(ctx(), kGrid, now())).value().shares, 500u);
    const auto first = run(expiry().step(ctx())).value();
    EXPECT_EQ(first.marked, kMarkStepRows);
    EXPECT_TRUE(first.more);
    EXPECT_EQ(work().marked, 500u - kMarkStepRows);
    pass(25h);
    expiry().look_at_all();
    EXPECT_EQ(run(expiry().step(ctx())).value().freed, kFreeStepShares);
    expect_usage_exact();
    work();
    EXPECT_EQ(usage().shares, 0u);
}

TEST_F(ExpiryTest, AReaderKeepsWhatItOpened) {
    const ByteBuffer data = pattern(100'000);
    ASSERT_TRUE(put(index_of(1), 0, data));
    const auto reader = open(index_of(1), 0).value();
    free_all();
    work();
    pass(25h);
    EXPECT_EQ(work().freed, 1u);
    EXPECT_EQ(read(*reader, 0, data.size()).value(), data);
}

// -- clocks --

TEST_F(ExpiryTest, AClockThatJumpedStopsCollectionUntilTheOperatorConfirmsIt) {
    put_three();
    free_all();
    work();
    machine().shift_clock(32 * 24h);
    EXPECT_EQ(work().freed, 0u);
    EXPECT_THAT(expiry().clock_problem(), testing::HasSubstr("jumped 32 d"));
    pass(48h);
    EXPECT_EQ(work().freed, 0u);
    restart();
    EXPECT_EQ(work().freed, 0u);
    EXPECT_FALSE(expiry().clock_problem().empty());
    ASSERT_TRUE(run(expiry().confirm_clock(ctx())));
    // What was marked by the old clock is marked again.
    EXPECT_EQ(work().freed, 0u);
    EXPECT_EQ(usage().shares, 3u);
    days(1);
    work();
    EXPECT_EQ(usage().shares, 0u);
}

TEST_F(ExpiryTest, TheTimeIsNotedFromTheStartOn) {
    stop();
    machine().shift_clock(32 * 24h);
    start();
    put_three();
    free_all();
    EXPECT_EQ(work().marked, 0u);
    EXPECT_FALSE(expiry().clock_problem().empty());
}

TEST_F(ExpiryTest, AClockThatWentBackStopsCollection) {
    put_three();
    free_all();
    work();
    machine().shift_clock(-2h);
    work();
    EXPECT_FALSE(expiry().clock_problem().empty());
}

TEST_F(ExpiryTest, AcrossRestartsTheClockIsComparedWithTheTimeSeenBefore) {
    put_three();
    free_all();
    work();
    stop();
    machine().shift_clock(25h);  // a machine may be off for a day
    start();
    EXPECT_EQ(work().freed, 3u);
    EXPECT_TRUE(expiry().clock_problem().empty());
    stop();
    machine().shift_clock(4 * 24h);
    start();
    work();
    EXPECT_THAT(expiry().clock_problem(), testing::HasSubstr("ahead of the time seen before"));
    ASSERT_TRUE(run(expiry().confirm_clock(ctx())));
    stop();
    machine().shift_clock(-24h);
    start();
    work();
    EXPECT_THAT(expiry().clock_problem(), testing::HasSubstr("behind the time seen before"));
}

// -- crashes --

// Crashes at some call of the files during one of the passes; after the restart the work is done to
// its end, and what was renewed is there.
TEST_F(ExpiryTest, KilledAnywhereItEndsWithTheSame) {
    const auto day_later = [&](rt::sim::Crash how) {
        machine().crash(how);
        world_.run_for(1s);
        engine_.reset();
        store_.reset();
        database_.reset();
        machine().shift_clock(25h);
        start();
    };
    for (std::uint64_t call = 1; call < 30; ++call) {
        SCOPED_TRACE(call);
        const auto how = call % 2 == 0 ? rt::sim::Crash::process : rt::sim::Crash::power;
        put_three();
        ASSERT_TRUE(put(index_of(4), 0, pattern(10)));
        free_all();
        if (call % 3 == 0) work();  // the crash is in the second pass
        if (call % 3 == 0) day_later(how);
        bool done = false;
        process_->crash_at_file_call(call / 3 + 1, how);
        process_->spawn(do_pass(ctx(), *engine_, done));
        world_.run_until([&] { return done || !process_->alive(); }, 60s);
        day_later(how);
        const bool was_there = !list(index_of(4)).empty();
        ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(4), lease_secrets(7))));
        expect_usage_exact();
        work();
        day_later(how);
        work();
        EXPECT_EQ(usage().shares, was_there ? 1u : 0u);
        expect_usage_exact();
        EXPECT_FALSE(status().once);
        if (!was_there) continue;
        free_all();
        work();
        day_later(how);
        work();
    }
}

// -- usage by day --

class UsageHistoryTest : public ExpiryTest {
  protected:
    UsageHistory& history() { return engine_->usage_history(); }
    std::size_t note_all() {
        std::size_t noted = 0;
        for (;;) {
            const auto changes = run(history().changes(ctx())).value();
            if (changes.empty()) return noted;
            for (const UsageChange& change : changes) {
                EXPECT_TRUE(run(history().note(ctx(), change)));
                ++noted;
            }
        }
    }
    std::vector<std::uint64_t> used_by_day(std::int64_t from = 0) {
        std::vector<std::uint64_t> out;
        for (const UsageDay& day : run(history().days(ctx(), kGrid, from)).value())
            out.push_back(day.used_bytes());
        return out;
    }
};

TEST_F(UsageHistoryTest, EachDayKeepsItsLastNotedUsage) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(1000)));
    EXPECT_EQ(note_all(), 1u);
    ASSERT_TRUE(put(index_of(2), 0, pattern(1000)));
    ASSERT_TRUE(put(index_of(3), 0, pattern(1000)));
    EXPECT_EQ(note_all(), 1u);
    EXPECT_EQ(note_all(), 0u);
    pass(48h);
    ASSERT_TRUE(put(index_of(4), 0, pattern(1000)));
    EXPECT_EQ(note_all(), 1u);
    EXPECT_THAT(used_by_day(), ElementsAre(3 * 1512, 4 * 1512));
    EXPECT_THAT(used_by_day(now() / 86'400), ElementsAre(3 * 1512, 4 * 1512));
    EXPECT_THAT(used_by_day(now() / 86'400 + 1), ElementsAre(4 * 1512));
}

TEST_F(UsageHistoryTest, WhatARunDidNotNoteTheNextOneDoes) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(1000)));
    note_all();
    ASSERT_TRUE(put(index_of(2), 0, pattern(1000)));
    ASSERT_TRUE(put(index_of(1), 0, pattern(1000), 1, kOther));
    power_loss();
    EXPECT_EQ(note_all(), 2u);
    EXPECT_THAT(used_by_day(), ElementsAre(2 * 1512));
}

TEST_F(UsageHistoryTest, RowsBeyond400DaysGo) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(1000)));
    note_all();
    machine().shift_clock((kUsageDaysKept + 1) * 24h);
    ASSERT_TRUE(put(index_of(2), 0, pattern(1000)));
    note_all();
    EXPECT_THAT(used_by_day(), ElementsAre(2 * 1512));
}

}  // namespace
}  // namespace s4::storage
