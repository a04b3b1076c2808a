#include "billing/ledger.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace s4::billing {
namespace {

constexpr sql::Query kBook{
    "billing.book",
    "INSERT INTO ledger (subscription, provider, reference, booked, cents, currency) "
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (provider, reference) DO NOTHING"};
constexpr sql::Query kNote{
    "billing.note_payment",
    "INSERT INTO payments (provider, reference, subscription, begun) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (provider, reference) DO NOTHING"};
constexpr sql::Query kFindNoted{
    "billing.subscription_of_payment",
    "SELECT subscription FROM payments WHERE provider = $1 AND reference = $2"};
constexpr sql::Query kCount{"billing.count_booked",
                            "SELECT count(*) FROM ledger WHERE subscription = $1"};
constexpr sql::Query kPaidUntil{"billing.paid_until",
                                "UPDATE subscriptions SET paid_until = $1 WHERE id = $2"};
constexpr sql::Query kList{
    "billing.ledger_of",
    "SELECT subscription, provider, reference, booked, cents, currency FROM ledger "
    "WHERE subscription = $1 ORDER BY id LIMIT $2"};

std::chrono::months months_of(Period period) {
    switch (period) {
        case Period::month:
            return std::chrono::months{1};
        case Period::year:
            return std::chrono::months{12};
    }
    UNREACHABLE("a period is one of the enum's");
}

}  // namespace

UnixSeconds paid_until(UnixSeconds from, const Plan& plan, bool first_payment) {
    using namespace std::chrono;
    if (first_payment && plan.trial_days > 0)
        return from + UnixSeconds{plan.trial_days} * 24 * 3600;
    const sys_seconds start{seconds{from}};
    const sys_days day = floor<days>(start);
    year_month_day date = year_month_day{day} + months_of(plan.period);
    if (!date.ok()) date = date.year() / date.month() / last;
    return (sys_days{date} + (start - day)).time_since_epoch().count();
}

Result<void> note_payment(sql::Transaction& tx, SubscriptionId subscription,
                          std::string_view provider, const Payment& payment, UnixSeconds now) {
    TRY(tx.execute(kNote, {provider, payment.reference, subscription, now}));
    return ok();
}

Result<SubscriptionId> subscription_of_payment(sql::Reader& db, std::string_view provider,
                                               const std::string& reference) {
    sql::Rows rows = TRY(db.select(kFindNoted, {provider, reference}));
    if (!TRY(rows.next()))
        return fail(ErrorKind::not_found, "payment.unknown", "no such payment was begun here");
    return rows.id<SubscriptionId>(0);
}

Result<std::int64_t> count_booked(sql::Reader& db, SubscriptionId subscription) {
    sql::Rows rows = TRY(db.select(kCount, {subscription}));
    TRY(rows.next());
    return rows.integer(0);
}

Result<bool> book(sql::Transaction& tx, Subscription& subscription, const Plan& plan,
                  std::string_view provider, const Payment& payment, UnixSeconds now) {
    CHECK(payment.status == PaymentStatus::paid, "only what was paid is booked");
    const std::int64_t inserted =
        TRY(tx.execute(kBook, {subscription.id, provider, payment.reference, now,
                               payment.amount.cents, payment.amount.currency}));
    if (inserted == 0) return false;
    const bool first = subscription.paid_until == 0;
    subscription.paid_until = paid_until(std::max(now, subscription.paid_until), plan, first);
    TRY(tx.execute(kPaidUntil, {subscription.paid_until, subscription.id}));
    return true;
}

Result<std::vector<LedgerEntry>> ledger_of(sql::Reader& db, SubscriptionId subscription,
                                           int limit) {
    std::vector<LedgerEntry> out;
    sql::Rows rows = TRY(db.select(kList, {subscription, limit}));
    while (TRY(rows.next()))
        out.push_back({rows.id<SubscriptionId>(0), std::string(rows.text(1)),
                       std::string(rows.text(2)), rows.integer(3),
                       Money{rows.integer(4), std::string(rows.text(5))}});
    return out;
}

}  // namespace s4::billing
