// The rows of grids: what is done within a caller's transaction. `service` makes a grid in the
// transaction that makes the subscription; after COMMIT it tells the node's Directory
// (Directory::catch_up), which otherwise does not know.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "sql/migration.h"
#include "sql/transaction.h"
#include "tenants/grid.h"
#include "tenants/keyring.h"

namespace s4::tenants {

// The folder's tables (docs/formats/tenants-tables.md).
std::span<const sql::Migration> migrations();

// Errors: tenants.invalid_policy, sql.*.
Result<GridId> insert_grid(sql::Transaction& tx, const NewGrid& grid);
// No new grid gets a number up to `last`: a store of blobs may know grids that a restored database
// does not, and nobody may come to own what they left.
Result<void> skip_numbers(sql::Transaction& tx, GridId last);
// Errors: tenants.no_such_grid, tenants.invalid_policy (also a change of a closed grid), sql.*.
Result<void> update_policy(sql::Transaction& tx, GridId grid, const Policy& policy);

// Nothing if there is none.
Result<std::optional<Grid>> load_grid(sql::Reader& db, GridId grid);
// The grid and role that own this tub id, or this swissnum's lookup hash.
struct TubOwner {
    GridId grid;
    TubRole role = TubRole::storage;
};
Result<std::optional<TubOwner>> find_tub(sql::Reader& db, std::string_view tub_id);
Result<std::optional<TubOwner>> find_swissnum(sql::Reader& db, const crypto::Digest256& lookup);

// Up to `limit` grids (at most kPageMax) with ids above `after`, ascending.
struct GridSummary {
    GridId id;
    UnixSeconds created = 0;
    Policy policy;
};
Result<std::vector<GridSummary>> list_grids(sql::Reader& db, GridId after, std::size_t limit);

// Every insert and update of a grid takes the next change number. Up to `limit` grids changed after
// number `after`, in that order; a grid changed twice comes once, with its last number.
struct Change {
    std::int64_t number = 0;
    GridId grid;
};
Result<std::vector<Change>> changes_since(sql::Reader& db, std::int64_t after, std::size_t limit);
// The number of the last change, 0 if there was none.
Result<std::int64_t> last_change(sql::Reader& db);

// The generations of the service's identity, newest first.
Result<std::vector<SealedServiceIdentity>> service_identities(sql::Reader& db);
// Errors: sql.* (conflict if the generation exists).
Result<void> insert_service_identity(sql::Transaction& tx, const SealedServiceIdentity& identity);

}  // namespace s4::tenants
