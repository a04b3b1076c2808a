#include "storage/tables.h"

#include <algorithm>

#include "crypto/crc32c.h"

namespace s4::storage::tables {
namespace {

using sql::Query;

constexpr Query kLoadIndex{"storage.load_index",
                           "SELECT share, kind, place, length, version, small_id, blob "
                           "FROM storage_share WHERE grid = $1 AND si = $2 ORDER BY share"};
constexpr Query kLoadSmall{"storage.load_small", "SELECT data FROM storage_small WHERE id = $1"};
constexpr Query kInsertSmall{
    "storage.insert_small",
    "INSERT INTO storage_small (data, crc32c) VALUES ($1, $2) RETURNING id"};
constexpr Query kUpdateSmall{"storage.update_small",
                             "UPDATE storage_small SET data = $2, crc32c = $3 WHERE id = $1"};
constexpr Query kCheckSmall{"storage.check_small",
                            "SELECT data, crc32c FROM storage_small WHERE id = $1"};
constexpr Query kDeleteSmall{"storage.delete_small", "DELETE FROM storage_small WHERE id = $1"};
constexpr Query kInsertShare{
    "storage.insert_share",
    "INSERT INTO storage_share (grid, si, share, kind, place, length, version, created_s, "
    "changed_s, small_id, blob) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10) "
    "ON CONFLICT (grid, si, share) DO NOTHING"};
constexpr Query kUpdateShare{
    "storage.update_share",
    "UPDATE storage_share SET place = $4, length = $5, version = $6, changed_s = $7, "
    "small_id = $8 WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kDeleteShare{
    "storage.delete_share", "DELETE FROM storage_share WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kDeleteLeases{
    "storage.delete_leases",
    "DELETE FROM storage_lease WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kSharesAfter{
    "storage.shares_after",
    "SELECT si, share, kind, length, created_s, changed_s FROM storage_share "
    "WHERE grid = $1 AND (si, share) > ($2, $3) ORDER BY si, share LIMIT $4"};
constexpr Query kShareOfBlob{"storage.share_of_blob",
                             "SELECT 1 FROM storage_share WHERE blob = $1"};
constexpr Query kExtentOfBlob{"storage.extent_of_blob",
                              "SELECT 1 FROM storage_extent WHERE blob = $1 LIMIT 1"};

constexpr Query kLoadPieces{
    "storage.load_pieces",
    "SELECT at, size, blob, blob_at FROM storage_extent WHERE grid = $1 AND si = $2 AND "
    "share = $3 AND at >= $4 AND at < $5 ORDER BY at"};
constexpr Query kPieceBlobs{
    "storage.piece_blobs",
    "SELECT DISTINCT blob FROM storage_extent WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kDeletePieces{
    "storage.delete_pieces",
    "DELETE FROM storage_extent WHERE grid = $1 AND si = $2 AND share = $3 AND at >= $4 AND "
    "at < $5"};
constexpr Query kInsertPiece{
    "storage.insert_piece",
    "INSERT INTO storage_extent (grid, si, share, at, size, blob, blob_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"};

constexpr Query kLoadSlot{
    "storage.load_slot",
    "SELECT enabler_hash, enabler_sealed FROM storage_slot WHERE grid = $1 AND si = $2"};
constexpr Query kInsertSlot{
    "storage.insert_slot",
    "INSERT INTO storage_slot (grid, si, enabler_hash, enabler_sealed) VALUES ($1, $2, $3, $4)"};
constexpr Query kDeleteSlot{"storage.delete_slot",
                            "DELETE FROM storage_slot WHERE grid = $1 AND si = $2"};

constexpr Query kInsertLease{
    "storage.insert_lease",
    "INSERT INTO storage_lease (grid, si, renew_hash, share, cancel_hash, expires_s) "
    "VALUES ($1, $2, $3, $4, $5, $6)"};
constexpr Query kRenewLease{
    "storage.renew_lease",
    "UPDATE storage_lease SET expires_s = CASE WHEN expires_s < $5 THEN $5 ELSE expires_s END "
    "WHERE grid = $1 AND si = $2 AND renew_hash = $3 AND share = $4"};
constexpr Query kDeleteLease{
    "storage.delete_lease",
    "DELETE FROM storage_lease WHERE grid = $1 AND si = $2 AND renew_hash = $3 AND share = $4"};
constexpr Query kCountLeases{
    "storage.count_leases",
    "SELECT count(*) FROM storage_lease WHERE grid = $1 AND si = $2 AND share = $3"};
constexpr Query kLoadLeases{
    "storage.load_leases",
    "SELECT renew_hash, cancel_hash, expires_s FROM storage_lease WHERE grid = $1 AND si = $2 "
    "AND share = $3 ORDER BY renew_hash"};

constexpr Query kLoadUsage{"storage.load_usage",
                           "SELECT shares, data_bytes, changes FROM storage_usage WHERE grid = $1"};
constexpr Query kChangeUsage{
    "storage.change_usage",
    "INSERT INTO storage_usage (grid, shares, data_bytes, changes) VALUES ($1, $2, $3, 1) "
    "ON CONFLICT (grid) DO UPDATE SET shares = storage_usage.shares + excluded.shares, "
    "data_bytes = storage_usage.data_bytes + excluded.data_bytes, "
    "changes = storage_usage.changes + 1 RETURNING shares, data_bytes, changes"};
constexpr Query kRecount{
    "storage.recount",
    "SELECT count(*), coalesce(sum(length), 0) FROM storage_share WHERE grid = $1"};

constexpr Query kInsertIntent{
    "storage.insert_intent",
    "INSERT INTO storage_intent (grid, blob, run, made_s) VALUES ($1, $2, $3, $4)"};
constexpr Query kDeleteIntent{"storage.delete_intent",
                              "DELETE FROM storage_intent WHERE grid = $1 AND blob = $2"};
constexpr Query kIntents{"storage.intents", "SELECT grid, blob FROM storage_intent"};
constexpr Query kIsIntent{"storage.is_intent",
                          "SELECT 1 FROM storage_intent WHERE grid = $1 AND blob = $2"};
constexpr Query kInsertSuperseded{
    "storage.insert_superseded",
    "INSERT INTO storage_superseded (grid, blob, since_s) VALUES ($1, $2, $3) "
    "ON CONFLICT (grid, blob) DO NOTHING"};
constexpr Query kDeleteSuperseded{"storage.delete_superseded",
                                  "DELETE FROM storage_superseded WHERE grid = $1 AND blob = $2"};
constexpr Query kSupersededUntil{
    "storage.superseded_until",
    "SELECT grid, blob FROM storage_superseded WHERE since_s <= $1 ORDER BY since_s LIMIT $2"};
constexpr Query kIsSuperseded{"storage.is_superseded",
                              "SELECT 1 FROM storage_superseded WHERE grid = $1 AND blob = $2"};

constexpr Query kInsertAdvisory{
    "storage.insert_advisory",
    "INSERT INTO storage_advisory (grid, si, share, kind, at_s, reason) "
    "VALUES ($1, $2, $3, $4, $5, $6)"};
constexpr Query kTrimAdvisories{
    "storage.trim_advisories",
    "DELETE FROM storage_advisory WHERE grid = $1 AND id <= (SELECT id FROM storage_advisory "
    "WHERE grid = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)"};
constexpr Query kLoadAdvisories{
    "storage.load_advisories",
    "SELECT id, si, share, kind, at_s, reason FROM storage_advisory WHERE grid = $1 AND id < $2 "
    "ORDER BY id DESC LIMIT $3"};
constexpr Query kDeleteAdvisories{"storage.delete_advisories",
                                  "DELETE FROM storage_advisory WHERE grid = $1"};

constexpr std::int64_t kMaxId = INT64_MAX;

std::unexpected<Error> malformed_row() {
    return fail(ErrorKind::corrupt, "storage.corrupt",
                "a row of the storage tables is not of its format");
}

Result<bool> any(sql::Reader& db, const Query& query, std::initializer_list<sql::Param> params) {
    sql::Rows rows = TRY(db.select(query, params));
    return rows.next();
}

Result<std::vector<BlobRow>> blob_rows(sql::Rows rows) {
    std::vector<BlobRow> out;
    while (TRY(rows.next())) {
        const auto name = rows.blob_of<blob::Key::kNameBytes>(1);
        if (!name) return malformed_row();
        out.push_back({rows.id<GridId>(0), *name});
    }
    return out;
}

std::optional<std::int64_t> small_id_of(const ShareRow& row) {
    return row.place == Place::small ? std::optional(row.small_id) : std::nullopt;
}

// Offsets are 63-bit in the database.
std::int64_t bound(std::uint64_t offset) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(offset, INT64_MAX));
}

}  // namespace

