#include "wire/tls_stream.h"

#include <algorithm>
#include <vector>

#include "wire/limits.h"

namespace s4::wire {

namespace {

// Ciphertext asked of the inner stream at once: little while a connection waits, much while it is
// being filled.
constexpr std::size_t kFetchBytesMin = 4 * 1024;
constexpr std::size_t kFetchBytesMax = 64 * 1024;
// Plaintext that is encrypted before it is written out, but for a rest that is not worth a write of
// its own.
constexpr std::size_t kSealBytesMax = 64 * 1024;
constexpr std::size_t kRestBytesMax = 16 * 1024;

// Moves the first `bytes` from `rest` into `out`, whose views are dropped before.
void cut(std::vector<ByteView>& rest, std::size_t bytes, std::vector<ByteView>& out) {
    out.clear();
    for (ByteView& part : rest) {
        const std::size_t n = std::min(part.size(), bytes);
        if (n > 0) out.push_back(part.first(n));
        part = part.subspan(n);
        bytes -= n;
    }
}

}  // namespace

TlsStream::TlsStream(Private, rt::Reactor& reactor, std::unique_ptr<rt::Stream> inner,
                     proto::tls::Engine engine)
    : inner_(std::move(inner)),
      engine_(std::move(engine)),
      sending_(reactor, 1),
      fetch_bytes_(kFetchBytesMin) {}

rt::Task<Result<std::unique_ptr<TlsStream>>> TlsStream::handshake(const rt::Context& ctx,
                                                                  rt::Reactor& reactor,
                                                                  std::unique_ptr<rt::Stream> inner,
                                                                  proto::tls::Engine engine,
                                                                  ByteBuffer already_read) {
    auto stream =
        std::make_unique<TlsStream>(Private{}, reactor, std::move(inner), std::move(engine));
    stream->engine_.feed(already_read);
    const rt::Context bounded = ctx.until(reactor.now() + TlsLimits{}.handshake_time_max);
    CO_TRY(co_await stream->shake(bounded));
    co_return stream;
}

rt::Task<Result<void>> TlsStream::shake(const rt::Context& ctx) {
    for (;;) {
        const auto progress = engine_.handshake();
        const auto flushed = co_await flush(ctx);  // also the alert that tells the peer why
        if (!progress) co_return fail(progress.error());
        if (!flushed) co_return fail(flushed.error());
        if (*progress == proto::tls::Engine::Progress::done) co_return ok();
        CO_TRY(co_await fetch(ctx));
    }
}

rt::Task<Result<std::size_t>> TlsStream::read_some(const rt::Context& ctx, MutByteView into) {
    using What = proto::tls::Engine::Read::What;
    for (;;) {
        const auto read = engine_.read(into);
        if (!engine_.output().empty()) {
            const auto flushed = co_await flush(ctx);
            if (read && !flushed) co_return fail(flushed.error());
        }
        if (!read) co_return fail(read.error());
        if (read->what == What::data) co_return read->bytes;
        if (read->what == What::closed) co_return std::size_t{0};
        CO_TRY(co_await fetch(ctx));
    }
}

rt::Task<Result<void>> TlsStream::write(const rt::Context& ctx, std::span<const ByteView> parts) {
    std::size_t left = 0;
    for (const ByteView part : parts) left += part.size();
    if (left <= kSealBytesMax + kRestBytesMax) {
        CO_TRY(engine_.write(parts));
        co_return co_await flush(ctx);
    }
    std::vector<ByteView> rest(parts.begin(), parts.end());
    std::vector<ByteView> now;
    while (left > 0) {
        const std::size_t n = left <= kSealBytesMax + kRestBytesMax ? left : kSealBytesMax;
        cut(rest, n, now);
        left -= n;
        CO_TRY(engine_.write(now));
        CO_TRY(co_await flush(ctx));
    }
    co_return ok();
}

rt::Task<Result<void>> TlsStream::shutdown_write(const rt::Context& ctx) {
    engine_.close();
    CO_TRY(co_await flush(ctx));
    co_return co_await inner_->shutdown_write(ctx);
}

// Writes out whatever the engine has made. Reader and writer may both come here; one at a time goes
// on.
rt::Task<Result<void>> TlsStream::flush(const rt::Context& ctx) {
    if (engine_.output().empty()) co_return ok();
    if (!sending_.try_acquire()) CO_TRY(co_await sending_.acquire(ctx));
    Result<void> written = ok();
    while (written && !engine_.output().empty()) {
        engine_.take_output(outgoing_);
        written = co_await inner_->write_all(ctx, outgoing_);
        outgoing_.clear();
    }
    sending_.release();
    co_return written;
}

rt::Task<Result<void>> TlsStream::fetch(const rt::Context& ctx) {
    if (fetch_bytes_ == kFetchBytesMin && outgoing_.capacity() > kFetchBytesMax) {
        engine_.release_buffers();
        if (outgoing_.empty()) outgoing_ = ByteBuffer();
    }
    MutByteView room = engine_.input_space(fetch_bytes_);
    room = room.first(std::min(room.size(), fetch_bytes_));
    const std::size_t n = CO_TRY(co_await inner_->read_some(ctx, room));
    if (n == 0) {
        engine_.input_ended();
        co_return ok();
    }
    engine_.input_filled(n);
    adapt(n);
    co_return ok();
}

// A peer that fills the room is sending much; one that uses little of much room has gone back to
// short messages, and the buffers of both directions are given back.
void TlsStream::adapt(std::size_t fetched) {
    if (fetched == fetch_bytes_ && fetch_bytes_ < kFetchBytesMax) {
        fetch_bytes_ *= 2;
    } else if (fetched < kFetchBytesMin && fetch_bytes_ > kFetchBytesMin) {
        fetch_bytes_ = kFetchBytesMin;
    }
}

}  // namespace s4::wire
