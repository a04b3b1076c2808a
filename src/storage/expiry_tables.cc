#include "storage/expiry_tables.h"

namespace s4::storage::tables {
namespace {

using sql::Query;

constexpr std::int64_t kDayS = 24 * 3600;
constexpr int kTheClock = 1;  // the one row's id

constexpr Query kLoadClock{"storage.load_clock",
                           "SELECT seen_s, epoch, stopped_s, problem FROM storage_clock "
                           "WHERE id = $1"};
constexpr Query kPutClock{
    "storage.put_clock",
    "INSERT INTO storage_clock (id, seen_s, epoch, stopped_s, problem) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT (id) DO UPDATE SET seen_s = excluded.seen_s, epoch = excluded.epoch, "
    "stopped_s = excluded.stopped_s, problem = excluded.problem"};

constexpr Query kInsertOrder{
    "storage.insert_collection",
    "INSERT INTO storage_collection (grid, kind, before_s, asked_by, asked_s, marked_s, ended_by, "
    "ended_s, swept, shares, data_bytes) VALUES ($1, $2, $3, $4, $5, 0, '', 0, 0, 0, 0) "
    "RETURNING id"};
constexpr Query kLoadOrder{
    "storage.load_collection",
    "SELECT id, grid, kind, before_s, asked_by, asked_s, marked_s, ended_by, ended_s, swept, "
    "shares, data_bytes FROM storage_collection WHERE id = $1"};
constexpr Query kActiveOrder{
    "storage.active_collection",
    "SELECT id, grid, kind, before_s, asked_by, asked_s, marked_s, ended_by, ended_s, swept, "
    "shares, data_bytes FROM storage_collection WHERE grid = $1 AND kind = $2 AND ended_s = 0"};
constexpr Query kNextOrder{
    "storage.next_collection",
    "SELECT id, grid, kind, before_s, asked_by, asked_s, marked_s, ended_by, ended_s, swept, "
    "shares, data_bytes FROM storage_collection WHERE swept = 0 AND id > $1 ORDER BY id LIMIT 1"};
constexpr Query kOrdersOf{
    "storage.collections_of",
    "SELECT id, grid, kind, before_s, asked_by, asked_s, marked_s, ended_by, ended_s, swept, "
    "shares, data_bytes FROM storage_collection WHERE grid = $1 ORDER BY id DESC LIMIT $2"};
constexpr Query kSetMarked{"storage.set_collection_marked",
                           "UPDATE storage_collection SET marked_s = $2 WHERE id = $1"};
constexpr Query kEndOrder{
    "storage.end_collection",
    "UPDATE storage_collection SET ended_by = $2, ended_s = $3 WHERE id = $1 AND ended_s = 0"};
constexpr Query kSetSwept{"storage.set_collection_swept",
                          "UPDATE storage_collection SET swept = 1 WHERE id = $1"};
constexpr Query kAddFreed{
    "storage.add_freed",
    "UPDATE storage_collection SET shares = shares + $2, data_bytes = data_bytes + $3 "
    "WHERE id = $1"};
constexpr Query kAddFreedToday{
    "storage.add_freed_today",
    "INSERT INTO storage_collected (collection, day, shares, data_bytes) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (collection, day) DO UPDATE SET "
    "shares = storage_collected.shares + excluded.shares, "
    "data_bytes = storage_collected.data_bytes + excluded.data_bytes"};
constexpr Query kEndOrdersOf{"storage.end_collections_of",
                             "UPDATE storage_collection SET ended_by = 'purge', ended_s = $2 "
                             "WHERE grid = $1 AND ended_s = 0"};

constexpr Query kLeasesBefore{
    "storage.leases_before",
    "SELECT DISTINCT expires_s, si, share FROM storage_lease WHERE grid = $1 AND expires_s < $2 "
    "AND (expires_s, si, share) > ($3, $4, $5) ORDER BY expires_s, si, share LIMIT $6"};
constexpr Query kLeaseStates{
    "storage.lease_states",
    "SELECT share, max(expires_s), count(*) FROM storage_lease WHERE grid = $1 AND si = $2 "
    "GROUP BY share"};

constexpr Query kLoadMark{
    "storage.load_mark",
    "SELECT grid, si, share, collection, marked_s, epoch, newest_s, leases, version "
    "FROM storage_mark WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kPutMark{
    "storage.put_mark",
    "INSERT INTO storage_mark (grid, si, share, collection, marked_s, epoch, newest_s, leases, "
    "version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
    "ON CONFLICT (grid, si, share) DO UPDATE SET collection = excluded.collection, "
    "marked_s = excluded.marked_s, epoch = excluded.epoch, newest_s = excluded.newest_s, "
    "leases = excluded.leases, version = excluded.version"};
constexpr Query kDeleteMark{"storage.delete_mark",
                            "DELETE FROM storage_mark WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kMarksUntil{
    "storage.marks_until",
    "SELECT grid, si, share, collection, marked_s, epoch, newest_s, leases, version "
    "FROM storage_mark WHERE collection = $1 AND marked_s <= $2 "
    "ORDER BY marked_s, si, share LIMIT $3"};

std::unexpected<Error> malformed_row() {
    return fail(ErrorKind::corrupt, "storage.corrupt",
                "a row of the collection tables is not of its format");
}

CollectionOrder order_of(const sql::Rows& rows) {
    CollectionOrder out;
    out.id = rows.id<CollectionId>(0);
    out.grid = rows.id<GridId>(1);
    out.kind = static_cast<CollectionKind>(rows.integer(2));
    out.before = rows.integer(3);
    out.asked_by = rows.text(4);
    out.asked = rows.integer(5);
    out.marked = rows.integer(6);
    out.ended_by = rows.text(7);
    out.ended = rows.integer(8);
    out.swept = rows.integer(9) != 0;
    out.shares = static_cast<std::uint64_t>(rows.integer(10));
    out.data_bytes = static_cast<std::uint64_t>(rows.integer(11));
    return out;
}

Result<std::optional<CollectionOrder>> one_order(sql::Rows rows) {
    if (!TRY(rows.next())) return std::nullopt;
    return order_of(rows);
}

Result<std::vector<Mark>> marks_of(sql::Rows rows) {
    std::vector<Mark> out;
    while (TRY(rows.next())) {
        const auto si = rows.blob_of<kStorageIndexBytes>(1);
        if (!si) return malformed_row();
        out.push_back({{rows.id<GridId>(0), StorageIndex{*si}},
                       static_cast<ShareNumber>(rows.integer(2)),
                       rows.id<CollectionId>(3),
                       rows.integer(4),
                       rows.integer(5),
                       {rows.integer(6), rows.integer(7)},
                       static_cast<std::uint64_t>(rows.integer(8))});
    }
    return out;
}

}  // namespace

Result<std::optional<ClockRow>> load_clock(sql::Reader& db) {
    sql::Rows rows = TRY(db.select(kLoadClock, {kTheClock}));
    if (!TRY(rows.next())) return std::nullopt;
    return ClockRow{rows.integer(0), rows.integer(1), rows.integer(2), std::string(rows.text(3))};
}

Result<void> put_clock(sql::Transaction& tx, const ClockRow& row) {
    TRY(tx.execute(kPutClock, {kTheClock, row.seen, row.epoch, row.stopped, row.problem}));
    return ok();
}

Result<CollectionId> insert_order(sql::Transaction& tx, const CollectionOrder& order) {
    sql::Rows rows = TRY(tx.select(kInsertOrder, {order.grid, static_cast<int>(order.kind),
                                                  order.before, order.asked_by, order.asked}));
    if (!TRY(rows.next())) return malformed_row();
    const CollectionId id = rows.id<CollectionId>(0);
    while (TRY(rows.next())) {
    }
    return id;
}

Result<std::optional<CollectionOrder>> load_order(sql::Reader& db, CollectionId id) {
    return one_order(TRY(db.select(kLoadOrder, {id})));
}

Result<std::optional<CollectionOrder>> active_order(sql::Reader& db, GridId grid,
                                                    CollectionKind kind) {
    return one_order(TRY(db.select(kActiveOrder, {grid, static_cast<int>(kind)})));
}

Result<std::optional<CollectionOrder>> next_order(sql::Reader& db, CollectionId after) {
    return one_order(TRY(db.select(kNextOrder, {after})));
}

Result<std::vector<CollectionOrder>> orders_of(sql::Reader& db, GridId grid, std::size_t limit) {
    sql::Rows rows = TRY(db.select(kOrdersOf, {grid, limit}));
    std::vector<CollectionOrder> out;
    while (TRY(rows.next())) out.push_back(order_of(rows));
    return out;
}

Result<void> set_marked(sql::Transaction& tx, CollectionId id, UnixSeconds now) {
    TRY(tx.execute(kSetMarked, {id, now}));
    return ok();
}

Result<void> end_order(sql::Transaction& tx, CollectionId id, std::string_view by,
                       UnixSeconds now) {
    TRY(tx.execute(kEndOrder, {id, by, now}));
    return ok();
}

Result<void> set_swept(sql::Transaction& tx, CollectionId id) {
    TRY(tx.execute(kSetSwept, {id}));
    return ok();
}

Result<void> add_freed(sql::Transaction& tx, CollectionId id, UnixSeconds now, std::uint64_t shares,
                       std::uint64_t data_bytes) {
    TRY(tx.execute(kAddFreed, {id, shares, data_bytes}));
    TRY(tx.execute(kAddFreedToday, {id, now / kDayS, shares, data_bytes}));
    return ok();
}

Result<void> end_orders_of(sql::Transaction& tx, GridId grid, UnixSeconds now) {
    TRY(tx.execute(kEndOrdersOf, {grid, now}));
    return ok();
}

Result<std::vector<LeasePlace>> leases_before(sql::Reader& db, GridId grid, UnixSeconds cutoff,
                                              const LeasePlace& after, std::size_t limit) {
    sql::Rows rows = TRY(db.select(
        kLeasesBefore, {grid, cutoff, after.expires, after.index.bytes, after.share, limit}));
    std::vector<LeasePlace> out;
    while (TRY(rows.next())) {
        const auto si = rows.blob_of<kStorageIndexBytes>(1);
        if (!si) return malformed_row();
        out.push_back(
            {rows.integer(0), StorageIndex{*si}, static_cast<ShareNumber>(rows.integer(2))});
    }
    return out;
}

Result<std::map<ShareNumber, LeaseState>> lease_states(sql::Reader& db, const IndexKey& key) {
    sql::Rows rows = TRY(db.select(kLeaseStates, {key.grid, key.index.bytes}));
    std::map<ShareNumber, LeaseState> out;
    while (TRY(rows.next()))
        out[static_cast<ShareNumber>(rows.integer(0))] = {rows.integer(1), rows.integer(2)};
    return out;
}

Result<std::optional<Mark>> load_mark(sql::Reader& db, const IndexKey& key, ShareNumber share) {
    const auto found = TRY(marks_of(TRY(db.select(kLoadMark, {key.grid, key.index.bytes, share}))));
    return found.empty() ? std::nullopt : std::optional(found.front());
}

Result<void> put_mark(sql::Transaction& tx, const Mark& mark) {
    TRY(tx.execute(kPutMark,
                   {mark.key.grid, mark.key.index.bytes, mark.share, mark.collection, mark.marked,
                    mark.epoch, mark.leases.newest, mark.leases.leases, mark.version}));
    return ok();
}

Result<void> delete_mark(sql::Transaction& tx, const IndexKey& key, ShareNumber share) {
    TRY(tx.execute(kDeleteMark, {key.grid, key.index.bytes, share}));
    return ok();
}

Result<std::vector<Mark>> marks_until(sql::Reader& db, CollectionId collection, UnixSeconds until,
                                      std::size_t limit) {
    return marks_of(TRY(db.select(kMarksUntil, {collection, until, limit})));
}

}  // namespace s4::storage::tables