Result<IndexRows> load_index(sql::Reader& db, const IndexKey& key) {
    sql::Rows rows = TRY(db.select(kLoadIndex, {key.grid, key.index.bytes}));
    IndexRows out;
    while (TRY(rows.next())) {
        ShareRow row;
        row.share = static_cast<ShareNumber>(rows.integer(0));
        row.kind = static_cast<ShareKind>(rows.integer(1));
        row.place = static_cast<Place>(rows.integer(2));
        row.length = static_cast<std::uint64_t>(rows.integer(3));
        row.version = static_cast<std::uint64_t>(rows.integer(4));
        row.small_id = rows.integer(5);
        if (row.place == Place::blob) {
            const auto name = rows.blob_of<blob::Key::kNameBytes>(6);
            if (!name) return malformed_row();
            row.blob = *name;
        }
        out.push_back(row);
    }
    return out;
}

Result<std::optional<ByteBuffer>> load_small(sql::Reader& db, std::int64_t small_id) {
    sql::Rows rows = TRY(db.select(kLoadSmall, {small_id}));
    if (!TRY(rows.next())) return std::nullopt;
    return to_buffer(rows.blob(0));
}

Result<std::int64_t> insert_small(sql::Transaction& tx, ByteView data) {
    sql::Rows rows = TRY(tx.select(kInsertSmall, {data, crypto::crc32c(data)}));
    if (!TRY(rows.next())) return malformed_row();
    const std::int64_t id = rows.integer(0);
    while (TRY(rows.next())) {
    }
    return id;
}

