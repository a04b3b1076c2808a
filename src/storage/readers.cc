#include "storage/readers.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "storage/blob_format.h"

namespace s4::storage {
namespace {

std::unexpected<Error> gone() {
    return fail(ErrorKind::not_found, "storage.no_such_share", "the share was deleted");
}

Result<void> check_size(std::size_t size) {
    if (size > kReadBytesMax)
        return fail(ErrorKind::too_large, "storage.too_many_bytes",
                    fmt::format("at most {} bytes are read at a time", kReadBytesMax));
    return ok();
}

// Fills `into` from the blob's data at `at`; less is damage. What was stored or read a short time
// ago needs no trip to the pool.
rt::Task<Result<void>> read_blob(Core& core, const rt::Context& ctx, blob::Key key,
                                 std::uint64_t at, MutByteView into) {
    const auto blob = CO_TRY(co_await core.open_blob(ctx, key));
    const std::size_t at_hand = blob->read_at_hand(kBlobHeaderBytes + at, into);
    if (at_hand == into.size()) co_return ok();
    into = into.subspan(at_hand);
    auto n = co_await blob->read_at(ctx, kBlobHeaderBytes + at + at_hand, into);
    if (!n) co_return fail(core.alarm(std::move(n).error()));
    if (*n != into.size())
        co_return fail(core.alarm(Error(ErrorKind::corrupt, "storage.blob_damaged",
                                        fmt::format("blob {} is cut short", key.text()))));
    co_return ok();
}

class SmallReader final : public ShareReader {
  public:
    SmallReader(Core& core, const ShareRow& row)
        : ShareReader(row.share, row.kind, row.length), core_(core), small_id_(row.small_id) {}

    rt::Task<Result<ByteView>> read(const rt::Context& ctx, std::uint64_t offset, std::size_t size,
                                    ByteBuffer& scratch) override {
        CO_TRY(check_size(size));
        const auto* cached = core_.small_shares.find(small_id_);
        std::shared_ptr<const ByteBuffer> data = cached ? *cached : nullptr;
        if (!data) {
            auto loaded = CO_TRY(co_await core_.db.read(
                ctx, [id = small_id_](sql::Reader& db) { return tables::load_small(db, id); }));
            if (!loaded) co_return gone();
            data = std::make_shared<const ByteBuffer>(std::move(*loaded));
            core_.small_shares.put(small_id_, data, data->size() + 64);
        }
        const ByteRange range = clip({offset, size}, data->size());
        const auto from = data->begin() + static_cast<std::ptrdiff_t>(range.offset);
        scratch.assign(from, from + static_cast<std::ptrdiff_t>(range.size));
        co_return ByteView(scratch);
    }

  private:
    Core& core_;
    std::int64_t small_id_;
};

class BlobReader final : public ShareReader {
  public:
    BlobReader(Core& core, const ShareRow& row, const blob::Key& key)
        : ShareReader(row.share, row.kind, row.length), core_(core), hold_(core.names, key) {}

    rt::Task<Result<ByteView>> read(const rt::Context& ctx, std::uint64_t offset, std::size_t size,
                                    ByteBuffer& scratch) override {
        CO_TRY(check_size(size));
        const ByteRange range = clip({offset, size}, length());
        scratch.resize(static_cast<std::size_t>(range.size));
        if (range.size != 0)
            CO_TRY(co_await read_blob(core_, ctx, hold_.key(), range.offset, scratch));
        co_return ByteView(scratch);
    }

  private:
    Core& core_;
    BlobNames::Hold hold_;
};

class MemoryReader final : public ShareReader {
  public:
    MemoryReader(const ShareRow& row, ByteBuffer data)
        : ShareReader(row.share, row.kind, row.length), data_(std::move(data)) {}

