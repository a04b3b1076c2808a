#include "service/records.h"

#include <fmt/format.h>

#include "base/check.h"

namespace s4::service {
namespace {

constexpr sql::Query kInsertSignUp{"service.insert_sign_up",
                                   "INSERT INTO sign_ups (subscription, source, begun, declined, "
                                   "shown) VALUES ($1, $2, $3, 0, 0)"};
constexpr sql::Query kLoadSignUp{
    "service.load_sign_up",
    "SELECT subscription, begun, declined, grid, shown FROM sign_ups WHERE subscription = $1"};
constexpr sql::Query kSetGrid{"service.set_grid",
                              "UPDATE sign_ups SET grid = $1 WHERE subscription = $2"};
constexpr sql::Query kSetShown{
    "service.set_shown", "UPDATE sign_ups SET shown = $1 WHERE subscription = $2 AND shown = 0"};
constexpr sql::Query kSetDeclined{"service.set_declined",
                                  "UPDATE sign_ups SET declined = $1 WHERE subscription = $2"};
constexpr sql::Query kInsertImport{
    "service.insert_import",
    "INSERT INTO imports (grid, subscription, begun, finished) VALUES ($1, $2, $3, $4)"};
constexpr sql::Query kLoadImport{
    "service.load_import",
    "SELECT grid, subscription, begun, finished FROM imports WHERE grid = $1"};
constexpr sql::Query kSetImportFinished{"service.set_import_finished",
                                        "UPDATE imports SET finished = $1 WHERE grid = $2"};
constexpr sql::Query kCountBeingChecked{
    "service.count_being_checked",
    "SELECT count(*) FROM jobs WHERE kind = 'provision' AND step = 'check'"};

constexpr sql::Query kSubscriptionOfGrid{"service.subscription_of_grid",
                                         "SELECT subscription FROM sign_ups WHERE grid = $1"};
constexpr sql::Query kLoadQuotaLevel{"service.load_quota_level",
                                     "SELECT level FROM quota_levels WHERE subscription = $1"};
constexpr sql::Query kPutQuotaLevel{
    "service.put_quota_level",
    "INSERT INTO quota_levels (subscription, level) VALUES ($1, $2) "
    "ON CONFLICT (subscription) DO UPDATE SET level = excluded.level"};

constexpr sql::Query kInsertPage{
    "service.insert_page", "INSERT INTO pages (hash, subscription, made) VALUES ($1, $2, $3)"};
constexpr sql::Query kFindPage{"service.find_page",
                               "SELECT subscription FROM pages WHERE hash = $1"};
constexpr sql::Query kDeletePages{"service.delete_pages",
                                  "DELETE FROM pages WHERE subscription = $1"};

constexpr sql::Query kForgetAddresses{"service.forget_addresses",
                                      "DELETE FROM sign_up_addresses WHERE at < $1"};
constexpr sql::Query kInsertAddress{"service.insert_address",
                                    "INSERT INTO sign_up_addresses (address, at) VALUES ($1, $2)"};
constexpr sql::Query kCountAddress{
    "service.count_address",
    "SELECT count(*) FROM sign_up_addresses WHERE address = $1 AND at >= $2"};

constexpr sql::Query kInsertNotice{
    "service.insert_notice",
    "INSERT INTO notices (subscription, kind, at, sent) VALUES ($1, $2, $3, 0)"};
constexpr sql::Query kInsertAudit{
    "service.audit",
    "INSERT INTO audit (at, actor, action, subscription, detail) VALUES ($1, $2, $3, $4, $5)"};
constexpr sql::Query kListAudit{"service.audit_of",
                                "SELECT at, actor, action, detail FROM audit "
                                "WHERE subscription = $1 ORDER BY id LIMIT $2"};

}  // namespace

std::string_view to_string(Source source) {
    switch (source) {
        case Source::web:
            return "web";
        case Source::operator_:
            return "operator";
    }
    UNREACHABLE("a source is one of the enum's");
}

std::string_view to_string(NoticeKind kind) {
    switch (kind) {
        case NoticeKind::grid_ready:
            return "grid_ready";
        case NoticeKind::payment_declined:
            return "payment_declined";
        case NoticeKind::payment_failed:
            return "payment_failed";
        case NoticeKind::suspended:
            return "suspended";
        case NoticeKind::cancelled:
            return "cancelled";
        case NoticeKind::resumed:
            return "resumed";
        case NoticeKind::page_replaced:
            return "page_replaced";
        case NoticeKind::quota_80:
            return "quota_80";
        case NoticeKind::quota_95:
            return "quota_95";
        case NoticeKind::quota_full:
            return "quota_full";
    }
    UNREACHABLE("a notice's kind is one of the enum's");
}

std::string_view to_string(Actor actor) {
    switch (actor) {
        case Actor::customer:
            return "customer";
        case Actor::operator_:
            return "operator";
        case Actor::service:
            return "service";
    }
    UNREACHABLE("an actor is one of the enum's");
}

Result<void> insert_sign_up(sql::Transaction& tx, SubscriptionId subscription, Source source,
                            UnixSeconds now) {
    TRY(tx.execute(kInsertSignUp, {subscription, to_string(source), now}));
    return ok();
}

Result<SignUpRow> load_sign_up(sql::Reader& db, SubscriptionId subscription) {
    sql::Rows rows = TRY(db.select(kLoadSignUp, {subscription}));
    if (!TRY(rows.next()))
        return fail(ErrorKind::not_found, "subscription.unknown",
                    fmt::format("there is no subscription {}", subscription.value));
    SignUpRow out;
    out.subscription = rows.id<SubscriptionId>(0);
    out.begun = rows.integer(1);
    out.declined = rows.integer(2);
    if (!rows.is_null(3)) out.grid = rows.id<GridId>(3);
    out.shown = rows.integer(4);
    return out;
}

Result<void> set_grid(sql::Transaction& tx, SubscriptionId subscription, GridId grid) {
    TRY(tx.execute(kSetGrid, {grid, subscription}));
    return ok();
}

Result<void> insert_import(sql::Transaction& tx, const ImportRow& row) {
    TRY(tx.execute(kInsertImport, {row.grid, row.subscription, row.begun, row.finished}));
    return ok();
}

Result<std::optional<ImportRow>> load_import(sql::Reader& db, GridId grid) {
    sql::Rows rows = TRY(db.select(kLoadImport, {grid}));
    if (!TRY(rows.next())) return std::nullopt;
    return ImportRow{rows.id<GridId>(0), rows.id<SubscriptionId>(1), rows.integer(2),
                     rows.integer(3)};
}

Result<void> set_import_finished(sql::Transaction& tx, GridId grid, UnixSeconds at) {
    TRY(tx.execute(kSetImportFinished, {at, grid}));
    return ok();
}

Result<bool> set_shown(sql::Transaction& tx, SubscriptionId subscription, UnixSeconds now) {
    return TRY(tx.execute(kSetShown, {now, subscription}))
    == 1;
}

Result<void> set_declined(sql::Transaction& tx, SubscriptionId subscription, UnixSeconds at) {
    TRY(tx.execute(kSetDeclined, {at, subscription}));
    return ok();
}

Result<std::int64_t> count_being_checked(sql::Reader& db) {
    sql::Rows rows = TRY(db.select(kCountBeingChecked));
    TRY(rows.next());
    return rows.integer(0);
}

Result<std::optional<SubscriptionId>> subscription_of_grid(sql::Reader& db, GridId grid) {
    sql::Rows rows = TRY(db.select(kSubscriptionOfGrid, {grid}));
    if (!TRY(rows.next())) return std::nullopt;
    return rows.id<SubscriptionId>(0);
}

Result<int> load_quota_level(sql::Reader& db, SubscriptionId subscription) {
    sql::Rows rows = TRY(db.select(kLoadQuotaLevel, {subscription}));
    if (!TRY(rows.next())) return 0;
    return static_cast<int>(rows.integer(0));
}

Result<void> put_quota_level(sql::Transaction& tx, SubscriptionId subscription, int level) {
    TRY(tx.execute(kPutQuotaLevel, {subscription, level}));
    return ok();
}

Result<void> insert_page(sql::Transaction& tx, const crypto::Digest256& hash,
                         SubscriptionId subscription, UnixSeconds now) {
    TRY(tx.execute(kInsertPage, {hash, subscription, now}));
    return ok();
}

Result<std::optional<SubscriptionId>> find_page(sql::Reader& db, const crypto::Digest256& hash) {
    sql::Rows rows = TRY(db.select(kFindPage, {hash}));
    if (!TRY(rows.next())) return std::nullopt;
    return rows.id<SubscriptionId>(0);
}

Result<void> delete_pages(sql::Transaction& tx, SubscriptionId subscription) {
    TRY(tx.execute(kDeletePages, {subscription}));
    return ok();
}

Result<std::int64_t> count_address(sql::Transaction& tx, const crypto::Digest256& address,
                                   UnixSeconds since, UnixSeconds now) {
    TRY(tx.execute(kForgetAddresses, {since}));
    TRY(tx.execute(kInsertAddress, {address, now}));
    sql::Rows rows = TRY(tx.select(kCountAddress, {address, since}));
    TRY(rows.next());
    return rows.integer(0);
}

Result<void> insert_notice(sql::Transaction& tx, SubscriptionId subscription, NoticeKind kind,
                           UnixSeconds now) {
    TRY(tx.execute(kInsertNotice, {subscription, to_string(kind), now}));
    return ok();
}

Result<void> audit(sql::Transaction& tx, Actor actor, std::string_view action,
                   SubscriptionId subscription, std::string_view detail, UnixSeconds now) {
    TRY(tx.execute(kInsertAudit, {now, to_string(actor), action, subscription, detail}));
    return ok();
}

Result<std::vector<AuditRow>> audit_of(sql::Reader& db, SubscriptionId subscription, int limit) {
    std::vector<AuditRow> out;
    sql::Rows rows = TRY(db.select(kListAudit, {subscription, limit}));
    while (TRY(rows.next()))
        out.push_back({rows.integer(0), std::string(rows.text(1)), std::string(rows.text(2)),
                       std::string(rows.text(3))});
    return out;
}

}  // namespace s4::service