Result<void> update_small(sql::Transaction& tx, std::int64_t small_id, ByteView data) {
    if (TRY(tx.execute(kUpdateSmall, {small_id, data, crypto::crc32c(data)})) != 1)
        return malformed_row();
    return ok();
}

Result<void> check_small(sql::Reader& db, const ShareRow& row) {
    sql::Rows rows = TRY(db.select(kCheckSmall, {row.small_id}));
    if (!TRY(rows.next()))
        return fail(ErrorKind::corrupt, "storage.corrupt", "a small share's bytes are gone");
    const ByteView data = rows.blob(0);
    if (data.size() != row.length)
        return fail(ErrorKind::corrupt, "storage.corrupt",
                    "a small share's bytes do not belong to its row");
    if (!rows.is_null(1) && rows.integer(1) != std::int64_t{crypto::crc32c(data)})
        return fail(ErrorKind::corrupt, "storage.corrupt", "a small share fails its checksum");
    return ok();
}

Result<void> delete_small(sql::Transaction& tx, std::int64_t small_id) {
    if (TRY(tx.execute(kDeleteSmall, {small_id})) != 1) return malformed_row();
    return ok();
}

Result<void> insert_share(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                          UnixSeconds now) {
    const auto blob = row.place == Place::blob ? std::optional(ByteView(row.blob)) : std::nullopt;
    const std::int64_t inserted =
        TRY(tx.execute(kInsertShare, {key.grid, key.index.bytes, row.share,
                                      static_cast<int>(row.kind), static_cast<int>(row.place),
                                      row.length, row.version, now, small_id_of(row), blob}));
    if (inserted != 1)
        return fail(ErrorKind::conflict, "storage.share_exists",
                    "the share was stored by someone else in the meantime");
    return ok();
}

