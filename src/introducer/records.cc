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
    {"introducer", 2, R"sql(
CREATE TABLE own_rounds (
    only_row BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    reached BIGINT NOT NULL,
    complete BIGINT NOT NULL
) CLUSTERED;
)sql"},
};

constexpr sql::Query kStore{"introducer.store", R"sql(
INSERT INTO announcements (grid, service, key, message, signature, received) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (grid, service, key) DO UPDATE SET message = excluded.message, signature = excluded.signature,
    received = excluded.received)sql"};
constexpr sql::Query kLoad{"introducer.load", R"sql(
SELECT message, signature, key FROM announcements WHERE grid = $1 ORDER BY service, key)sql"};
constexpr sql::Query kErase{"introducer.erase", "DELETE FROM announcements WHERE grid = $1"};
constexpr sql::Query kLoadRound{"introducer.load_round",
                                "SELECT address, reached, complete FROM own_rounds"};
constexpr sql::Query kSaveRound{"introducer.save_round", R"sql(
INSERT INTO own_rounds (only_row, address, reached, complete) VALUES (1, $1, $2, $3)
ON CONFLICT (only_row) DO UPDATE SET address = excluded.address, reached = excluded.reached,
    complete = excluded.complete)sql"};

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

Result<std::optional<OwnRound>> load_own_round(sql::Reader& db) {
    sql::Rows rows = TRY(db.select(kLoadRound));
    if (!TRY(rows.next())) return std::nullopt;
    return OwnRound{.address = std::string(rows.text(0)),
                    .reached = rows.id<GridId>(1),
                    .complete = rows.integer(2) != 0};
}

Result<void> save_own_round(sql::Transaction& tx, const OwnRound& round) {
    TRY(tx.execute(kSaveRound,
                   {round.address, round.reached, std::int64_t{round.complete ? 1 : 0}}));
    return ok();
}

}  // namespace s4::introducer
