#include "introducer/records.h"

#include "base/log.h"

namespace s4::introducer {
namespace {

constexpr sql::Migration kMigrations[] = {
    {"introducer", 1, R"sql(
CREATE TABLE announcements (
    grid BIGINT NOT NULL,
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    message BYTEA NOT NULL,
    signature TEXT NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (grid, service, key)
);
)sql"},
};

constexpr sql::Query kStore{"introducer.store", R"sql(
INSERT INTO announcements (grid, service, key, message, signature, received) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (grid, service, key) DO UPDATE SET message = excluded.message, signature = excluded.signature,
    received = excluded.received)sql"};
constexpr sql::Query kLoad{"introducer.load", R"sql(
SELECT message, signature, key FROM announcements WHERE grid = $1 ORDER BY service, key)sql"};
constexpr sql::Query kErase{"introducer.erase", "DELETE FROM announcements WHERE grid = $1"};

}  // namespace

std::span<const sql::Migration> migrations() {
    return kMigrations;
}

Result<void> store(sql::Transaction& tx, GridId grid, const Announcement& announcement,
                   UnixSeconds now) {
    const SignedAnnouncement& parts = announcement.parts;
    TRY(tx.execute(kStore, {grid, announcement.service, parts.key, as_bytes(parts.message),
                            parts.signature, now}));
    return ok();
}

Result<std::vector<Announcement>> load(sql::Reader& db, GridId grid) {
    sql::Rows rows = TRY(db.select(kLoad, {grid}));
    std::vector<Announcement> out;
    while (TRY(rows.next())) {
        auto announcement = verify({.message = to_string(rows.blob(0)),
                                    .signature = std::string(rows.text(1)),
                                    .key = std::string(rows.text(2))});
        if (announcement) {
            out.push_back(std::move(*announcement));
        } else {
            log::error("introducer", "a stored announcement does not verify and is left out",
                       {{"grid", grid.value}, {"error", announcement.error()}});
        }
    }
    return out;
}

Result<void> erase(sql::Transaction& tx, GridId grid) {
    TRY(tx.execute(kErase, {grid}));
    return ok();
}

}  // namespace s4::introducer