Result<void> update_share(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                          UnixSeconds now) {
    const std::int64_t updated = TRY(
        tx.execute(kUpdateShare, {key.grid, key.index.bytes, row.share, static_cast<int>(row.place),
                                  row.length, row.version, now, small_id_of(row)}));
    if (updated != 1) return malformed_row();
    return ok();
}

Result<void> delete_share(sql::Transaction& tx, const IndexKey& key, const ShareRow& row,
                          UnixSeconds now) {
    switch (row.place) {
        case Place::small:
            TRY(delete_small(tx, row.small_id));
            break;
        case Place::blob:
            TRY(insert_superseded(tx, {key.grid, row.blob}, now));
            break;
        case Place::extents: {
            std::vector<BlobName> names;
            {
                sql::Rows rows =
                    TRY(tx.select(kPieceBlobs, {key.grid, key.index.bytes, row.share}));
                while (TRY(rows.next())) {
                    const auto name = rows.blob_of<blob::Key::kNameBytes>(0);
                    if (!name) return malformed_row();
                    names.push_back(*name);
                }
            }
            for (const BlobName& name : names) TRY(insert_superseded(tx, {key.grid, name}, now));
            TRY(delete_pieces(tx, key, row.share, 0, UINT64_MAX));
            break;
        }
    }
    TRY(tx.execute(kDeleteLeases, {key.grid, key.index.bytes, row.share}));
    TRY(tx.execute(kDeleteShare, {key.grid, key.index.bytes, row.share}));
    return ok();
}

Result<std::vector<ShareInfo>> shares_after(
    sql::Reader& db, GridId grid, const std::optional<std::pair<StorageIndex, ShareNumber>>& after,
    std::size_t limit) {
    const StorageIndex index = after ? after->first : StorageIndex{};
    const std::int64_t share = after ? std::int64_t{after->second} : -1;
    sql::Rows rows = TRY(db.select(kSharesAfter, {grid, index.bytes, share, limit}));
    std::vector<ShareInfo> out;
    while (TRY(rows.next())) {
        const auto si = rows.blob_of<kStorageIndexBytes>(0);
        if (!si) return malformed_row();
        out.push_back({StorageIndex{*si}, static_cast<ShareNumber>(rows.integer(1)),
                       static_cast<ShareKind>(rows.integer(2)),
                       static_cast<std::uint64_t>(rows.integer(3)), rows.integer(4),
                       rows.integer(5)});
    }
    return out;
}

Result<bool> is_live_blob(sql::Reader& db, const BlobName& name) {
    if (TRY(any(db, kShareOfBlob, {name}))) return true;
    return any(db, kExtentOfBlob, {name});
}

Result<std::vector<Piece>> load_pieces(sql::Reader& db, const IndexKey& key, ShareNumber share,
                                       ByteRange wanted) {
    // A piece lies in one region, so that none that reaches into `wanted` begins before its region.
    const std::uint64_t from = wanted.offset - wanted.offset % kExtentBytes;
    const std::uint64_t to =
        wanted.size > UINT64_MAX - wanted.offset ? UINT64_MAX : wanted.offset + wanted.size;
    sql::Rows rows =
        TRY(db.select(kLoadPieces, {key.grid, key.index.bytes, share, bound(from), bound(to)}));
    std::vector<Piece> out;
    while (TRY(rows.next())) {
        const auto name = rows.blob_of<blob::Key::kNameBytes>(2);
        if (!name) return malformed_row();
        const ByteRange at{static_cast<std::uint64_t>(rows.integer(0)),
                           static_cast<std::uint64_t>(rows.integer(1))};
        if (at.offset + at.size <= wanted.offset) continue;
        out.push_back({at, *name, static_cast<std::uint64_t>(rows.integer(3))});
    }
    return out;
}

