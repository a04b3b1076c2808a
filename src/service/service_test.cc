#include "service/service.h"

#include <gmock/gmock.h>

#include <set>

#include "rt/asio/backend.h"
#include "service/world_test.h"

namespace s4::service {
namespace {

using billing::PaymentStatus;
using billing::State;
using testing::HasSubstr;

constexpr UnixSeconds kDay = 24 * 3600;

class ServiceTest : public testing::Test {
  protected:
    SignUpRequest form(std::uint8_t nonce = 1, std::string email = "ada@example.org",
                       std::string plan = "m", std::string from = "192.0.2.1") {
        return {ByteBuffer(kSignUpNonceBytes, nonce), std::move(email), std::move(plan),
                std::move(from)};
    }
    SignUp begin(std::uint8_t nonce = 1) {
        auto begun = world_.run(world_.service().begin_sign_up(world_.ctx(), form(nonce)));
        EXPECT_TRUE(begun) << begun.error().to_string();
        return *begun;
    }
    Overview view(SubscriptionId id) {
        auto overview = world_.run(world_.service().overview(world_.ctx(), id));
        EXPECT_TRUE(overview) << overview.error().to_string();
        return *overview;
    }
    // Begins the payment that is due, lets it end so, and reports it.
    PaymentStatus pay(SubscriptionId id, PaymentStatus outcome = PaymentStatus::paid) {
        const auto begun = world_.run(world_.service().begin_payment(world_.ctx(), id));
        EXPECT_TRUE(begun) << begun.error().to_string();
        EXPECT_TRUE(world_.run(world_.payments().decide(world_.ctx(), begun->reference, outcome)));
        const auto settled = world_.run(world_.service().settle(world_.ctx(), begun->reference));
        EXPECT_TRUE(settled) << settled.error().to_string();
        return settled->status;
    }
    std::vector<std::string> actions(SubscriptionId id) {
        std::vector<std::string> out;
        for (const AuditRow& row : *world_.run(world_.service().audit_log(world_.ctx(), id)))
            out.push_back(row.action);
        return out;
    }
    tenants::Policy policy(GridId grid) {
        return (*world_.run(world_.directory().by_id(world_.ctx(), grid)))->policy;
    }
    std::string code_of(const Result<SignUp>& result) {
        return result ? "" : std::string(result.error().code());
    }

    rt::asio::Backend backend_{1};
    World world_{backend_};
};

TEST_F(ServiceTest, ASignUpLeadsFromTheFormToAGridThatWasChecked) {
    const SignUp sign_up = begin();
    EXPECT_EQ(sign_up.capability.size(), 32u);
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::unpaid);
    EXPECT_EQ(world_.run_jobs(), 0);

    EXPECT_EQ(pay(sign_up.subscription), PaymentStatus::paid);
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::making);
    EXPECT_EQ(world_.run_jobs(1), 1);
    const Overview made = view(sign_up.subscription);
    EXPECT_EQ(made.stage, Stage::checking);
    EXPECT_FALSE(made.addresses) << "addresses are shown after the check only";

    EXPECT_EQ(world_.run_jobs(), 1);
    world_.usage.bytes = 1234;
    const Overview shown = view(sign_up.subscription);
    EXPECT_EQ(shown.stage, Stage::ready);
    EXPECT_EQ(shown.used_bytes, 1234u);
    ASSERT_TRUE(shown.addresses);
    EXPECT_THAT(std::string(shown.addresses->introducer_furl.reveal_text()),
                testing::MatchesRegex("pb://[a-z2-7]{32}@tcp:grid.example.org:8470/[a-z2-7]{32}"));
    ASSERT_EQ(shown.addresses->nurls.size(), 1u);
    EXPECT_EQ(world_.check.checked.size(), 1u);
    EXPECT_THAT(
        actions(sign_up.subscription),
        testing::ElementsAre("sign_up_begun", "payment_booked", "paid", "grid_made", "grid_shown"));
    EXPECT_EQ(policy(*shown.grid).quota_bytes, shown.plan.quota_bytes);
}

