#include "billing/plans.h"

#include <gmock/gmock.h>

#include "billing/limits.h"

namespace s4::billing {
namespace {

using codec::json::Array;
using codec::json::Object;
using codec::json::Value;

Plan valid_plan() {
    Plan plan;
    plan.id = "tiny";
    plan.name = "Tiny";
    plan.quota_bytes = 10'000'000;
    plan.price = {100, "EUR"};
    return plan;
}

Object valid_object() {
    return {{"id", "tiny"},       {"name", "Tiny"},    {"quota_bytes", 10'000'000},
            {"price_cents", 100}, {"currency", "EUR"}, {"period", "year"}};
}

TEST(Plans, TheStandardSetIsValidAndGrows) {
    const Plans plans = Plans::standard();
    EXPECT_TRUE(Plans::create(plans.all()).has_value());
    ASSERT_EQ(plans.all().size(), 3u);
    for (std::size_t i = 1; i < plans.all().size(); ++i) {
        EXPECT_GT(plans.all()[i].quota_bytes, plans.all()[i - 1].quota_bytes);
        EXPECT_GT(plans.all()[i].price.cents, plans.all()[i - 1].price.cents);
    }
    for (const Plan& plan : plans.all())
        EXPECT_EQ(plan.limits.bytes_per_second, kStandardBytesPerSecond);
    EXPECT_EQ(plans.find("m")->name, "M");
    EXPECT_EQ(plans.find("M"), nullptr);
    EXPECT_EQ(plans.suggested().id, "s");
}

TEST(Plans, APlanNoLongerOfferedIsStillFound) {
    Plan old = valid_plan();
    old.offered = false;
    Plan sold = valid_plan();
    sold.id = "new";
    const Plans plans = *Plans::create({old, sold});
    EXPECT_NE(plans.find("tiny"), nullptr);
    ASSERT_EQ(plans.offered().size(), 1u);
    EXPECT_EQ(plans.suggested().id, "new");
}

TEST(Plans, EachLimitHoldsAtTheBoundAndNotPastIt) {
    Plan plan = valid_plan();
    plan.id = std::string(kPlanIdBytesMax, 'a');
    plan.name = std::string(kPlanNameBytesMax, 'n');
    plan.quota_bytes = kPlanQuotaBytesMax;
    plan.price.cents = kPlanPriceCentsMax;
    plan.trial_days = kPlanDaysMax;
    plan.limits.requests = kPlanRequestsMax;
    plan.limits.bytes_per_second = kPlanBytesPerSecondMax;
    EXPECT_TRUE(Plans::create({plan}).has_value());
    const auto refused = [](Plan wrong) { return !Plans::create({std::move(wrong)}).has_value(); };
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.id += 'a';
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.name += 'n';
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.quota_bytes += 1;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.quota_bytes = 0;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.price.cents += 1;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.price.currency = "eur";
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.trial_days += 1;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.limits.requests += 1;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.limits.requests = 0;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.limits.bytes_per_second += 1;
        return p;
    }()));
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.limits.bytes_per_second = kPlanBytesPerSecondMin - 1;
        return p;
    }()));
    plan.limits.bytes_per_second = kPlanBytesPerSecondMin;
    EXPECT_TRUE(Plans::create({plan}).has_value());
    EXPECT_TRUE(refused([&] {
        Plan p = plan;
        p.offered = false;
        return p;
    }()));
    EXPECT_FALSE(Plans::create({plan, plan}).has_value());
    EXPECT_FALSE(Plans::create({}).has_value());
}

TEST(Plans, ReadsTheOperatorsOwnPlans) {
    const auto plans = Plans::from_json(Array{valid_object()});
    ASSERT_TRUE(plans.has_value()) << plans.error().to_string();
    EXPECT_EQ(plans->suggested().quota_bytes, 10'000'000u);
    EXPECT_EQ(plans->suggested().period, Period::year);
    EXPECT_EQ(plans->suggested().limits, GridLimits{});

    Object limited = valid_object();
    limited.emplace_back("connections", 3);
    limited.emplace_back("unfinished_uploads", 4);
    limited.emplace_back("requests", 5);
    limited.emplace_back("bytes_per_second", 6'000'000);
    const GridLimits read = Plans::from_json(Array{limited}).value().suggested().limits;
    EXPECT_EQ(read, (GridLimits{3, 4, 5, 6'000'000}));
}

TEST(Plans, SaysWhichMemberIsWrong) {
    const auto message = [](Object object) {
        const auto plans = Plans::from_json(Array{std::move(object)});
        return plans ? std::string("accepted") : plans.error().message();
    };
    Object missing = valid_object();
    missing.pop_back();
    EXPECT_THAT(message(missing), testing::HasSubstr("\"period\" is missing"));
    Object misspelt = valid_object();
    misspelt.emplace_back("trail_days", 3);
    EXPECT_THAT(message(misspelt), testing::HasSubstr("\"trail_days\" is no member"));
    Object negative = valid_object();
    negative.emplace_back("trial_days", -1);
    EXPECT_THAT(message(negative), testing::HasSubstr("\"trial_days\""));
    Object textual = valid_object();
    textual[2].second = "10";
    EXPECT_THAT(message(textual), testing::HasSubstr("\"quota_bytes\""));
    EXPECT_FALSE(Plans::from_json(Value("plans")).has_value());
    EXPECT_FALSE(Plans::from_json(Array{Value(1)}).has_value());
}

TEST(Plans, SizesAreWrittenInDecimalUnitsAndNeverRoundedUp) {
    EXPECT_EQ(format_bytes(0), "0 bytes");
    EXPECT_EQ(format_bytes(999), "999 bytes");
    EXPECT_EQ(format_bytes(1000), "1 kB");
    EXPECT_EQ(format_bytes(1'550), "1.5 kB");
    EXPECT_EQ(format_bytes(50'000'000'000), "50 GB");
    EXPECT_EQ(format_bytes(999'999'999'999), "999 GB");
    EXPECT_EQ(format_bytes(1'000'000'000'000), "1 TB");
    EXPECT_EQ(format_bytes(~std::uint64_t{0}), "18.4 EB");
}

TEST(Money, IsWrittenInWholeAndCents) {
    EXPECT_EQ((Money{290, "EUR"}).to_string(), "2.90 EUR");
    EXPECT_EQ((Money{5, "EUR"}).to_string(), "0.05 EUR");
    EXPECT_EQ((Money{0, "USD"}).to_string(), "0.00 USD");
}

}  // namespace
}  // namespace s4::billing
