// The rows of sign-ups, pages, notices and the audit log: what is done within a caller's
// transaction. Used by this folder alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/units.h"
#include "crypto/hash.h"
#include "sql/transaction.h"

namespace s4::service {

// How a subscription came to be: "web", "operator".
enum class Source : std::uint8_t { web, operator_ };
std::string_view to_string(Source source);

struct SignUpRow {
    SubscriptionId subscription;
    UnixSeconds begun = 0;
    UnixSeconds declined = 0;    // when the last payment failed; 0: none did since
    std::optional<GridId> grid;  // once it is made
    UnixSeconds shown = 0;       // when its addresses were shown; 0: not yet
};

Result<void> insert_sign_up(sql::Transaction& tx, SubscriptionId subscription, Source source,
                            UnixSeconds now);
// Errors: subscription.unknown.
Result<SignUpRow> load_sign_up(sql::Reader& db, SubscriptionId subscription);
Result<void> set_grid(sql::Transaction& tx, SubscriptionId subscription, GridId grid);
// False if it was shown before.
Result<bool> set_shown(sql::Transaction& tx, SubscriptionId subscription, UnixSeconds now);
Result<void> set_declined(sql::Transaction& tx, SubscriptionId subscription, UnixSeconds at);
// Sign-ups whose grid is made but not shown.
Result<std::int64_t> count_being_checked(sql::Reader& db);

// Nothing for a grid that belongs to no subscription.
Result<std::optional<SubscriptionId>> subscription_of_grid(sql::Reader& db, GridId grid);

// Of which level of their quota customers were warned last; 0: of none.
Result<int> load_quota_level(sql::Reader& db, SubscriptionId subscription);
Result<void> put_quota_level(sql::Transaction& tx, SubscriptionId subscription, int level);

// Pages are found by the keyed hash of their capability.
Result<void> insert_page(sql::Transaction& tx, const crypto::Digest256& hash,
                         SubscriptionId subscription, UnixSeconds now);
Result<std::optional<SubscriptionId>> find_page(sql::Reader& db, const crypto::Digest256& hash);
// Makes every page of the subscription unknown.
Result<void> delete_pages(sql::Transaction& tx, SubscriptionId subscription);

// Notes a sign-up from an address (by its keyed hash) and returns how many there were since
// `since`, this one included. What is older is forgotten.
Result<std::int64_t> count_address(sql::Transaction& tx, const crypto::Digest256& address,
                                   UnixSeconds since, UnixSeconds now);

// A grid that came from a Tahoe storage node, and how far its shares are.
struct ImportRow {
    GridId grid;
    SubscriptionId subscription;
    UnixSeconds begun = 0;
    UnixSeconds finished = 0;  // 0: shares are missing still
};
Result<void> insert_import(sql::Transaction& tx, const ImportRow& row);
Result<std::optional<ImportRow>> load_import(sql::Reader& db, GridId grid);
Result<void> set_import_finished(sql::Transaction& tx, GridId grid, UnixSeconds at);

// What the customer will be told by mail, in the order in which it happened.
enum class NoticeKind : std::uint8_t {
    grid_ready,
    payment_declined,
    payment_failed,
    suspended,
    cancelled,
    resumed,
    page_replaced,
    quota_80,
    quota_95,
    quota_full,
};
std::string_view to_string(NoticeKind kind);
Result<void> insert_notice(sql::Transaction& tx, SubscriptionId subscription, NoticeKind kind,
                           UnixSeconds now);

// Who did it: the customer (on their page), the operator, or the service by itself.
enum class Actor : std::uint8_t { customer, operator_, service };
std::string_view to_string(Actor actor);

struct AuditRow {
    UnixSeconds at = 0;
    std::string actor;
    std::string action;
    std::string detail;
};
Result<void> audit(sql::Transaction& tx, Actor actor, std::string_view action,
                   SubscriptionId subscription, std::string_view detail, UnixSeconds now);
// Oldest first.
Result<std::vector<AuditRow>> audit_of(sql::Reader& db, SubscriptionId subscription, int limit);

}  // namespace s4::service