TEST_F(ServiceTest, TheFirstAnnouncementIsThereWhenTheGridIs) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    world_.run_jobs();
    const Overview shown = view(sign_up.subscription);
    const auto announced = world_.run(world_.database().read(
        world_.ctx(), [&](sql::Reader& db) { return introducer::load(db, *shown.grid); }));
    ASSERT_TRUE(announced);
    ASSERT_EQ(announced->size(), 1u);
    const codec::json::Value* furl = announced->front().content.find("anonymous-storage-FURL");
    ASSERT_NE(furl, nullptr);
    EXPECT_EQ(*furl->as_string(), shown.addresses->storage_furl.reveal_text());
}

TEST_F(ServiceTest, TheSameFormSentTwiceIsOneSignUp) {
    const SignUp first = begin(1);
    const SignUp again = begin(1);
    EXPECT_EQ(first.subscription, again.subscription);
    EXPECT_TRUE(first.capability == again.capability);
    const SignUp other = begin(2);
    EXPECT_NE(first.subscription, other.subscription);
    EXPECT_FALSE(first.capability == other.capability);
    // Another address in the same form is another sign-up: somebody corrected it.
    const auto corrected =
        world_.run(world_.service().begin_sign_up(world_.ctx(), form(1, "ada.l@example.org")));
    ASSERT_TRUE(corrected);
    EXPECT_NE(corrected->subscription, first.subscription);
}

TEST_F(ServiceTest, TheCapabilityFindsThePageAndItsNeighbourDoesNot) {
    const SignUp sign_up = begin();
    EXPECT_EQ(*world_.run(world_.service().find_page(world_.ctx(), sign_up.capability)),
              sign_up.subscription);
    std::string wrong(sign_up.capability.reveal_text());
    wrong[0] = wrong[0] == 'a' ? 'b' : 'a';
    const auto missing =
        world_.run(world_.service().find_page(world_.ctx(), Secret(as_bytes(wrong))));
    ASSERT_FALSE(missing);
    EXPECT_TRUE(missing.error().is("page.unknown"));
}

TEST_F(ServiceTest, APaymentIsBookedOnceHoweverOftenItIsReported) {
    const SignUp sign_up = begin();
    const auto begun =
        world_.run(world_.service().begin_payment(world_.ctx(), sign_up.subscription));
    const auto again =
        world_.run(world_.service().begin_payment(world_.ctx(), sign_up.subscription));
    EXPECT_EQ(begun->reference, again->reference);
    world_.run(world_.payments().decide(world_.ctx(), begun->reference, PaymentStatus::paid));
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(world_.run(world_.service().settle(world_.ctx(), begun->reference)));
    EXPECT_EQ(world_.run(world_.service().ledger(world_.ctx(), sign_up.subscription))->size(), 1u);
    EXPECT_EQ(world_.run_jobs(), 2);
    EXPECT_EQ(world_.check.checked.size(), 1u);
    const auto nothing_due =
        world_.run(world_.service().begin_payment(world_.ctx(), sign_up.subscription));
    ASSERT_FALSE(nothing_due);
    EXPECT_TRUE(nothing_due.error().is("payment.not_due"));
}

TEST_F(ServiceTest, AReportThatNamesNoPaymentOfOursIsRefused) {
    const auto settled = world_.run(world_.service().settle(world_.ctx(), "test-99-0"));
    ASSERT_FALSE(settled);
    EXPECT_TRUE(settled.error().is("payment.unknown"));
}

TEST_F(ServiceTest, ADeclinedPaymentCanBeTriedAgain) {
    const SignUp sign_up = begin();
    EXPECT_EQ(pay(sign_up.subscription, PaymentStatus::declined), PaymentStatus::declined);
    EXPECT_TRUE(view(sign_up.subscription).declined);
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::unpaid);
    EXPECT_EQ(pay(sign_up.subscription), PaymentStatus::paid);
    EXPECT_FALSE(view(sign_up.subscription).declined);
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::making);
}

TEST_F(ServiceTest, ATrialBooksNothingButBegins) {
    const auto begun =
        world_.run(world_.service().begin_sign_up(world_.ctx(), form(1, "ada@example.org", "s")));
    EXPECT_EQ(view(begun->subscription).due.cents, 0);
    pay(begun->subscription);
    const Overview paid = view(begun->subscription);
    EXPECT_EQ(paid.subscription.state, State::active);
    EXPECT_EQ(paid.subscription.paid_until,
              paid.subscription.state_since + paid.plan.trial_days * kDay);
    EXPECT_EQ(paid.due, paid.plan.price) << "the trial is once";
}

