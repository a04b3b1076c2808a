// One write to an upload, and its beginning.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/uploads.h"

namespace s4::storage {

class Uploads::Write final : public UploadWrite {
  public:
    // With the upload's turn held, which the write gives back.
    Write(Uploads& uploads, Use upload, ByteRange range)
        : uploads_(uploads),
          upload_(std::move(upload)),
          range_(range),
          at_(range.offset),
          known_(upload_->written.inside(range)),
          sums_(upload_->sums.continuation()) {
        in_order_ = sums_.covered() == at_;
    }
    ~Write() override {
        if (!finished_ && at_ > range_.offset) upload_->stray_bytes = true;
        upload_->turn.release();
    }

    rt::Task<Result<void>> append(const rt::Context& ctx, ByteView bytes) override {
        CO_TRY(check_alive());
        if (bytes.size() > end() - at_) {
            over_ = true;
            co_return fail(ErrorKind::too_large, "storage.write_past_end",
                           "more bytes came than the write announced");
        }
        while (!bytes.empty()) {
            const ByteRange* next = next_known();
            const bool compare = next && next->offset <= at_;
            const std::uint64_t stop = !next     ? end()
                                       : compare ? next->offset + next->size
                                                 : next->offset;
            const std::size_t n =
                static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), stop - at_));
            auto done = compare ? co_await check_same(ctx, *next, bytes.first(n))
                                : co_await upload_->bytes.write(ctx, at_, bytes.first(n));
            if (!done) {
                over_ = true;
                if (at_ > range_.offset) upload_->stray_bytes = true;
                co_return done;
            }
            if (in_order_) sums_.append(bytes.first(n));
            at_ += n;
            bytes = bytes.subspan(n);
        }
        co_return ok();
    }

    rt::Task<Result<WriteAnswer>> finish(const rt::Context& ctx) override {
        CO_TRY(check_alive());
        if (at_ != end())
            co_return fail(
                ErrorKind::invalid, "storage.invalid_write_length",
                fmt::format("{} bytes came instead of {}", at_ - range_.offset, range_.size));
        CO_TRY(co_await upload_->bytes.flush(ctx));
        CO_TRY(check_alive());
        finished_ = true;
        over_ = true;
        upload_->written.add(range_);
        upload_->last_active = uploads_.core_.now();
        if (in_order_) upload_->sums.extend(sums_);
        WriteAnswer answer;
        answer.required = upload_->written.missing(upload_->size);
        if (answer.required.empty() && upload_->secret_owned()) {
            CO_TRY(co_await uploads_.commit(ctx, *upload_));
            answer.complete = true;
        }
        co_return answer;
    }

  private:
    std::uint64_t end() const { return range_.offset + range_.size; }

    Result<void> check_alive() const {
        if (upload_->gone)
            return fail(ErrorKind::not_found, "storage.no_such_upload",
                        "the upload was aborted meanwhile");
        if (over_)
            return fail(ErrorKind::invalid, "storage.invalid_write",
                        "this write has ended; begin another");
        return ok();
    }

    // The first range written earlier that ends after at_.
    const ByteRange* next_known() const {
        for (const ByteRange& range : known_)
            if (range.offset + range.size > at_) return &range;
        return nullptr;
    }

    rt::Task<Result<void>> check_same(const rt::Context& ctx, const ByteRange& known,
                                      ByteView bytes) {
        ByteBuffer stored(bytes.size());
        CO_TRY(co_await upload_->bytes.read(ctx, at_, stored));
        if (equal(stored, bytes)) co_return ok();
        co_return fail(ErrorKind::conflict, "storage.conflicting_write",
                       fmt::format("Chunk {}-{} doesn't match already written data.", known.offset,
                                   known.offset + known.size));
    }

    Uploads& uploads_;
    Use upload_;
    ByteRange range_;
    std::uint64_t at_;
    std::vector<ByteRange> known_;  // written before this write began
    BlockSums sums_;                // with the bytes of this write, if they follow in order
    bool in_order_ = false;
    bool over_ = false;
    bool finished_ = false;
};

rt::Task<Result<std::unique_ptr<UploadWrite>>> Uploads::begin_write(const rt::Context& ctx,
                                                                    const UploadKey& key,
                                                                    const UploadOwner& owner,
                                                                    ByteRange range) {
    CO_TRY(core_.writable(key.grid));
    Use upload(CO_TRY(find(key, owner)));
    if (range.offset > upload->size || range.size > upload->size - range.offset)
        co_return fail(ErrorKind::too_large, "storage.write_past_end",
                       fmt::format("the share has {} bytes; {} at {} were to be written",
                                   upload->size, range.size, range.offset));
    CO_TRY(co_await upload->turn.acquire(ctx));
    Result<void> may = ok();
    if (upload->gone)
        may = fail(ErrorKind::not_found, "storage.no_such_upload",
                   "no upload of this share is under way");
    const bool fragment =
        upload->written.pieces() >= kUploadRangesMax &&
        upload->written.inside({range.offset == 0 ? 0 : range.offset - 1, range.size + 2}).empty();
    if (may && fragment)
        may = fail(
            ErrorKind::too_large, "storage.too_many_ranges",
            fmt::format("at most {} separate ranges of a share are written", kUploadRangesMax));
    if (!may) {
        upload->turn.release();
        co_return fail(std::move(may).error());
    }
    const bool large = upload->size > core_.options.small_share_bytes_max;
    if (large && !std::exchange(upload->intending, true))
        core_.background.spawn(intend_early(upload.handle()));
    co_return std::make_unique<Write>(*this, std::move(upload), range);
}

}  // namespace s4::storage
