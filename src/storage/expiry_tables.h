// Statements of collection, as tables.h has those of the engine: run inside closures of
// sql::Database, on its threads.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/result.h"
#include "sql/transaction.h"
#include "storage/collection.h"
#include "storage/index_cache.h"
#include "storage/types.h"

namespace s4::storage::tables {

// -- the clock --

struct ClockRow {
    UnixSeconds seen = 0;     // the newest time that a run noted
    std::int64_t epoch = 0;   // raised when the operator confirms the clock
    UnixSeconds stopped = 0;  // since when it is not trusted; 0: it is
    std::string problem;
};
Result<std::optional<ClockRow>> load_clock(sql::Reader& db);
Result<void> put_clock(sql::Transaction& tx, const ClockRow& row);

// -- orders --

Result<CollectionId> insert_order(sql::Transaction& tx, const CollectionOrder& order);
Result<std::optional<CollectionOrder>> load_order(sql::Reader& db, CollectionId id);
Result<std::optional<CollectionOrder>> active_order(sql::Reader& db, GridId grid,
                                                    CollectionKind kind);
// The first that is not swept after `after`.
Result<std::optional<CollectionOrder>> next_order(sql::Reader& db, CollectionId after);
// The newest first.
Result<std::vector<CollectionOrder>> orders_of(sql::Reader& db, GridId grid, std::size_t limit);
Result<void> set_marked(sql::Transaction& tx, CollectionId id, UnixSeconds now);
Result<void> end_order(sql::Transaction& tx, CollectionId id, std::string_view by, UnixSeconds now);
Result<void> set_swept(sql::Transaction& tx, CollectionId id);
// Adds to what the order freed, in all and on this day.
Result<void> add_freed(sql::Transaction& tx, CollectionId id, UnixSeconds now, std::uint64_t shares,
                       std::uint64_t data_bytes);
// Ends all orders of a grid that is purged.
Result<void> end_orders_of(sql::Transaction& tx, GridId grid, UnixSeconds now);

// -- what is not renewed --

// A place in the order of the leases' expiry.
struct LeasePlace {
    UnixSeconds expires = INT64_MIN;
    StorageIndex index;
    ShareNumber share = 0;
};
// Leases that expire before `cutoff`, after `after`; one of those that a share has of one second.
Result<std::vector<LeasePlace>> leases_before(sql::Reader& db, GridId grid, UnixSeconds cutoff,
                                              const LeasePlace& after, std::size_t limit);

// What a share's leases were when someone looked: any renewal or new lease changes it.
struct LeaseState {
    UnixSeconds newest = 0;
    std::int64_t leases = 0;
    friend bool operator==(const LeaseState&, const LeaseState&) = default;
};
Result<std::map<ShareNumber, LeaseState>> lease_states(sql::Reader& db, const IndexKey& key);

// -- marks --

struct Mark {
    IndexKey key;
    ShareNumber share = 0;
    CollectionId collection;
    UnixSeconds marked = 0;
    std::int64_t epoch = 0;
    LeaseState leases;
    std::uint64_t version = 0;
};
Result<std::optional<Mark>> load_mark(sql::Reader& db, const IndexKey& key, ShareNumber share);
Result<void> put_mark(sql::Transaction& tx, const Mark& mark);
Result<void> delete_mark(sql::Transaction& tx, const IndexKey& key, ShareNumber share);
// Marked by this order at or before `until`; the oldest first.
Result<std::vector<Mark>> marks_until(sql::Reader& db, CollectionId collection, UnixSeconds until,
                                      std::size_t limit);

}  // namespace s4::storage::tables