Result<void> delete_pieces(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                           std::uint64_t from, std::uint64_t to) {
    TRY(tx.execute(kDeletePieces, {key.grid, key.index.bytes, share, bound(from), bound(to)}));
    return ok();
}

Result<void> insert_piece(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                          const Piece& piece) {
    TRY(tx.execute(kInsertPiece, {key.grid, key.index.bytes, share, piece.at.offset, piece.at.size,
                                  piece.blob, piece.blob_at}));
    return ok();
}

Result<std::optional<SlotRow>> load_slot(sql::Reader& db, const IndexKey& key) {
    sql::Rows rows = TRY(db.select(kLoadSlot, {key.grid, key.index.bytes}));
    if (!TRY(rows.next())) return std::nullopt;
    const auto hash = rows.blob_of<32>(0);
    if (!hash) return malformed_row();
    return SlotRow{*hash, to_buffer(rows.blob(1))};
}

Result<void> insert_slot(sql::Transaction& tx, const IndexKey& key, const SlotRow& row) {
    TRY(tx.execute(kInsertSlot, {key.grid, key.index.bytes, row.enabler_hash, row.enabler_sealed}));
    return ok();
}

Result<void> delete_slot(sql::Transaction& tx, const IndexKey& key) {
    TRY(tx.execute(kDeleteSlot, {key.grid, key.index.bytes}));
    return ok();
}

Result<void> insert_lease(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                          const Lease& lease) {
    TRY(tx.execute(kInsertLease, {key.grid, key.index.bytes, lease.renew_hash, share,
                                  lease.cancel_hash, lease.expires}));
    return ok();
}

Result<void> put_lease(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                       const Lease& lease, const LeaseRule& rule) {
    const std::int64_t renewed = TRY(tx.execute(
        kRenewLease, {key.grid, key.index.bytes, lease.renew_hash, share, lease.expires}));
    if (renewed != 0 || rule.fresh == NewLeases::skip) return ok();
    if (rule.fresh == NewLeases::refuse)
        return fail(ErrorKind::no_space, "storage.read_only",
                    "the grid is read-only: leases can be renewed, not added");
    std::int64_t count = 0;
    {
        sql::Rows rows = TRY(tx.select(kCountLeases, {key.grid, key.index.bytes, share}));
        if (TRY(rows.next())) count = rows.integer(0);
    }
    if (count < static_cast<std::int64_t>(rule.per_share_max))
        return insert_lease(tx, key, share, lease);
    if (rule.above_limit == NewLeases::skip) return ok();
    return fail(ErrorKind::too_large, "storage.too_many_leases",
                "the share has as many leases as one may have");
}

Result<void> delete_lease(sql::Transaction& tx, const IndexKey& key, ShareNumber share,
                          const Hash& renew_hash) {
    TRY(tx.execute(kDeleteLease, {key.grid, key.index.bytes, renew_hash, share}));
    return ok();
}

Result<std::vector<LeaseInfo>> load_leases(sql::Reader& db, const IndexKey& key,
                                           ShareNumber share) {
    sql::Rows rows = TRY(db.select(kLoadLeases, {key.grid, key.index.bytes, share}));
    std::vector<LeaseInfo> out;
    while (TRY(rows.next())) {
        const auto renew = rows.blob_of<32>(0);
        const auto cancel = rows.blob_of<32>(1);
        if (!renew || !cancel) return malformed_row();
        out.push_back({*renew, *cancel, rows.integer(2)});
    }
    return out;
}

Result<UsageRow> load_usage(sql::Reader& db, GridId grid) {
    sql::Rows rows = TRY(db.select(kLoadUsage, {grid}));
    if (!TRY(rows.next())) return UsageRow{};
    return UsageRow{static_cast<std::uint64_t>(rows.integer(0)),
                    static_cast<std::uint64_t>(rows.integer(1)), rows.integer(2)};
}

