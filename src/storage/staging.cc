#include "storage/staging.h"

#include <algorithm>

namespace s4::storage {

rt::Task<Result<void>> MemoryThenFile::append(const rt::Context& ctx, ByteView bytes) {
    while (!bytes.empty()) {
        const std::size_t n = std::min<std::size_t>(
            bytes.size(), static_cast<std::size_t>(kStagingMemoryBytes) - memory_.size());
        s4::append(memory_, bytes.first(n));
        bytes = bytes.subspan(n);
        if (!bytes.empty()) CO_TRY(co_await flush(ctx));
    }
    co_return ok();
}

rt::Task<Result<void>> MemoryThenFile::flush(const rt::Context& ctx) {
    if (!draft_) {
        auto draft = co_await core_.blobs.begin(ctx);
        if (!draft) co_return fail(core_.alarm(std::move(draft).error()));
        draft_ = std::move(*draft);
    }
    auto done = co_await draft_->write_at(ctx, in_file_, memory_);
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    in_file_ += memory_.size();
    memory_.clear();
    co_return ok();
}

rt::Task<Result<void>> MemoryThenFile::read(const rt::Context& ctx, std::uint64_t offset,
                                            MutByteView into) {
    if (offset < in_file_) {
        const MutByteView part = into.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), in_file_ - offset)));
        const std::size_t n = CO_TRY(co_await draft_->read_at(ctx, offset, part));
        if (n != part.size())
            co_return fail(core_.alarm(
                Error(ErrorKind::io, "storage.staging_lost", "a temporary file was cut short")));
        offset += n;
        into = into.subspan(n);
    }
    if (!into.empty())
        std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset - in_file_), into.size(),
                    into.begin());
    co_return ok();
}

}  // namespace s4::storage
