#include "storage/reading.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "storage/blob_format.h"
#include "storage/readers.h"

namespace s4::storage {
namespace {

std::unexpected<Error> no_such_share() {
    return fail(ErrorKind::not_found, "storage.no_such_share", "there is no such share");
}

// What every range of a read vector lies in.
ByteRange hull(const std::vector<ByteRange>& reads) {
    std::uint64_t from = UINT64_MAX;
    std::uint64_t to = 0;
    for (const ByteRange& range : reads) {
        from = std::min(from, range.offset);
        to = std::max(
            to, range.size > UINT64_MAX - range.offset ? UINT64_MAX : range.offset + range.size);
    }
    return to > from ? ByteRange{from, to - from} : ByteRange{};
}

// The index as it is, and the mutable shares among `wanted` (all if empty) with their bytes.
Result<std::vector<MutableShare>> load_slot_shares(sql::Reader& db, const IndexKey& key,
                                                   const std::vector<ShareNumber>& wanted,
                                                   ByteRange range) {
    std::vector<MutableShare> out;
    for (const ShareRow& row : TRY(tables::load_index(db, key))) {
        if (row.kind != ShareKind::mutable_) continue;
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), row.share) == wanted.end())
            continue;
        out.push_back(TRY(load_mutable(db, key, row, range)));
    }
    return out;
}

}  // namespace

rt::Task<Result<std::vector<ShareNumber>>> Reading::list(const rt::Context& ctx, GridId grid,
                                                         const StorageIndex& index,
                                                         ShareKind kind) {
    CO_TRY(core_.policy(grid));
    const auto rows = CO_TRY(co_await core_.index(ctx, {grid, index}));
    std::vector<ShareNumber> out;
    for (const ShareRow& row : *rows)
        if (row.kind == kind) out.push_back(row.share);
    co_return out;
}

rt::Task<Result<std::shared_ptr<ShareReader>>> Reading::open(const rt::Context& ctx, GridId grid,
                                                             const StorageIndex& index,
                                                             ShareNumber share, ShareKind kind,
                                                             ByteRange wanted) {
    CO_TRY(core_.policy(grid));
    const IndexKey key{grid, index};
    if (kind == ShareKind::immutable) co_return co_await open_immutable(ctx, key, share);
    co_return co_await open_mutable(ctx, key, share, wanted);
}

rt::Task<Result<std::shared_ptr<ShareReader>>> Reading::open_immutable(const rt::Context& ctx,
                                                                       const IndexKey& key,
                                                                       ShareNumber share) {
    auto rows = core_.indexes.find(key);
    if (!rows) {
        // One trip for the index and, as it will be asked for next, the bytes of a small share.
        struct Loaded {
            IndexRows rows;
            std::optional<ByteBuffer> data;
        };
        const std::uint32_t ticket = core_.indexes.ticket(key);
        Loaded loaded = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Loaded> {
            Loaded out;
            out.rows = TRY(tables::load_index(db, key));
            const ShareRow* row = find_share(out.rows, share);
            if (row && row->kind == ShareKind::immutable && row->place == Place::small)
                out.data = TRY(tables::load_small(db, row->small_id));
            return out;
        }));
        rows = std::make_shared<const IndexRows>(std::move(loaded.rows));
        core_.indexes.fill(key, ticket, rows);
        if (loaded.data) {
            const std::uint64_t weight = loaded.data->size() + 64;
            core_.small_shares.put(find_share(*rows, share)->small_id,
                                   std::make_shared<const ByteBuffer>(std::move(*loaded.data)),
                                   weight);
        }
    }
    const ShareRow* row = find_share(*rows, share);
    if (!row || row->kind != ShareKind::immutable) co_return no_such_share();
    co_return make_immutable_reader(core_, key, *row);
}

rt::Task<Result<std::shared_ptr<ShareReader>>> Reading::open_mutable(const rt::Context& ctx,
                                                                     const IndexKey& key,
                                                                     ShareNumber share,
                                                                     ByteRange wanted) {
    const std::vector<ShareNumber> one = {share};
    auto loaded = CO_TRY(co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return load_slot_shares(db, key, one, wanted); }));
    if (loaded.empty()) co_return no_such_share();
    co_return make_mutable_reader(core_, key, std::move(loaded.front()));
}

