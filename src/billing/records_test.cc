// The rows of billing on a real database: states, the ledger, test payments.
#include <gmock/gmock.h>
#include <stdlib.h>

#include "base/scratch_folder_test.h"
#include "billing/ledger.h"
#include "billing/limits.h"
#include "billing/schema.h"
#include "billing/subscription.h"
#include "billing/test_payments.h"
#include "rt/asio/backend.h"

namespace s4::billing {
namespace {

class BillingRecords : public testing::Test {
  protected:
    BillingRecords() {
        sql::Options options;
        options.path = folder_.file("db");
        database_ = std::move(*sql::Database::open(backend_.runtime(), options, migrations()));
    }

    template <typename Work>
    auto write(Work work) {
        return database_->write_blocking(std::move(work));
    }
    Subscription insert() {
        return *write([&](sql::Transaction& tx) {
            return insert_subscription(tx, "ada@example.org", plan_, 1000);
        });
    }
    Result<Transition> apply_event(Subscription& subscription, Event event, UnixSeconds now) {
        return write([&](sql::Transaction& tx) { return apply(tx, subscription, event, now); });
    }
    Subscription load(SubscriptionId id) {
        return *write([&](sql::Transaction& tx) { return load_subscription(tx, id); });
    }

    ScratchFolder folder_;
    rt::asio::Backend backend_{1};
    std::unique_ptr<sql::Database> database_;
    Plan plan_ = *Plans::standard().find("m");
};

TEST_F(BillingRecords, ANewSubscriptionIsPendingAndReadsBack) {
    const Subscription made = insert();
    const Subscription read = load(made.id);
    EXPECT_EQ(read.email, "ada@example.org");
    EXPECT_EQ(read.plan, "m");
    EXPECT_EQ(read.state, State::pending);
    EXPECT_EQ(read.state_since, 1000);
    EXPECT_EQ(read.paid_until, 0);
}

TEST_F(BillingRecords, AChangeOfStateIsWrittenWithItsTime) {
    Subscription row = insert();
    EXPECT_EQ(apply_event(row, Event::paid, 2000)->to, State::active);
    EXPECT_EQ(load(row.id).state, State::active);
    EXPECT_EQ(load(row.id).state_since, 2000);
    EXPECT_EQ(apply_event(row, Event::paid, 3000)->verdict, Verdict::stays);
    EXPECT_EQ(load(row.id).state_since, 2000);
}

TEST_F(BillingRecords, AStaleRowChangesNothing) {
    Subscription row = insert();
    Subscription stale = row;
    ASSERT_TRUE(apply_event(row, Event::cancel, 2000));
    const auto late = apply_event(stale, Event::paid, 3000);
    ASSERT_FALSE(late);
    EXPECT_TRUE(late.error().is("subscription.changed"));
    EXPECT_EQ(load(row.id).state, State::purged);
    const auto refused = apply_event(row, Event::paid, 3000);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is("subscription.purged"));
}

TEST_F(BillingRecords, APaymentIsBookedOnceAndPaysForOnePeriod) {
    Subscription row = insert();
    Payment payment{"ref-1", PaymentStatus::paid, plan_.price};
    const auto book_it = [&] {
        return *write(
            [&](sql::Transaction& tx) { return book(tx, row, plan_, "test", payment, 1000); });
    };
    EXPECT_TRUE(book_it());
    const UnixSeconds once = load(row.id).paid_until;
    EXPECT_EQ(once, paid_until(1000, plan_, true));
    EXPECT_FALSE(book_it());
    EXPECT_EQ(load(row.id).paid_until, once);
    payment.reference = "ref-2";
    EXPECT_TRUE(book_it());
    EXPECT_EQ(load(row.id).paid_until, paid_until(once, plan_, false)) << "periods add up";
    const auto ledger = *write([&](sql::Transaction& tx) { return ledger_of(tx, row.id, 10); });
    ASSERT_EQ(ledger.size(), 2u);
    EXPECT_EQ(ledger[1].reference, "ref-2");
    EXPECT_EQ(ledger[1].amount, plan_.price);
}

TEST_F(BillingRecords, ATestPaymentStaysPaid) {
    TestPayments payments(*database_);
    rt::Context ctx;
    std::vector<PaymentStatus> seen;
    backend_.run([](TestPayments& provider, rt::Context& context,
                    std::vector<PaymentStatus>& out) -> rt::Task<void> {
        const PaymentRequest request{"7-0", SubscriptionId{7}, "a@b", {100, "EUR"}};
        const Payment begun = *co_await provider.begin(context, request);
        out.push_back(begun.status);
        for (const PaymentStatus outcome :
             {PaymentStatus::declined, PaymentStatus::paid, PaymentStatus::declined}) {
            EXPECT_TRUE(co_await provider.decide(context, begun.reference, outcome));
            out.push_back((*co_await provider.look_up(context, begun.reference)).status);
        }
        const auto again = co_await provider.begin(context, request);
        out.push_back(again->status);
        const auto unknown = co_await provider.look_up(context, "test-8-0");
        EXPECT_FALSE(unknown);
    }(payments, ctx, seen));
    EXPECT_THAT(
        seen, testing::ElementsAre(PaymentStatus::open, PaymentStatus::declined,
                                   PaymentStatus::paid, PaymentStatus::paid, PaymentStatus::paid));
}

TEST(PaidUntil, AMonthLaterOnTheSameDayOrTheMonthsLast) {
    Plan plan = *Plans::standard().find("m");
    constexpr UnixSeconds kNoonOf31January = 1'801'396'800;  // 2027
    constexpr UnixSeconds kNoonOf28February = 1'803'816'000;
    EXPECT_EQ(paid_until(kNoonOf31January, plan, true), kNoonOf28February);
    plan.period = Period::year;
    EXPECT_EQ(paid_until(kNoonOf31January, plan, true), kNoonOf31January + 365 * 24 * 3600);
    plan.trial_days = 30;
    EXPECT_EQ(paid_until(kNoonOf31January, plan, true), kNoonOf31January + 30 * 24 * 3600);
    EXPECT_EQ(paid_until(kNoonOf31January, plan, false), kNoonOf31January + 365 * 24 * 3600);
}

TEST(Email, IsTakenAsPeopleTypeIt) {
    EXPECT_EQ(*parse_email(" ada@example.org\n"), "ada@example.org");
    EXPECT_EQ(*parse_email("o'hara+s4@mail.example.co.uk"), "o'hara+s4@mail.example.co.uk");
    EXPECT_EQ(*parse_email("ädä@exämple.org"), "ädä@exämple.org");
    EXPECT_EQ(*parse_email("root@localhost"), "root@localhost");
    const std::string domain = "@" + std::string(kEmailBytesMax - kEmailLocalBytesMax - 5, 'd');
    EXPECT_TRUE(parse_email(std::string(kEmailLocalBytesMax, 'a') + domain + ".org"));
}

TEST(Email, WhatIsNoneIsRefused) {
    for (const std::string text :
         {"", " ", "ada", "@example.org", "ada@", "ada@@example.org", "a b@example.org",
          "ada@exa mple.org", "ada@example..org", "ada@.org", "<ada@example.org>",
          "a,b@example.org", "ada@example.org\nBcc: eve@example.org", "ada@example.org\x01",
          "\xff@example.org"})
        EXPECT_FALSE(parse_email(text)) << text;
    EXPECT_FALSE(parse_email(std::string(kEmailLocalBytesMax + 1, 'a') + "@example.org"));
    EXPECT_FALSE(parse_email("a@" + std::string(kEmailBytesMax - 1, 'd')));
}

}  // namespace
}  // namespace s4::billing
