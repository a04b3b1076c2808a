#include "storage/verify.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "storage/blob_format.h"
#include "storage/readers.h"

namespace s4::storage {
namespace {

std::unexpected<Error> damaged(const blob::Key& key, std::string_view how) {
    return fail(ErrorKind::corrupt, "storage.blob_damaged",
                fmt::format("blob {} {}", key.text(), how));
}

Result<void> check_pieces(const ShareRow& row, const std::vector<tables::Piece>& pieces) {
    std::uint64_t end = 0;
    for (const tables::Piece& piece : pieces) {
        if (piece.at.offset < end || piece.at.offset > row.length ||
            piece.at.size > row.length - piece.at.offset)
            return fail(ErrorKind::corrupt, "storage.corrupt",
                        "the pieces of a share do not fit together");
        end = piece.at.offset + piece.at.size;
    }
    return ok();
}

Result<void> check_header(const BlobHeader& header, const blob::Key& blob, const IndexKey& key,
                          const ShareRow& row, const std::vector<tables::Piece>& pieces) {
    const bool right_place = header.grid == key.grid && header.index == key.index &&
                             header.share == row.share && header.kind == row.kind &&
                             header.name == blob.name();
    if (!right_place) return damaged(blob, "is of another share than its row says");
    for (const tables::Piece& piece : pieces) {
        if (piece.blob != blob.name()) continue;
        if (piece.blob_at > header.data.size || piece.at.size > header.data.size - piece.blob_at ||
            header.data.offset + piece.blob_at != piece.at.offset)
            return damaged(blob, "holds other bytes of its share than its row says");
    }
    if (row.place == Place::blob && header.data != ByteRange{0, row.length})
        return damaged(blob, "has another length than its row says");
    return ok();
}

// What of a share lies in the database beside its row.
Result<void> check_database(sql::Reader& db, const IndexKey& key, const ShareRow& row) {
    if (row.kind == ShareKind::mutable_ && !TRY(tables::load_slot(db, key)))
        return fail(ErrorKind::corrupt, "storage.corrupt", "a slot's write enabler is gone");
    return row.place == Place::small ? tables::check_small(db, row) : ok();
}

}  // namespace

bool is_damage(const Error& error) {
    return error.is("blob.not_found") ||
           (error.kind() == ErrorKind::corrupt && error.code().starts_with("storage."));
}

rt::Task<Result<void>> Verify::share(const rt::Context& ctx, const IndexKey& key,
                                     ShareNumber number, IoBudget* budget, std::uint64_t& bytes) {
    struct Loaded {
        ShareRow row;
        std::vector<tables::Piece> pieces;
    };
    auto loaded = co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Loaded> {
        const IndexRows rows = TRY(tables::load_index(db, key));
        const ShareRow* row = find_share(rows, number);
        if (!row)
            return fail(ErrorKind::not_found, "storage.no_such_share", "there is no such share");
        Loaded out{*row, {}};
        TRY(check_database(db, key, *row));
        if (row->place == Place::blob)
            out.pieces.push_back({{0, row->length}, row->blob, 0});
        else if (row->place == Place::extents)
            out.pieces = TRY(tables::load_pieces(db, key, number, kWholeShare));
        return out;
    });
    if (!loaded) co_return fail(core_.alarm(std::move(loaded).error()));
    if (loaded->row.place == Place::small) {
        bytes += loaded->row.length;
        if (budget) CO_TRY(co_await budget->spend(ctx, loaded->row.length));
        co_return ok();
    }
    co_return co_await blobs(ctx, key, loaded->row, loaded->pieces, budget, bytes);
}

rt::Task<Result<Verify::Look>> Verify::look(const rt::Context& ctx, const tables::SharePlace& after,
                                            std::optional<GridId> only, std::size_t limit) {
    auto looked = co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Look> {
        Look out;
        for (const auto& share :
             TRY(tables::all_shares_after(db, after, only, limit, kLookBytes))) {
            ++out.shares;
            out.end = {share.key.grid, share.key.index, share.row.share};
            if (share.row.place == Place::small) {
                const auto sound = check_database(db, share.key, share.row);
                if (!sound && !is_damage(sound.error())) return fail(sound.error());
                if (sound) {
                    out.bytes += share.row.length;
                    continue;
                }
            }
            out.others.push_back(share);
        }
        return out;
    });
    if (!looked) co_return fail(core_.alarm(std::move(looked).error()));
    co_return looked;
}

rt::Task<Result<void>> Verify::blobs(const rt::Context& ctx, const IndexKey& key,
                                     const ShareRow& row, const std::vector<tables::Piece>& pieces,
                                     IoBudget* budget, std::uint64_t& bytes) {
    if (auto fit = check_pieces(row, pieces); !fit) co_return fail(core_.alarm(fit.error()));
    std::set<tables::BlobName> names;
    for (const tables::Piece& piece : pieces) names.insert(piece.blob);
    for (const tables::BlobName& name : names) {
        auto sound = co_await blob(ctx, key, row, pieces, name, budget, bytes);
        if (!sound) co_return fail(core_.alarm(std::move(sound).error()));
    }
    co_return ok();
}

rt::Task<Result<void>> Verify::blob(const rt::Context& ctx, const IndexKey& key,
                                    const ShareRow& row, const std::vector<tables::Piece>& pieces,
                                    tables::BlobName name, IoBudget* budget, std::uint64_t& bytes) {
    const BlobNames::Hold hold(core_.names, blob::Key(key.grid, name));
    const auto opened = CO_TRY(co_await core_.blobs.open(ctx, hold.key()));
    BlobVerifier verifier;
    ByteBuffer block(4 * kBlobBlockBytes);
    for (std::uint64_t at = 0;;) {
        const std::size_t n = CO_TRY(co_await opened->read_at(ctx, at, block));
        if (n == 0) break;
        at += n;
        bytes += n;
        if (auto taken = verifier.append(ByteView(block).first(n)); !taken)
            co_return fail(std::move(taken).error().with(hold.key().text()));
        if (budget) CO_TRY(co_await budget->spend(ctx, n));
    }
    if (auto whole = verifier.finish(); !whole)
        co_return fail(std::move(whole).error().with(hold.key().text()));
    co_return check_header(verifier.header(), hold.key(), key, row, pieces);
}

}  // namespace s4::storage
