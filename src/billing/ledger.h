// The ledger: one row for each payment, booked once. Called by service, inside its transactions.
#pragma once

#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/units.h"
#include "billing/payment.h"
#include "billing/subscription.h"
#include "sql/transaction.h"

namespace s4::billing {

struct LedgerEntry {
    SubscriptionId subscription;
    std::string provider;
    std::string reference;
    UnixSeconds booked = 0;
    Money amount;
};

// Notes for which subscription a payment was begun, so that a report that names the payment alone
// finds it.
Result<void> note_payment(sql::Transaction& tx, SubscriptionId subscription,
                          std::string_view provider, const Payment& payment, UnixSeconds now);
// Errors: payment.unknown.
Result<SubscriptionId> subscription_of_payment(sql::Reader& db, std::string_view provider,
                                               const std::string& reference);

// Books a payment that the provider says is paid, and moves `paid_until` of its subscription to the
// end of the time it pays for. False, and nothing changes, if it was booked before.
Result<bool> book(sql::Transaction& tx, Subscription& subscription, const Plan& plan,
                  std::string_view provider, const Payment& payment, UnixSeconds now);

Result<std::int64_t> count_booked(sql::Reader& db, SubscriptionId subscription);
// Oldest first, at most `limit`.
Result<std::vector<LedgerEntry>> ledger_of(sql::Reader& db, SubscriptionId subscription, int limit);

// The end of what is bought at `from`: the trial, else one period (a month later on the same day,
// or the month's last).
UnixSeconds paid_until(UnixSeconds from, const Plan& plan, bool first_payment);

}  // namespace s4::billing
