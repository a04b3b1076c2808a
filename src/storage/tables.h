// The engine's statements: each function is one rule of docs/formats/storage-tables.md, run inside
// a closure of sql::Database. They live on the database's threads and touch nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "sql/transaction.h"
#include "storage/accounts.h"
#include "storage/index_cache.h"
#include "storage/types.h"

namespace s4::storage::tables {

using Hash = std::array<std::uint8_t, 32>;
using BlobName = blob::Key::Name;

// -- shares --

Result<IndexRows> load_index(sql::Reader& db, const IndexKey& key);
// Nothing when the row is gone.
Result<std::optional<ByteBuffer>> load_small(sql::Reader& db, std::int64_t small_id);
// Returns the new small_id.
Result<std::int64_t> insert_small(sql::Transaction& tx, ByteView data);
Result<void> update_small(sql::Transaction& tx, std::int64_t small_id, ByteView data);
// Fails with storage.corrupt unless the row's bytes are there and fit its length and their checksum
// (rows of the first release have none).
Result<void> check_small(sql::Reader& db, const ShareRow& row);
Result<void> delete_small(sql::Transaction& tx, std::int64_t small_id);
// Fails with storage.share_exists.
Result<void> insert_share(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                          UnixSeconds now);
Result<void> update_share(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                          UnixSeconds now);
// The share, its data or pieces (whose blobs become superseded) and its leases. Not the slot's row,
// not the usage.
Result<void> delete_share(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                          UnixSeconds now);
Result<std::vector<ShareInfo>> shares_after(
    sql::Reader& db, GridId grid, const std::optional<std::pair<StorageIndex, ShareNumber>>& after,
    std::size_t limit);
Result<bool> is_live_blob(sql::Reader& db, const BlobName& name);

// -- pieces of large mutable shares --

struct Piece {
    ByteRange at;  // in the share
    BlobName blob{};
    std::uint64_t blob_at = 0;
};

// Those that reach into `wanted`, in order.
Result<std::vector<Piece>> load_pieces(sql::Reader& db, const IndexKey& key, ShareNumber share,
                                       ByteRange wanted);
// Those that begin in [from, to).
Result<void> delete_pieces(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                           std::uint64_t from, std::uint64_t to);
Result<void> insert_piece(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                          const Piece& piece);

// -- slots --

struct SlotRow {
    Hash enabler_hash{};
    ByteBuffer enabler_sealed;
};
Result<std::optional<SlotRow>> load_slot(sql::Reader& db, const IndexKey& key);
Result<void> insert_slot(sql::Transaction& tx, const IndexKey& key, const SlotRow& row);
Result<void> delete_slot(sql::Transaction& tx, const IndexKey& key);

// -- leases --

struct Lease {
    Hash renew_hash{};
    Hash cancel_hash{};
    UnixSeconds expires = 0;
};
enum class NewLeases : std::uint8_t { add, refuse, skip };
struct LeaseRule {
    NewLeases fresh = NewLeases::add;
    // What a share with as many leases as may be gets: an error or nothing.
    NewLeases above_limit = NewLeases::refuse;
    std::size_t per_share_max = 0;
};

Result<void> insert_lease(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                          const Lease& lease);
// Renews the share's lease of this renew secret, or adds it.
Result<void> put_lease(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                       const Lease& lease, const LeaseRule& rule);
// The share's lease of this renew secret, if there is one.
Result<void> delete_lease(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                          const Hash& renew_hash);
Result<std::vector<LeaseInfo>> load_leases(sql::Reader& db, const IndexKey& key, ShareNumber share);

// -- usage --

Result<UsageRow> load_usage(sql::Reader& db, GridId grid);
Result<UsageRow> change_usage(sql::Transaction& tx, GridId grid, std::int64_t shares,
                              std::int64_t data_bytes);
Result<UsageRow> recount(sql::Reader& db, GridId grid);

// -- blobs without a share --

struct BlobRow {
    GridId grid;
    BlobName name{};
};
Result<void> insert_intent(sql::Transaction& tx, const BlobRow& blob, std::int64_t run,
                           UnixSeconds now);
// Fails with storage.no_intent unless exactly that row was there.
Result<void> delete_intent(sql::Transaction& tx, const BlobRow& blob);
// Whether the row was there.
Result<bool> take_intent(sql::Transaction& tx, const BlobRow& blob);
Result<std::vector<BlobRow>> intents(sql::Reader& db);
Result<bool> is_intent(sql::Reader& db, const BlobRow& blob);
Result<void> insert_superseded(sql::Transaction& tx, const BlobRow& blob, UnixSeconds now);
Result<bool> take_superseded(sql::Transaction& tx, const BlobRow& blob);
// The first to go, in the order in which they were superseded.
Result<std::vector<BlobRow>> superseded_until(sql::Reader& db, UnixSeconds until,
                                              std::size_t limit);
Result<bool> is_superseded(sql::Reader& db, const BlobRow& blob);

// -- advisories --

Result<void> insert_advisory(sql::Transaction& tx, GridId grid, const Advisory& advisory,
                             std::size_t keep);
Result<std::vector<Advisory>> load_advisories(sql::Reader& db, GridId grid, std::int64_t before,
                                              std::size_t limit);
Result<void> delete_advisories(sql::Transaction& tx, GridId grid);

}  // namespace s4::storage::tables
