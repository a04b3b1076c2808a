// TlsStream: an rt::Stream inside TLS over another rt::Stream. Made by a handshake, which a server
// does after accepting and a client after connecting; from then on it is used like any stream, on
// its reactor's thread.
//
// read_some() tells the peer's close_notify as the end of the stream, and a stream that was cut as
// the error "tls.truncated". shutdown_write() sends close_notify.
#pragma once

#include <memory>

#include "proto/tls/engine.h"
#include "rt/stream.h"
#include "rt/sync.h"

namespace s4::wire {

class TlsStream final : public rt::Stream {
  public:
    // Takes both over; `already_read` are bytes of the peer that were read before TLS was known to
    // be spoken. Bounded by the context's deadline. On failure the alert is still sent and the
    // inner stream is dropped. Errors as proto::tls::Engine and rt::Stream.
    static rt::Task<Result<std::unique_ptr<TlsStream>>> handshake(const rt::Context& ctx,
                                                                  rt::Reactor& reactor,
                                                                  std::unique_ptr<rt::Stream> inner,
                                                                  proto::tls::Engine engine,
                                                                  ByteBuffer already_read = {});

    rt::Task<Result<std::size_t>> read_some(const rt::Context& ctx, MutByteView into) override;
    rt::Task<Result<void>> write(const rt::Context& ctx, std::span<const ByteView> parts) override;
    rt::Task<Result<void>> shutdown_write(const rt::Context& ctx) override;
    void abort() override { inner_->abort(); }
    rt::Endpoint peer() const override { return inner_->peer(); }

    // What the handshake settled: the peer's certificate, the version.
    const proto::tls::Engine& engine() const { return engine_; }

    // Public for make_unique; use handshake().
    struct Private {};
    TlsStream(Private, rt::Reactor& reactor, std::unique_ptr<rt::Stream> inner,
              proto::tls::Engine engine);

  private:
    rt::Task<Result<void>> shake(const rt::Context& ctx);
    rt::Task<Result<void>> flush(const rt::Context& ctx);
    rt::Task<Result<void>> fetch(const rt::Context& ctx);
    void adapt(std::size_t fetched);

    std::unique_ptr<rt::Stream> inner_;
    proto::tls::Engine engine_;
    rt::Semaphore sending_;    // held while the inner stream is written to
    ByteBuffer outgoing_;      // what is being written, taken from the engine
    std::size_t fetch_bytes_;  // how much is asked of the inner stream at once
};

}  // namespace s4::wire