    rt::Task<Result<ByteView>> read(const rt::Context&, std::uint64_t offset, std::size_t size,
                                    ByteBuffer&) override {
        CO_TRY(check_size(size));
        const ByteRange range = clip({offset, size}, data_.size());
        co_return ByteView(data_).subspan(static_cast<std::size_t>(range.offset),
                                          static_cast<std::size_t>(range.size));
    }

  private:
    ByteBuffer data_;
};

class ExtentReader final : public ShareReader {
  public:
    ExtentReader(Core& core, const IndexKey& key, MutableShare share)
        : ShareReader(share.row.share, share.row.kind, share.row.length),
          core_(core),
          pieces_(std::move(share.pieces)) {
        holds_.reserve(pieces_.size());
        for (const tables::Piece& piece : pieces_)
            holds_.emplace_back(core.names, blob::Key(key.grid, piece.blob));
    }

    rt::Task<Result<ByteView>> read(const rt::Context& ctx, std::uint64_t offset, std::size_t size,
                                    ByteBuffer& scratch) override {
        CO_TRY(check_size(size));
        const ByteRange range = clip({offset, size}, length());
        scratch.assign(static_cast<std::size_t>(range.size), 0);
        const std::uint64_t end = range.offset + range.size;
        auto piece = std::upper_bound(
            pieces_.begin(), pieces_.end(), range.offset,
            [](std::uint64_t at, const tables::Piece& p) { return at < p.at.offset + p.at.size; });
        for (; piece != pieces_.end() && piece->at.offset < end; ++piece) {
            const std::uint64_t from = std::max(range.offset, piece->at.offset);
            const std::uint64_t to = std::min(end, piece->at.offset + piece->at.size);
            const auto& hold = holds_[static_cast<std::size_t>(piece - pieces_.begin())];
            CO_TRY(co_await read_blob(
                core_, ctx, hold.key(), piece->blob_at + (from - piece->at.offset),
                MutByteView(scratch).subspan(static_cast<std::size_t>(from - range.offset),
                                             static_cast<std::size_t>(to - from))));
        }
        co_return ByteView(scratch);
    }

  private:
    Core& core_;
    std::vector<tables::Piece> pieces_;
    std::vector<BlobNames::Hold> holds_;  // of the piece at the same place
};

}  // namespace

ByteRange clip(ByteRange range, std::uint64_t length) {
    if (range.offset >= length) return {length, 0};
    return {range.offset, std::min(range.size, length - range.offset)};
}

Result<MutableShare> load_mutable(sql::Reader& db, const IndexKey& key, const ShareRow& row,
                                  ByteRange wanted) {
    MutableShare out;
    out.row = row;
    if (row.place == Place::extents) {
        out.pieces = TRY(tables::load_pieces(db, key, row.share, wanted));
        return out;
    }
    auto data = TRY(tables::load_small(db, row.small_id));
    if (!data || data->size() != row.length)
        return fail(ErrorKind::corrupt, "storage.corrupt",
                    "a small share's bytes do not belong to its row");
    out.data = std::move(*data);
    return out;
}

std::shared_ptr<ShareReader> make_immutable_reader(Core& core, const IndexKey& key,
                                                   const ShareRow& row) {
    if (row.place == Place::small) return std::make_shared<SmallReader>(core, row);
    return std::make_shared<BlobReader>(core, row, blob::Key(key.grid, row.blob));
}

std::shared_ptr<ShareReader> make_mutable_reader(Core& core, const IndexKey& key,
                                                 MutableShare share) {
    if (share.row.place == Place::small)
        return std::make_shared<MemoryReader>(share.row, std::move(share.data));
    return std::make_shared<ExtentReader>(core, key, std::move(share));
}

ShareExtracts extract(std::shared_ptr<ShareReader> reader, const std::vector<ByteRange>& reads) {
    ShareExtracts out;
    out.share = reader->share();
    out.items.reserve(reads.size());
    for (const ByteRange& range : reads)
        out.items.push_back({reader, clip(range, reader->length())});
    return out;
}

}  // namespace s4::storage
