// The rows of announcements: what is done within a caller's transaction.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "introducer/announcement.h"
#include "sql/migration.h"
#include "sql/transaction.h"

namespace s4::introducer {

// The folder's tables (docs/formats/introducer-tables.md).
std::span<const sql::Migration> migrations();

// Puts the announcement in the place of the one for the same service and key. For a new grid,
// `service` calls this in the transaction that makes it; else only Introducer does.
Result<void> store(sql::Transaction& tx, GridId grid, const Announcement& announcement,
                   UnixSeconds now);

// All announcements of the grid, each verified again; one that does not verify is skipped and
// reported in the log.
Result<std::vector<Announcement>> load(sql::Reader& db, GridId grid);

// Removes all announcements of a purged grid.
Result<void> erase(sql::Transaction& tx, GridId grid);

// The round in which the grids' own servers are announced at an address that changed: grids up to
// `reached` have been seen to. Nothing before the first round.
struct OwnRound {
    std::string address;  // of the gate, as who makes the round describes it
    GridId reached;
    bool complete = false;
    friend bool operator==(const OwnRound&, const OwnRound&) = default;
};
Result<std::optional<OwnRound>> load_own_round(sql::Reader& db);
Result<void> save_own_round(sql::Transaction& tx, const OwnRound& round);

}  // namespace s4::introducer