rt::Task<Result<std::vector<std::shared_ptr<ShareReader>>>> Reading::open_all(
    const rt::Context& ctx, GridId grid, const StorageIndex& index, ShareKind kind) {
    CO_TRY(core_.policy(grid));
    const IndexKey key{grid, index};
    std::vector<std::shared_ptr<ShareReader>> out;
    if (kind == ShareKind::immutable) {
        const auto rows = CO_TRY(co_await core_.index(ctx, key));
        for (const ShareRow& row : *rows)
            if (row.kind == kind) out.push_back(make_immutable_reader(core_, key, row));
        co_return out;
    }
    auto loaded = CO_TRY(co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return load_slot_shares(db, key, {}, kWholeShare); }));
    for (MutableShare& share : loaded)
        out.push_back(make_mutable_reader(core_, key, std::move(share)));
    co_return out;
}

rt::Task<Result<std::vector<ShareExtracts>>> Reading::read_slot(const rt::Context& ctx, GridId grid,
                                                                const StorageIndex& index,
                                                                std::vector<ShareNumber> shares,
                                                                std::vector<ByteRange> reads) {
    CO_TRY(core_.policy(grid));
    const IndexKey key{grid, index};
    const ByteRange range = hull(reads);
    auto loaded = CO_TRY(co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return load_slot_shares(db, key, shares, range); }));
    std::vector<ShareExtracts> out;
    for (MutableShare& share : loaded)
        out.push_back(extract(make_mutable_reader(core_, key, std::move(share)), reads));
    co_return out;
}

rt::Task<Result<void>> Reading::verify(const rt::Context& ctx, GridId grid,
                                       const StorageIndex& index, ShareNumber share) {
    const IndexKey key{grid, index};
    struct Loaded {
        ShareRow row;
        std::vector<tables::Piece> pieces;
    };
    const Loaded loaded =
        CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Loaded> {
            const IndexRows rows = TRY(tables::load_index(db, key));
            const ShareRow* row = find_share(rows, share);
            if (!row) return no_such_share();
            if (row->kind == ShareKind::mutable_) {
                MutableShare found = TRY(load_mutable(db, key, *row, kWholeShare));
                return Loaded{*row, std::move(found.pieces)};
            }
            if (row->place == Place::small) {
                const auto data = TRY(tables::load_small(db, row->small_id));
                if (!data || data->size() != row->length)
                    return fail(ErrorKind::corrupt, "storage.corrupt",
                                "a small share's bytes do not belong to its row");
            }
            return Loaded{*row, {}};
        }));
    std::set<tables::BlobName> names;
    for (const tables::Piece& piece : loaded.pieces) names.insert(piece.blob);
    if (loaded.row.place == Place::blob) names.insert(loaded.row.blob);
    for (const tables::BlobName& name : names)
        CO_TRY(co_await verify_blob(ctx, key, loaded.row, name));
    co_return ok();
}

rt::Task<Result<void>> Reading::verify_blob(const rt::Context& ctx, const IndexKey& key,
                                            const ShareRow& row, tables::BlobName name) {
    const BlobNames::Hold hold(core_.names, blob::Key(key.grid, name));
    auto opened = co_await core_.blobs.open(ctx, hold.key());
    if (!opened) co_return fail(core_.alarm(std::move(opened).error()));
    BlobVerifier verifier;
    ByteBuffer block(4 * kBlobBlockBytes);
    for (std::uint64_t at = 0;;) {
        const std::size_t n = CO_TRY(co_await (*opened)->read_at(ctx, at, block));
        if (n == 0) break;
        if (auto taken = verifier.append(ByteView(block).first(n)); !taken)
            co_return fail(core_.alarm(std::move(taken).error().with(hold.key().text())));
        at += n;
    }
    if (auto whole = verifier.finish(); !whole)
        co_return fail(core_.alarm(std::move(whole).error().with(hold.key().text())));
    const BlobHeader& header = verifier.header();
    const bool right_place = header.grid == key.grid && header.index == key.index &&
                             header.share == row.share && header.kind == row.kind &&
                             header.name == name;
    const bool right_length = row.place != Place::blob || header.data == ByteRange{0, row.length};
    if (!right_place || !right_length)
        co_return fail(core_.alarm(Error(
            ErrorKind::corrupt, "storage.blob_damaged",
            fmt::format("blob {} is of another share than its row says", hold.key().text()))));
    co_return ok();
}

}  // namespace s4::storage