TEST_F(ServiceTest, AFailedCheckIsRepeatedUntilItSucceedsAndThePaymentStands) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    world_.check.failures_left = 3;
    EXPECT_EQ(world_.run_jobs(), 1);
    for (int attempt = 1; attempt <= 3; ++attempt) {
        const Overview waiting = view(sign_up.subscription);
        EXPECT_EQ(waiting.stage, Stage::checking);
        EXPECT_EQ(waiting.delayed, attempt >= kAttemptsUntilDelayed);
        EXPECT_EQ(waiting.subscription.state, State::active);
        EXPECT_FALSE(waiting.addresses);
        EXPECT_EQ(world_.run_jobs(), 0) << "not before its time";
        world_.clock().advance_s(back_off_s(attempt));
        world_.run_jobs();
    }
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::ready);
    EXPECT_EQ(world_.check.checked.size(), 4u);
    EXPECT_EQ(
        std::set<std::string>(world_.check.checked.begin(), world_.check.checked.end()).size(), 1u)
        << "always the same grid";
}

TEST_F(ServiceTest, KilledAfterAnyStepItEndsInTheSameState) {
    for (int steps = 0; steps <= 2; ++steps) {
        const SignUp sign_up = begin(static_cast<std::uint8_t>(10 + steps));
        world_.restart();
        pay(sign_up.subscription);
        world_.run_jobs(steps);
        const auto grid_before = view(sign_up.subscription).grid;
        world_.restart();
        world_.run_jobs();
        const Overview end = view(sign_up.subscription);
        EXPECT_EQ(end.stage, Stage::ready) << "killed after step " << steps;
        if (grid_before) {
            EXPECT_EQ(end.grid, grid_before);
        }
        EXPECT_THAT(actions(sign_up.subscription),
                    testing::ElementsAre("sign_up_begun", "payment_booked", "paid", "grid_made",
                                         "grid_shown"));
        EXPECT_EQ(*world_.run(world_.service().find_page(world_.ctx(), sign_up.capability)),
                  sign_up.subscription);
    }
}

TEST_F(ServiceTest, AStepRunTwiceDoesNothingTheSecondTime) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    for (int step = 0; step < 2; ++step) {
        const Job job = world_.run(world_.service().next_jobs(world_.ctx(), 1))->front();
        ASSERT_TRUE(world_.run(world_.service().run_job(world_.ctx(), job)));
        const Overview once = view(sign_up.subscription);
        EXPECT_TRUE(world_.run(world_.service().run_job(world_.ctx(), job)));
        const Overview twice = view(sign_up.subscription);
        EXPECT_EQ(once.stage, twice.stage);
        EXPECT_EQ(once.grid, twice.grid);
    }
    EXPECT_EQ(actions(sign_up.subscription).size(), 5u);
}

TEST_F(ServiceTest, AnUnpaidSignUpEndsAfterADayAndNotBefore) {
    const SignUp sign_up = begin();
    world_.clock().advance_s(kDay - 60);
    world_.run_jobs();
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::unpaid);
    world_.clock().advance_s(120);
    EXPECT_EQ(world_.run_jobs(), 1);
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::ended);
    const auto late =
        world_.run(world_.service().begin_payment(world_.ctx(), sign_up.subscription));
    ASSERT_FALSE(late);
    EXPECT_TRUE(late.error().is("subscription.purged"));
}

TEST_F(ServiceTest, APaymentThatComesAfterTheEndIsBookedAndServesNothing) {
    const SignUp sign_up = begin();
    const auto begun =
        world_.run(world_.service().begin_payment(world_.ctx(), sign_up.subscription));
    world_.clock().advance_s(kDay + 60);
    world_.run_jobs();
    world_.run(world_.payments().decide(world_.ctx(), begun->reference, PaymentStatus::paid));
    EXPECT_TRUE(world_.run(world_.service().settle(world_.ctx(), begun->reference)));
    EXPECT_EQ(world_.run(world_.service().ledger(world_.ctx(), sign_up.subscription))->size(), 1u);
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::ended);
    EXPECT_EQ(world_.run_jobs(), 0);
}

