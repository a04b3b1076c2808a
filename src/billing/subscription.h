// A subscription's row, and the questions asked about it. Called by service, inside its
// transactions; nothing here is kept between calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/units.h"
#include "billing/state.h"
#include "sql/transaction.h"

namespace s4::billing {

struct Subscription {
    SubscriptionId id;
    std::string email;
    std::string plan;  // its id
    State state = State::pending;
    UnixSeconds state_since = 0;
    UnixSeconds created = 0;
    UnixSeconds paid_until = 0;  // 0: never paid
};

// An address as a customer may type it, without the blanks around it. Not more than its form can
// be checked; whether it is read, a mail would show. Errors: email.invalid, with a sentence for the
// customer.
Result<std::string> parse_email(std::string_view text);

// A new subscription, pending.
Result<Subscription> insert_subscription(sql::Transaction& tx, const std::string& email,
                                         const Plan& plan, UnixSeconds now);
// Errors: subscription.unknown.
Result<Subscription> load_subscription(sql::Reader& db, SubscriptionId id);
// At most `limit`, by id, from the first above `after`.
Result<std::vector<Subscription>> list_subscriptions(sql::Reader& db, SubscriptionId after,
                                                     int limit);

// Does what the table of state.h says: writes the new state and its time into the row and into
// `subscription`. Errors: subscription.purged when the table refuses, subscription.changed when the
// row is no longer what `subscription` says.
Result<Transition> apply(sql::Transaction& tx, Subscription& subscription, Event event,
                         UnixSeconds now);

}  // namespace s4::billing