Result<UsageRow> change_usage(sql::Transaction& tx, GridId grid, std::int64_t shares,
                              std::int64_t data_bytes) {
    sql::Rows rows = TRY(tx.select(kChangeUsage, {grid, shares, data_bytes}));
    if (!TRY(rows.next()) || rows.integer(0) < 0 || rows.integer(1) < 0) return malformed_row();
    const UsageRow out{static_cast<std::uint64_t>(rows.integer(0)),
                       static_cast<std::uint64_t>(rows.integer(1)), rows.integer(2)};
    while (TRY(rows.next())) {
    }
    return out;
}

Result<UsageRow> recount(sql::Reader& db, GridId grid) {
    sql::Rows rows = TRY(db.select(kRecount, {grid}));
    if (!TRY(rows.next())) return UsageRow{};
    return UsageRow{static_cast<std::uint64_t>(rows.integer(0)),
                    static_cast<std::uint64_t>(rows.integer(1)), 0};
}

Result<void> insert_intent(sql::Transaction& tx, const BlobRow& blob, std::int64_t run,
                           UnixSeconds now) {
    TRY(tx.execute(kInsertIntent, {blob.grid, blob.name, run, now}));
    return ok();
}

Result<void> delete_intent(sql::Transaction& tx, const BlobRow& blob) {
    if (!TRY(take_intent(tx, blob)))
        return fail(ErrorKind::unavailable, "storage.no_intent",
                    "the blob's intent is gone; the write must begin anew");
    return ok();
}

Result<bool> take_intent(sql::Transaction& tx, const BlobRow& blob) {
    return TRY(tx.execute(kDeleteIntent, {blob.grid, blob.name}))
    == 1;
}

Result<std::vector<BlobRow>> intents(sql::Reader& db) {
    return blob_rows(TRY(db.select(kIntents)));
}

Result<bool> is_intent(sql::Reader& db, const BlobRow& blob) {
    return any(db, kIsIntent, {blob.grid, blob.name});
}

Result<void> insert_superseded(sql::Transaction& tx, const BlobRow& blob, UnixSeconds now) {
    TRY(tx.execute(kInsertSuperseded, {blob.grid, blob.name, now}));
    return ok();
}

Result<bool> take_superseded(sql::Transaction& tx, const BlobRow& blob) {
    return TRY(tx.execute(kDeleteSuperseded, {blob.grid, blob.name}))
    == 1;
}

Result<std::vector<BlobRow>> superseded_until(sql::Reader& db, UnixSeconds until,
                                              std::size_t limit) {
    return blob_rows(TRY(db.select(kSupersededUntil, {until, limit})));
}

Result<bool> is_superseded(sql::Reader& db, const BlobRow& blob) {
    return any(db, kIsSuperseded, {blob.grid, blob.name});
}

Result<void> insert_advisory(sql::Transaction& tx, GridId grid, const Advisory& advisory,
                             std::size_t keep) {
    TRY(tx.execute(kInsertAdvisory,
                   {grid, advisory.index.bytes, advisory.share, static_cast<int>(advisory.kind),
                    advisory.at, advisory.reason}));
    TRY(tx.execute(kTrimAdvisories, {grid, keep}));
    return ok();
}

Result<std::vector<Advisory>> load_advisories(sql::Reader& db, GridId grid, std::int64_t before,
                                              std::size_t limit) {
    sql::Rows rows = TRY(db.select(kLoadAdvisories, {grid, before == 0 ? kMaxId : before, limit}));
    std::vector<Advisory> out;
    while (TRY(rows.next())) {
        const auto si = rows.blob_of<kStorageIndexBytes>(1);
        if (!si) return malformed_row();
        out.push_back({rows.integer(0), rows.integer(4), StorageIndex{*si},
                       static_cast<ShareNumber>(rows.integer(2)),
                       static_cast<ShareKind>(rows.integer(3)), std::string(rows.text(5))});
    }
    return out;
}

Result<void> delete_advisories(sql::Transaction& tx, GridId grid) {
    TRY(tx.execute(kDeleteAdvisories, {grid}));
    return ok();
}

}  // namespace s4::storage::tables
