// What a grid holds, counted in steps.
#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

using testing::ElementsAre;

class SurveyTest : public EngineFixture {
  protected:
    SurveyTest() { options_.survey_step_rows = 3; }

    GridFigures figures(GridId grid = kGrid) {
        pass(kFiguresKept + 1s);
        return run(engine_->figures(ctx(), grid)).value();
    }
};

TEST_F(SurveyTest, AnEmptyGridHasNothing) {
    const GridFigures found = figures();
    EXPECT_EQ(found.immutable.shares + found.mutable_.shares + found.advisories, 0u);
    EXPECT_FALSE(found.last_activity);
    EXPECT_THAT(found.leases_by_age, ElementsAre(0, 0, 0, 0));
}

TEST_F(SurveyTest, SharesAreCountedByKindAcrossSteps) {
    for (std::uint8_t i = 1; i <= 4; ++i)
        for (ShareNumber share = 0; share < 2; ++share)
            ASSERT_TRUE(put(index_of(i), share, pattern(10)));
    for (std::uint8_t i = 11; i <= 15; ++i)
        ASSERT_TRUE(change(index_of(i), {{0, {{}, {{0, pattern(100)}}, {}}}}));
    ASSERT_TRUE(put(index_of(1), 0, pattern(10), 1, kOther));
    const GridFigures found = figures();
    EXPECT_EQ(found.immutable.shares, 8u);
    EXPECT_EQ(found.immutable.data_bytes, 80u);
    EXPECT_EQ(found.mutable_.shares, 5u);
    EXPECT_EQ(found.mutable_.data_bytes, 500u);
    EXPECT_EQ(figures(kOther).immutable.shares, 1u);
}

TEST_F(SurveyTest, LeasesAreCountedByTheTimeSinceTheirRenewal) {
    const auto put_some = [&](std::uint8_t first, std::uint8_t count) {
        for (std::uint8_t i = 0; i < count; ++i)
            ASSERT_TRUE(put(index_of(static_cast<std::uint8_t>(first + i)), 0, pattern(10)));
    };
    put_some(10, 1);
    machine().shift_clock(60 * 24h);
    put_some(20, 2);
    machine().shift_clock(25 * 24h);
    put_some(30, 3);
    machine().shift_clock(6 * 24h);
    put_some(40, 8);
    EXPECT_THAT(figures().leases_by_age, ElementsAre(8 + 3, 0, 2, 1));
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, index_of(10), lease_secrets(1))));
    const UnixSeconds now = process_->runtime().reactor.unix_s();
    const GridFigures after = figures();
    EXPECT_THAT(after.leases_by_age, ElementsAre(8 + 3 + 1, 0, 2, 0));
    ASSERT_TRUE(after.last_activity);
    EXPECT_NEAR(static_cast<double>(*after.last_activity), static_cast<double>(now), 2);
}

TEST_F(SurveyTest, AdvisoriesAreCounted) {
    ASSERT_TRUE(put(index_of(1), 0, pattern(10)));
    ASSERT_TRUE(
        run(engine_->advise_corrupt(ctx(), kGrid, index_of(1), 0, ShareKind::immutable, "bad")));
    EXPECT_EQ(figures().advisories, 1u);
}

}  // namespace
}  // namespace s4::storage
