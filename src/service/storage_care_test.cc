// Warnings of a quota, and the record of what was asked for.
#include "service/storage_care.h"

#include <gmock/gmock.h>

#include "service/world_test.h"

namespace s4::service {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(QuotaLevel, RisesAtEachLevelAndFallsFivePointsBelow) {
    const auto level = [](int before, std::uint64_t used) {
        return quota_level(before, used, 10'000);
    };
    EXPECT_EQ(level(0, 7'900), 0);
    EXPECT_EQ(level(0, 8'000), 80);
    EXPECT_EQ(level(0, 9'500), 95);
    EXPECT_EQ(level(0, 9'960), 100);
    EXPECT_EQ(level(0, 20'000), 100);
    EXPECT_EQ(level(80, 7'600), 80);
    EXPECT_EQ(level(80, 7'400), 0);
    EXPECT_EQ(level(95, 9'100), 95);
    EXPECT_EQ(level(95, 8'900), 80);
    EXPECT_EQ(level(100, 9'600), 100);
    EXPECT_EQ(level(100, 9'400), 95);
    EXPECT_EQ(level(100, 0), 0);
    EXPECT_EQ(quota_level(0, 0, 0), 100);
}

class StorageCareTest : public testing::Test {
  protected:
    // A subscription whose grid is shown; its plan has 50 GB.
    GridId grid() {
        const auto begun = world_.run(world_.service().begin_sign_up(
            world_.ctx(), {ByteBuffer(kSignUpNonceBytes, 1), "a@b.example", "s", "192.0.2.1"}));
        subscription_ = begun->subscription;
        const auto payment =
            world_.run(world_.service().begin_payment(world_.ctx(), subscription_)).value();
        EXPECT_TRUE(world_.run(world_.payments().decide(world_.ctx(), payment.reference,
                                                        billing::PaymentStatus::paid)));
        EXPECT_TRUE(world_.run(world_.service().settle(world_.ctx(), payment.reference)));
        world_.run_jobs();
        return *world_.run(world_.service().overview(world_.ctx(), subscription_))->grid;
    }
    void used(GridId grid, std::uint64_t gigabytes) {
        EXPECT_TRUE(
            world_.run(world_.care().usage_changed(world_.ctx(), grid, gigabytes * 1'000'000'000)));
    }
    std::vector<std::string> quota_notices() {
        static constexpr sql::Query kNotices{
            "test.notices", "SELECT kind FROM notices WHERE kind LIKE 'quota%' ORDER BY id"};
        return world_
            .run(world_.database().read(world_.ctx(),
                                        [&](sql::Reader& db) -> Result<std::vector<std::string>> {
                                            sql::Rows rows = TRY(db.select(kNotices));
                                            std::vector<std::string> out;
                                            while (TRY(rows.next())) out.emplace_back(rows.text(0));
                                            return out;
                                        }))
            .value();
    }

    rt::asio::Backend backend_{1};
    World world_{backend_};
    SubscriptionId subscription_;
};

TEST_F(StorageCareTest, EachLevelIsWarnedOfOnceUntilTheUsageFell) {
    const GridId id = grid();
    used(id, 39);
    EXPECT_THAT(quota_notices(), IsEmpty());
    used(id, 40);
    used(id, 41);
    EXPECT_THAT(quota_notices(), ElementsAre("quota_80"));
    world_.restart();
    used(id, 42);
    used(id, 50);
    EXPECT_THAT(quota_notices(), ElementsAre("quota_80", "quota_full"));
    used(id, 39);
    used(id, 40);
    EXPECT_THAT(quota_notices(), ElementsAre("quota_80", "quota_full"));
    used(id, 30);
    used(id, 48);
    EXPECT_THAT(quota_notices(), ElementsAre("quota_80", "quota_full", "quota_95"));
}

TEST_F(StorageCareTest, AGridWithoutASubscriptionWarnsNobody) {
    used(GridId{99}, 1000);
    EXPECT_THAT(quota_notices(), IsEmpty());
}

TEST_F(StorageCareTest, WhatIsAskedForNeedsAGridAndIsRecorded) {
    EXPECT_TRUE(
        world_.run(world_.care().view(world_.ctx(), {7})).error().is("subscription.unknown"));
    grid();
    ASSERT_TRUE(world_.run(world_.care().set_expiry(world_.ctx(), subscription_,
                                                    storage::Switch::on, Actor::customer)));
    ASSERT_TRUE(world_.run(
        world_.care().free_unrenewed(world_.ctx(), subscription_, 1000, Actor::operator_)));
    EXPECT_EQ(world_.storage.status.once->asked_by, "operator");
    const auto log = world_.run(world_.service().audit_log(world_.ctx(), subscription_)).value();
    EXPECT_EQ(log[log.size() - 2].action, "expiry");
    EXPECT_EQ(log[log.size() - 2].detail, "on");
    EXPECT_EQ(log.back().action, "free_unrenewed");
}

}  // namespace
}  // namespace s4::service
