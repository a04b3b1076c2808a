// Engine: one end of a TLS 1.2 or 1.3 connection as bytes in, plaintext and bytes out. It owns no
// socket and asks no clock.
//
// Library holds what all connections share (one SSL_CTX); it is made once, outlives its engines,
// and may be used from several threads. An Engine belongs to one connection and to one thread at a
// time; it may be moved to another between calls. wire/tls_stream.h is its pump.
//
//   the pump reads:   engine.input_space(n) -> read from the socket into it ->
//   engine.input_filled(got) the pump writes:  engine.output() -> write to the socket ->
//   engine.output_sent(n)
// after every call that can make bytes: handshake(), read(), write(), close(). A failed call may
// leave an alert in output().
//
// Error codes: "tls.handshake" (the peer broke the protocol or shares no cipher),
// "tls.peer_certificate" (the pin does not match, or none was shown), "tls.truncated" (the stream
// ended without close_notify), "tls.protocol" (after the handshake), "tls.handshake_too_large". An
// engine that has failed stays failed.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "proto/tls/peer_policy.h"

namespace s4::proto::tls {

class Library {
  public:
    static Result<Library> create();

    struct Parts;
    const Parts& parts() const { return *parts_; }

  private:
    explicit Library(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
    std::shared_ptr<const Parts> parts_;
};

class Engine {
  public:
    // A server always shows an identity. A client shows one if the server may ask for it
    // (Foolscap), none for GBS.
    static Result<Engine> server(const Library& library, const crypto::TlsIdentity& own,
                                 const PeerPolicy& peer);
    static Result<Engine> client(const Library& library, const crypto::TlsIdentity* own,
                                 const PeerPolicy& peer);

    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    ~Engine();

    // ---- bytes from the peer
    // Room for at least `bytes`, to be filled from the front; valid until the next call of any
    // other member.
    MutByteView input_space(std::size_t bytes);
    void input_filled(std::size_t bytes);
    // The same for bytes that already lie elsewhere.
    void feed(ByteView bytes);
    // The peer's stream has ended; what was fed before is still read.
    void input_ended();

    // ---- the handshake
    enum class Progress : std::uint8_t { done, want_input };
    // Goes as far as the input allows; call it until done, before read() and write(). With TLS 1.3
    // and a client certificate, done means that the certificate has been checked (reference A.4
    // step 3).
    Result<Progress> handshake();
    bool handshake_done() const;

    // ---- plaintext
    struct Read {
        enum class What : std::uint8_t {
            data,        // `bytes` were put at the front of `out`
            want_input,  // nothing until more input comes
            closed,      // the peer sent close_notify: a clean end
        };
        What what;
        std::size_t bytes = 0;
    };
    // Fills as much of `out` as the input gives. `out` must not be empty.
    Result<Read> read(MutByteView out);

    // Encrypts all of it, in order. Short pieces share a record. Call output() between large
    // writes: the engine holds whatever it has encrypted until output_sent() takes it.
    Result<void> write(std::span<const ByteView> pieces);
    Result<void> write(ByteView piece) { return write(std::span(&piece, 1)); }

    // Queues close_notify; nothing may be written after it, reading goes on.
    void close();

    // ---- bytes to the peer
    ByteView output() const;
    void output_sent(std::size_t bytes);
    // All of it at once, into `out`, which must be empty and whose room the engine goes on with:
    // for a pump that reads while it writes, since reading can make output too.
    void take_output(ByteBuffer& out);

    // Gives back the memory of empty buffers: for a connection that waits.
    void release_buffers();

    // The certificate that the peer showed, if any; complete once the handshake is done.
    std::optional<ByteBuffer> peer_certificate_der() const;
    // "TLSv1.3"; for logs and tests.
    std::string_view version() const;

  private:
    struct Parts;
    explicit Engine(std::unique_ptr<Parts> parts);
    static Result<Engine> create(const Library& library, const crypto::TlsIdentity* own,
                                 const PeerPolicy& peer);
    std::unique_ptr<Parts> parts_;
};

}  // namespace s4::proto::tls