TEST_F(ServiceTest, CancellingMakesTheGridReadOnlyAndPayingBringsItBack) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    world_.run_jobs();
    const GridId grid = *view(sign_up.subscription).grid;
    const auto cancelled =
        world_.run(world_.service().cancel(world_.ctx(), sign_up.subscription, Actor::customer));
    ASSERT_TRUE(cancelled);
    EXPECT_EQ(cancelled->subscription.state, State::cancelled);
    EXPECT_EQ(cancelled->stage, Stage::ready) << "what is stored can be fetched";
    EXPECT_EQ(*cancelled->ends, cancelled->subscription.state_since +
                                    cancelled->plan.retention.cancelled_days * kDay);
    EXPECT_EQ(policy(grid).state, tenants::GridState::read_only);
    EXPECT_TRUE(
        world_.run(world_.service().cancel(world_.ctx(), sign_up.subscription, Actor::customer)))
        << "cancelling twice is cancelling once";
    EXPECT_EQ(actions(sign_up.subscription).back(), "cancel");

    pay(sign_up.subscription);
    EXPECT_EQ(policy(grid).state, tenants::GridState::served);
    EXPECT_EQ(view(sign_up.subscription).subscription.state, State::active);
    EXPECT_EQ(view(sign_up.subscription).grid, grid);
}

TEST_F(ServiceTest, TheChoiceOfTransportsIsKeptWhenTheStateChangesAndSurvivesAKill) {
    const SubscriptionId id = begin().subscription;
    const auto choose = [&](tenants::Transports transports) {
        return world_.run(
            world_.service().set_transports(world_.ctx(), id, transports, Actor::customer));
    };
    EXPECT_EQ(choose(tenants::Transports::foolscap_only).error().code(), "service.no_grid");
    pay(id);
    world_.run_jobs();
    const GridId grid = *view(id).grid;
    EXPECT_EQ(view(id).transports, tenants::Transports::both);

    const auto chosen = choose(tenants::Transports::foolscap_only);
    ASSERT_TRUE(chosen) << chosen.error().to_string();
    EXPECT_EQ(chosen->transports, tenants::Transports::foolscap_only);
    world_.restart();
    EXPECT_EQ(world_.run_jobs(), 1) << "the announcement was still owed";
    const auto announced =
        world_.run(world_.introducer().announcements(world_.ctx(), grid))->front();
    EXPECT_EQ(announced->content.find("anonymous-storage-NURLs"), nullptr);
    ASSERT_TRUE(choose(tenants::Transports::foolscap_only));
    EXPECT_EQ(world_.run_jobs(), 0) << "the same choice again owes nothing";

    ASSERT_TRUE(world_.run(world_.service().cancel(world_.ctx(), id, Actor::customer)));
    pay(id);
    EXPECT_EQ(policy(grid).announced, tenants::Transports::foolscap_only);
    EXPECT_EQ(policy(grid).state, tenants::GridState::served);
}

TEST_F(ServiceTest, ACancelledSubscriptionIsNotPurgedByItself) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    world_.run_jobs();
    world_.run(world_.service().cancel(world_.ctx(), sign_up.subscription, Actor::operator_));
    world_.clock().advance_s(4000 * kDay);
    world_.run_jobs();
    EXPECT_EQ(view(sign_up.subscription).subscription.state, State::cancelled);
    EXPECT_TRUE(view(sign_up.subscription).addresses);
}

TEST_F(ServiceTest, CancelledWhileTheGridIsMadeItStopsAndAPaymentGoesOn) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    world_.run_jobs(1);
    world_.run(world_.service().cancel(world_.ctx(), sign_up.subscription, Actor::customer));
    world_.run_jobs();
    EXPECT_TRUE(world_.check.checked.empty());
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::ended);
    pay(sign_up.subscription);
    world_.run_jobs();
    EXPECT_EQ(view(sign_up.subscription).stage, Stage::ready);
}

