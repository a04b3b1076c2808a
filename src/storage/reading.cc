#include "storage/reading.h"

#include <algorithm>

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

}  // namespace s4::storage
