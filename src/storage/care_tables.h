// The statements of check, scrub and quarantine, as tables.h has those of the daily work: run
// inside closures of sql::Database, on its threads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/tables.h"

namespace s4::storage::tables {

// -- walking the index of all grids --

// After this share; the default is before all.
struct SharePlace {
    GridId grid{};
    StorageIndex index;
    std::int64_t share = -1;
};
struct PlacedShare {
    IndexKey key;
    ShareRow row;  // without its blob's name
};
// In order of grid, index and share; of `only` alone if it is given. The share with which they have
// `bytes_max` together is the last.
Result<std::vector<PlacedShare>> all_shares_after(sql::Reader& db, const SharePlace& place,
                                                  std::optional<GridId> only, std::size_t limit,
                                                  std::uint64_t bytes_max);
// The first grid above `after` that has shares or a row of usage.
Result<std::optional<GridId>> next_grid(sql::Reader& db, GridId after);
// Whether the grid ever had a share.
Result<bool> has_usage(sql::Reader& db, GridId grid);
// Of all grids together.
Result<UsageRow> total_usage(sql::Reader& db);

// -- which blobs something knows --

// The grid whose share, in service or in quarantine, has the blob.
Result<std::optional<GridId>> owner_of_blob(sql::Reader& db, const BlobName& name);
Result<bool> is_quarantined(sql::Reader& db, const BlobName& name);
// Whether a share, an intent, a superseded row or a quarantined share names it.
Result<bool> is_known_blob(sql::Reader& db, const BlobRow& blob);

// -- quarantine --

struct Quarantined {
    std::int64_t id = 0;
    IndexKey key;
    ShareRow row;
    std::vector<Piece> pieces;
    UnixSeconds since = 0;
    std::string reason;
    std::optional<SlotRow> slot;
};
// Takes the share out of the index and keeps its row, its bytes or its pieces aside; its leases go.
// Not the slot's row, not the usage.
Result<void> quarantine(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                        std::string_view reason, UnixSeconds now);
Result<std::optional<Quarantined>> next_quarantined(sql::Reader& db, std::int64_t after,
                                                    std::optional<GridId> only);
// Its blobs are the caller's affair.
Result<void> forget_quarantined(sql::Transaction& tx, std::int64_t id);
// Everything of the grid; the blobs become superseded.
Result<void> purge_quarantine(sql::Transaction& tx, GridId grid, UnixSeconds now);
Result<std::int64_t> count_quarantined(sql::Reader& db);

// -- advisories of the service itself --

// Whether the grid has an advisory of these words for this share.
Result<bool> has_advisory(sql::Reader& db, GridId grid, const Advisory& advisory);
Result<std::int64_t> count_advisories(sql::Reader& db);

// -- the scrub's cursor --

struct ScrubRow {
    SharePlace place;
    UnixSeconds began = 0;  // of this round
    UnixSeconds ended = 0;  // of the last whole round; 0: none yet
    std::int64_t shares = 0;
    std::int64_t bytes = 0;
    std::int64_t damaged = 0;  // of this round
};
Result<std::optional<ScrubRow>> load_scrub(sql::Reader& db);
Result<void> save_scrub(sql::Transaction& tx, const ScrubRow& row);

}  // namespace s4::storage::tables