TEST_F(ServiceTest, SignUpsFromOneAddressAreLimitedAtTheBoundAndNotBefore) {
    const auto attempt = [&](std::uint8_t nonce, std::string from) {
        return world_.run(world_.service().begin_sign_up(
            world_.ctx(), form(nonce, "ada@example.org", "m", std::move(from))));
    };
    for (std::size_t i = 0; i < kSignUpsPerAddress; ++i)
        ASSERT_TRUE(attempt(static_cast<std::uint8_t>(i), "2001:db8:1:2::7")) << i;
    EXPECT_EQ(code_of(attempt(200, "2001:db8:1:2::8")), "service.too_many_sign_ups")
        << "one network, one count";
    EXPECT_TRUE(attempt(3, "2001:db8:1:2::7")) << "a form sent again is no new sign-up";
    EXPECT_TRUE(attempt(201, "2001:db8:1:3::7"));
    world_.restart();
    EXPECT_EQ(code_of(attempt(202, "2001:db8:1:2::9")), "service.too_many_sign_ups")
        << "a restart forgets nothing";
    world_.clock().advance_s(kSignUpWindowS + 1);
    EXPECT_TRUE(attempt(203, "2001:db8:1:2::9"));
}

TEST_F(ServiceTest, BadInputIsRefusedBeforeAnythingIsStored) {
    const auto refused = [&](std::string email, std::string plan) {
        return code_of(world_.run(world_.service().begin_sign_up(
            world_.ctx(), form(1, std::move(email), std::move(plan)))));
    };
    EXPECT_EQ(refused("", "m"), "email.invalid");
    EXPECT_EQ(refused("ada", "m"), "email.invalid");
    EXPECT_EQ(refused("ada@example.org\r\nBcc: x@example.org", "m"), "email.invalid");
    EXPECT_EQ(refused("ada@example.org", "xxl"), "plan.unknown");
    EXPECT_TRUE(world_.run(world_.service().list(world_.ctx(), {}, 10))->empty());
}

TEST_F(ServiceTest, ClosedSignUpRefusesVisitorsAndNotTheOperator) {
    world_.options.sign_up_open = false;
    world_.restart();
    EXPECT_EQ(code_of(world_.run(world_.service().begin_sign_up(world_.ctx(), form()))),
              "service.sign_up_closed");
}

TEST_F(ServiceTest, ALostPageIsReplacedAndTheOldOneIsVoid) {
    const SignUp sign_up = begin();
    const auto fresh =
        world_.run(world_.service().replace_page(world_.ctx(), sign_up.subscription));
    ASSERT_TRUE(fresh);
    EXPECT_EQ(*world_.run(world_.service().find_page(world_.ctx(), *fresh)), sign_up.subscription);
    EXPECT_FALSE(world_.run(world_.service().find_page(world_.ctx(), sign_up.capability)));
    EXPECT_FALSE(world_.run(world_.service().replace_page(world_.ctx(), SubscriptionId{99})));
}

TEST_F(ServiceTest, NothingSecretIsInTheDatabaseInClear) {
    const SignUp sign_up = begin();
    pay(sign_up.subscription);
    world_.run_jobs();
    const Overview shown = view(sign_up.subscription);
    const std::string furl(shown.addresses->introducer_furl.reveal_text());
    const std::string swissnum = furl.substr(furl.rfind('/') + 1);
    const std::string path = world_.path();
    for (const std::string name : {"/s4.sqlite", "/s4.sqlite-wal"}) {
        const auto content = rt::read_file(world_.runtime().files, path + name, 64 * kMiB);
        if (!content) continue;
        EXPECT_EQ(as_text(*content).find(sign_up.capability.reveal_text()), std::string::npos);
        EXPECT_EQ(as_text(*content).find(swissnum), std::string::npos);
        EXPECT_EQ(as_text(*content).find("192.0.2.1"), std::string::npos);
    }
}

TEST(BackOff, DoublesFromOneSecondToFiveMinutes) {
    EXPECT_EQ(back_off_s(1), 1);
    EXPECT_EQ(back_off_s(2), 2);
    EXPECT_EQ(back_off_s(9), 256);
    EXPECT_EQ(back_off_s(10), 300);
    EXPECT_EQ(back_off_s(1'000'000), 300);
}

TEST(AddressKey, CountsNetworksAsTheirOwnersHaveThem) {
    EXPECT_EQ(address_key("192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(address_key("::ffff:192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(address_key("2001:db8::1"), address_key("2001:db8:0:0:ffff::2"));
    EXPECT_NE(address_key("2001:db8:0:1::1"), address_key("2001:db8:0:2::1"));
    EXPECT_EQ(address_key("nonsense"), "nonsense");
}

}  // namespace
}  // namespace s4::service
