#include "storage/care_tables.h"

#include <algorithm>

namespace s4::storage::tables {
namespace {

using sql::Query;

constexpr Query kAllSharesAfter{
    "storage.all_shares_after",
    "SELECT grid, si, share, kind, place, length, version, small_id FROM storage_share "
    "WHERE (grid, si, share) > ($1, $2, $3) AND grid <= $4 ORDER BY grid, si, share LIMIT $5"};
constexpr Query kNextGridOfShares{
    "storage.next_grid_of_shares",
    "SELECT grid FROM storage_share WHERE grid > $1 ORDER BY grid LIMIT 1"};
constexpr Query kNextGridOfUsage{
    "storage.next_grid_of_usage",
    "SELECT grid FROM storage_usage WHERE grid > $1 ORDER BY grid LIMIT 1"};
constexpr Query kHasUsage{"storage.has_usage", "SELECT 1 FROM storage_usage WHERE grid = $1"};
constexpr Query kTotalUsage{
    "storage.total_usage",
    "SELECT coalesce(sum(shares), 0), coalesce(sum(data_bytes), 0) FROM storage_usage"};
constexpr Query kShareOwner{"storage.share_owner",
                            "SELECT grid FROM storage_share WHERE blob = $1"};
constexpr Query kExtentOwner{"storage.extent_owner",
                             "SELECT grid FROM storage_extent WHERE blob = $1 LIMIT 1"};
constexpr Query kQuarantineOwner{
    "storage.quarantine_owner",
    "SELECT q.grid FROM storage_quarantine_piece p JOIN storage_quarantine q "
    "ON q.id = p.quarantine WHERE p.blob = $1 LIMIT 1"};

constexpr Query kInsertQuarantine{
    "storage.insert_quarantine",
    "INSERT INTO storage_quarantine (grid, si, share, kind, place, length, version, since_s, "
    "reason, data, enabler_hash, enabler_sealed) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id"};
constexpr Query kInsertQuarantinePiece{
    "storage.insert_quarantine_piece",
    "INSERT INTO storage_quarantine_piece (quarantine, at, size, blob, blob_at) "
    "VALUES ($1, $2, $3, $4, $5)"};
constexpr Query kNextQuarantined{
    "storage.next_quarantined",
    "SELECT id, grid, si, share, kind, place, length, version, since_s, reason, enabler_hash, "
    "enabler_sealed FROM storage_quarantine WHERE id > $1 ORDER BY id LIMIT 1"};
constexpr Query kNextQuarantinedOf{
    "storage.next_quarantined_of",
    "SELECT id, grid, si, share, kind, place, length, version, since_s, reason, enabler_hash, "
    "enabler_sealed FROM storage_quarantine WHERE grid = $2 AND id > $1 ORDER BY id LIMIT 1"};
constexpr Query kQuarantinePieces{
    "storage.quarantine_pieces",
    "SELECT at, size, blob, blob_at FROM storage_quarantine_piece WHERE quarantine = $1 "
    "ORDER BY at"};
constexpr Query kDeleteQuarantine{"storage.delete_quarantine",
                                  "DELETE FROM storage_quarantine WHERE id = $1"};
constexpr Query kDeleteQuarantinePieces{
    "storage.delete_quarantine_pieces",
    "DELETE FROM storage_quarantine_piece WHERE quarantine = $1"};
constexpr Query kCountQuarantined{"storage.count_quarantined",
                                  "SELECT count(*) FROM storage_quarantine"};
constexpr Query kDropLeases{"storage.drop_leases",
                            "DELETE FROM storage_lease WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kDropShare{"storage.drop_share",
                           "DELETE FROM storage_share WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kDropSmall{"storage.drop_small", "DELETE FROM storage_small WHERE id = $1"};

constexpr Query kHasAdvisory{
    "storage.has_advisory",
    "SELECT 1 FROM storage_advisory WHERE grid = $1 AND si = $2 AND share = $3 AND reason = $4 "
    "LIMIT 1"};
constexpr Query kCountAdvisories{"storage.count_advisories",
                                 "SELECT count(*) FROM storage_advisory"};

constexpr Query kLoadScrub{
    "storage.load_scrub",
    "SELECT grid, si, share, began_s, ended_s, shares, bytes, damaged FROM storage_scrub "
    "WHERE id = 1"};
constexpr Query kSaveScrub{
    "storage.save_scrub",
    "INSERT INTO storage_scrub (id, grid, si, share, began_s, ended_s, shares, bytes, damaged) "
    "VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET "
    "grid = excluded.grid, si = excluded.si, share = excluded.share, began_s = excluded.began_s, "
    "ended_s = excluded.ended_s, shares = excluded.shares, bytes = excluded.bytes, "
    "damaged = excluded.damaged"};

std::unexpected<Error> malformed_row() {
    return fail(ErrorKind::corrupt, "storage.corrupt",
                "a row of the storage tables is not of its format");
}

Result<std::int64_t> one_number(sql::Reader& db, const Query& query) {
    sql::Rows rows = TRY(db.select(query));
    if (!TRY(rows.next())) return malformed_row();
    return rows.integer(0);
}

Result<std::optional<GridId>> one_grid(sql::Rows rows) {
    if (!TRY(rows.next())) return std::nullopt;
    return std::optional(rows.id<GridId>(0));
}

// What stands aside instead of the share: the pieces of a large one.
Result<std::vector<Piece>> pieces_of(sql::Reader& db, const IndexKey& key, const ShareRow& row) {
    switch (row.place) {
        case Place::small:
            return std::vector<Piece>{};
        case Place::blob:
            return std::vector<Piece>{{{0, row.length}, row.blob, 0}};
        case Place::extents:
            return load_pieces(db, key, row.share, kWholeShare);
    }
    return std::vector<Piece>{};
}

Result<void> load_quarantine_pieces(sql::Reader& db, Quarantined& out) {
    sql::Rows rows = TRY(db.select(kQuarantinePieces, {out.id}));
    while (TRY(rows.next())) {
        const auto name = rows.blob_of<blob::Key::kNameBytes>(2);
        if (!name) return malformed_row();
        out.pieces.push_back({{static_cast<std::uint64_t>(rows.integer(0)),
                               static_cast<std::uint64_t>(rows.integer(1))},
                              *name,
                              static_cast<std::uint64_t>(rows.integer(3))});
    }
    if (out.row.place == Place::blob) {
        if (out.pieces.size() != 1) return malformed_row();
        out.row.blob = out.pieces.front().blob;
    }
    return ok();
}

}  // namespace

Result<std::vector<PlacedShare>> all_shares_after(sql::Reader& db, const SharePlace& place,
                                                  std::optional<GridId> only, std::size_t limit,
                                                  std::uint64_t bytes_max) {
    SharePlace from = place;
    if (only && from.grid < *only) from = {*only, {}, -1};
    const std::int64_t last = only ? only->value : INT64_MAX;
    sql::Rows rows =
        TRY(db.select(kAllSharesAfter, {from.grid, from.index.bytes, from.share, last, limit}));
    std::vector<PlacedShare> out;
    std::uint64_t bytes = 0;
    while (bytes < bytes_max && TRY(rows.next())) {
        const auto si = rows.blob_of<kStorageIndexBytes>(1);
        if (!si) return malformed_row();
        ShareRow row;
        row.share = static_cast<ShareNumber>(rows.integer(2));
        row.kind = static_cast<ShareKind>(rows.integer(3));
        row.place = static_cast<Place>(rows.integer(4));
        row.length = static_cast<std::uint64_t>(rows.integer(5));
        row.version = static_cast<std::uint64_t>(rows.integer(6));
        row.small_id = rows.integer(7);
        out.push_back({{rows.id<GridId>(0), StorageIndex{*si}}, row});
        bytes += row.length;
    }
    return out;
}

Result<std::optional<GridId>> next_grid(sql::Reader& db, GridId after) {
    const auto with_shares = TRY(one_grid(TRY(db.select(kNextGridOfShares, {after}))));
    const auto with_usage = TRY(one_grid(TRY(db.select(kNextGridOfUsage, {after}))));
    if (!with_shares) return with_usage;
    if (!with_usage) return with_shares;
    return std::optional(std::min(*with_shares, *with_usage));
}

Result<bool> has_usage(sql::Reader& db, GridId grid) {
    sql::Rows rows = TRY(db.select(kHasUsage, {grid}));
    return rows.next();
}

Result<UsageRow> total_usage(sql::Reader& db) {
    sql::Rows rows = TRY(db.select(kTotalUsage));
    if (!TRY(rows.next())) return UsageRow{};
    return UsageRow{static_cast<std::uint64_t>(rows.integer(0)),
                    static_cast<std::uint64_t>(rows.integer(1)), 0};
}

Result<std::optional<GridId>> owner_of_blob(sql::Reader& db, const BlobName& name) {
    const auto whole = TRY(one_grid(TRY(db.select(kShareOwner, {name}))));
    if (whole) return whole;
    const auto extent = TRY(one_grid(TRY(db.select(kExtentOwner, {name}))));
    if (extent) return extent;
    return one_grid(TRY(db.select(kQuarantineOwner, {name})));
}

Result<bool> is_quarantined(sql::Reader& db, const BlobName& name) {
    return TRY(one_grid(TRY(db.select(kQuarantineOwner, {name}))))
    .has_value();
}

Result<bool> is_known_blob(sql::Reader& db, const BlobRow& blob) {
    if (TRY(owner_of_blob(db, blob.name))) return true;
    return TRY(is_intent(db, blob))
    || TRY(is_superseded(db, blob));
}

Result<void> quarantine(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                        std::string_view reason, UnixSeconds now) {
    const std::vector<Piece> pieces = TRY(pieces_of(tx, key, row));
    const std::optional<ByteBuffer> data =
        row.place == Place::small ? TRY(load_small(tx, row.small_id)) : std::nullopt;
    const auto slot = row.kind == ShareKind::mutable_ ? TRY(load_slot(tx, key)) : std::optional<SlotRow>();
    const auto hash = slot ? std::optional(ByteView(slot->enabler_hash)) : std::nullopt;
    const auto sealed = slot ? std::optional(ByteView(slot->enabler_sealed)) : std::nullopt;
    std::int64_t id = 0;
    {
        sql::Rows rows = TRY(tx.select(
            kInsertQuarantine, {key.grid, key.index.bytes, row.share, static_cast<int>(row.kind),
                                static_cast<int>(row.place), row.length, row.version, now, reason,
                                data, hash, sealed}));
        if (!TRY(rows.next())) return malformed_row();
        id = rows.integer(0);
        while (TRY(rows.next())) {
        }
    }
    for (const Piece& piece : pieces)
        TRY(tx.execute(kInsertQuarantinePiece,
                       {id, piece.at.offset, piece.at.size, piece.blob, piece.blob_at}));
    if (row.place == Place::small) TRY(tx.execute(kDropSmall, {row.small_id}));
    TRY(delete_pieces(tx, key, row.share, 0, UINT64_MAX));
    TRY(tx.execute(kDropLeases, {key.grid, key.index.bytes, row.share}));
    TRY(tx.execute(kDropShare, {key.grid, key.index.bytes, row.share}));
    return ok();
}

Result<std::optional<Quarantined>> next_quarantined(sql::Reader& db, std::int64_t after,
                                                    std::optional<GridId> only) {
    sql::Rows rows = TRY(only ? db.select(kNextQuarantinedOf, {after, *only})
                              : db.select(kNextQuarantined, {after}));
    if (!TRY(rows.next())) return std::nullopt;
    const auto si = rows.blob_of<kStorageIndexBytes>(2);
    if (!si) return malformed_row();
    Quarantined out;
    out.id = rows.integer(0);
    out.key = {rows.id<GridId>(1), StorageIndex{*si}};
    out.row.share = static_cast<ShareNumber>(rows.integer(3));
    out.row.kind = static_cast<ShareKind>(rows.integer(4));
    out.row.place = static_cast<Place>(rows.integer(5));
    out.row.length = static_cast<std::uint64_t>(rows.integer(6));
    out.row.version = static_cast<std::uint64_t>(rows.integer(7));
    out.since = rows.integer(8);
    out.reason = std::string(rows.text(9));
    if (const auto hash = rows.blob_of<32>(10)) out.slot = {*hash, to_buffer(rows.blob(11))};
    TRY(load_quarantine_pieces(db, out));
    return std::optional(std::move(out));
}

Result<void> forget_quarantined(sql::Transaction& tx, std::int64_t id) {
    TRY(tx.execute(kDeleteQuarantinePieces, {id}));
    TRY(tx.execute(kDeleteQuarantine, {id}));
    return ok();
}

Result<void> purge_quarantine(sql::Transaction& tx, GridId grid, UnixSeconds now) {
    while (const auto next = TRY(next_quarantined(tx, 0, grid))) {
        for (const Piece& piece : next->pieces) TRY(insert_superseded(tx, {grid, piece.blob}, now));
        TRY(forget_quarantined(tx, next->id));
    }
    return ok();
}

Result<std::int64_t> count_quarantined(sql::Reader& db) {
    return one_number(db, kCountQuarantined);
}

Result<bool> has_advisory(sql::Reader& db, GridId grid, const Advisory& advisory) {
    sql::Rows rows =
        TRY(db.select(kHasAdvisory, {grid, advisory.index.bytes, advisory.share, advisory.reason}));
    return rows.next();
}

Result<std::int64_t> count_advisories(sql::Reader& db) {
    return one_number(db, kCountAdvisories);
}

Result<std::optional<ScrubRow>> load_scrub(sql::Reader& db) {
    sql::Rows rows = TRY(db.select(kLoadScrub));
    if (!TRY(rows.next())) return std::nullopt;
    const auto si = rows.blob_of<kStorageIndexBytes>(1);
    if (!si) return malformed_row();
    ScrubRow out;
    out.place = {rows.id<GridId>(0), StorageIndex{*si}, rows.integer(2)};
    out.began = rows.integer(3);
    out.ended = rows.integer(4);
    out.shares = rows.integer(5);
    out.bytes = rows.integer(6);
    out.damaged = rows.integer(7);
    return std::optional(out);
}

Result<void> save_scrub(sql::Transaction& tx, const ScrubRow& row) {
    TRY(tx.execute(kSaveScrub, {row.place.grid, row.place.index.bytes, row.place.share, row.began,
                                row.ended, row.shares, row.bytes, row.damaged}));
    return ok();
}

}  // namespace s4::storage::tables
