#include "transfer/skipped_list.h"

#include "codec/json.h"
#include "codec/utf8.h"
#include "rt/pool.h"
#include "transfer/limits.h"

namespace s4::transfer {

rt::Task<Result<void>> SkippedList::add(const rt::Context& ctx, std::string_view file,
                                        std::string_view reason) {
    // Names on a disk may be any bytes.
    const std::string name =
        codec::utf8::is_valid(as_bytes(file)) ? std::string(file) : "(a name that is no text)";
    append(buffer_, codec::json::to_text(codec::json::Value(
                        codec::json::Object{{"file", name}, {"reason", reason}})));
    append(buffer_, "\n");
    ++count_;
    if (buffer_.size() < kSkippedBufferBytes) co_return ok();
    CO_TRY(co_await turn_.acquire(ctx));
    const Result<void> done =
        co_await rt::run_on(runtime_.pool, runtime_.reactor, [this] { return write_out(); });
    turn_.release();
    co_return done;
}

rt::Task<Result<void>> SkippedList::finish(const rt::Context& ctx) {
    CO_TRY(co_await turn_.acquire(ctx));
    const Result<void> done =
        co_await rt::run_on(runtime_.pool, runtime_.reactor, [this]() -> Result<void> {
            (void)runtime_.files.remove(path_);
            if (count_ == 0) return ok();
            TRY(write_out());
            return runtime_.files.rename(path_ + ".new", path_);
        });
    turn_.release();
    co_return done;
}

Result<void> SkippedList::write_out() {
    const auto file = TRY(runtime_.files.open(path_ + ".new", rt::OpenMode::create));
    if (written_bytes_ == 0) TRY(file->truncate(0));
    TRY(file->write_at(written_bytes_, buffer_));
    written_bytes_ += buffer_.size();
    buffer_.clear();
    return file->sync();
}

}  // namespace s4::transfer
