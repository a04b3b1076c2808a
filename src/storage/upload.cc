#include "storage/upload.h"

#include <algorithm>

namespace s4::storage {

rt::Task<Result<void>> UploadBytes::begin_draft(const rt::Context& ctx) {
    if (draft_) co_return ok();
    auto draft = co_await core_.blobs.begin(ctx);
    if (!draft) co_return fail(core_.alarm(std::move(draft).error()));
    draft_ = std::move(*draft);
    co_return ok();
}

rt::Task<Result<void>> UploadBytes::write(const rt::Context& ctx, std::uint64_t offset,
                                          ByteView bytes) {
    const bool small = size_ <= core_.options.small_share_bytes_max;
    const bool fits = memory_of_all_ + size_ <= kUploadMemoryBytesMax;
    if (memory_.empty() && !draft_ && small && fits) {
        memory_.resize(static_cast<std::size_t>(size_));
        memory_of_all_ += size_;
    }
    if (!memory_.empty()) {
        std::copy(bytes.begin(), bytes.end(),
                  memory_.begin() + static_cast<std::ptrdiff_t>(offset));
        co_return ok();
    }
    CO_TRY(co_await begin_draft(ctx));
    const bool follows = !gather_.empty() && offset == gather_at_ + gather_.size();
    if (!gather_.empty() && (!follows || gather_.size() + bytes.size() > kUploadGatherBytes)) {
        CO_TRY(co_await write_draft(ctx, gather_at_, gather_));
        gather_.clear();
    }
    if (gather_.capacity() == 0 && memory_of_all_ + kUploadGatherBytes <= kUploadMemoryBytesMax) {
        gather_.reserve(static_cast<std::size_t>(kUploadGatherBytes));
        memory_of_all_ += gather_.capacity();
    }
    if (gather_.size() + bytes.size() > gather_.capacity())
        co_return co_await write_draft(ctx, offset, bytes);
    if (gather_.empty()) gather_at_ = offset;
    append(gather_, bytes);
    co_return ok();
}

rt::Task<Result<void>> UploadBytes::flush(const rt::Context& ctx) {
    if (!gather_.empty()) CO_TRY(co_await write_draft(ctx, gather_at_, gather_));
    memory_of_all_ -= gather_.capacity();
    gather_ = ByteBuffer();
    co_return ok();
}

rt::Task<Result<void>> UploadBytes::write_draft(const rt::Context& ctx, std::uint64_t offset,
                                                ByteView bytes) {
    auto done = co_await draft_->write_at(ctx, kBlobHeaderBytes + offset, bytes);
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    co_return ok();
}

rt::Task<Result<void>> UploadBytes::read(const rt::Context& ctx, std::uint64_t offset,
                                         MutByteView into) {
    std::fill(into.begin(), into.end(), 0);
    if (!memory_.empty()) {
        std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(),
                    into.begin());
        co_return ok();
    }
    if (!draft_) co_return ok();
    CO_TRY(co_await flush(ctx));
    auto n = co_await draft_->read_at(ctx, kBlobHeaderBytes + offset, into);
    if (!n) co_return fail(core_.alarm(std::move(n).error()));
    co_return ok();
}

rt::Task<Result<void>> UploadBytes::write_zeros(const rt::Context& ctx, ByteRange range) {
    const ByteBuffer zeros(
        static_cast<std::size_t>(std::min<std::uint64_t>(range.size, kBlobBlockBytes)));
    while (range.size != 0) {
        const std::size_t n =
            static_cast<std::size_t>(std::min<std::uint64_t>(range.size, zeros.size()));
        CO_TRY(co_await write(ctx, range.offset, ByteView(zeros).first(n)));
        range = {range.offset + n, range.size - n};
    }
    co_return ok();
}

rt::Task<Result<ByteBuffer>> UploadBytes::whole(const rt::Context& ctx) {
    if (!memory_.empty()) co_return memory_;
    ByteBuffer out(static_cast<std::size_t>(size_));
    CO_TRY(co_await read(ctx, 0, out));
    co_return out;
}

}  // namespace s4::storage
