// Streams of bytes between two ends, and the network that makes them. Implemented by each backend,
// and by what wraps one stream in another (TLS, a splice). All calls are on the stream's reactor.
//
// At most one read and one write are under way at a time; a read and a write may overlap. Buffers
// stay the caller's and must live until the call returns. Destroying a stream aborts it; nothing
// may be under way then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "rt/context.h"
#include "rt/task.h"

namespace s4::rt {

// Where to connect or listen: an IP literal or a name, and a port (0: the system chooses when
// listening).
struct Endpoint {
    std::string host;
    std::uint16_t port = 0;

    std::string to_string() const;  // "127.0.0.1:80", "[::1]:80"
    // Accepts "HOST:PORT" and "[V6]:PORT".
    static Result<Endpoint> parse(std::string_view text);
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

class Stream {
  public:
    virtual ~Stream() = default;

    // At least one byte, or 0 at the peer's end of stream. Fails with closed, timeout (the
    // context's deadline) or cancelled.
    virtual Task<Result<std::size_t>> read_some(const Context& ctx, MutByteView into) = 0;
    // All of `parts`, in order, or an error after which the stream is useless.
    virtual Task<Result<void>> write(const Context& ctx, std::span<const ByteView> parts) = 0;
    Task<Result<void>> write_all(const Context& ctx, ByteView bytes) {
        const ByteView one[] = {bytes};
        co_return co_await write(ctx, one);
    }

    // Says "no more from me"; the peer's bytes can still be read.
    virtual Task<Result<void>> shutdown_write(const Context& ctx) = 0;
    // Ends it now, with a reset where the transport has one. What is under way fails with closed.
    // May be called any time.
    virtual void abort() = 0;

    virtual Endpoint peer() const = 0;
};

class Listener {
  public:
    virtual ~Listener() = default;
    virtual Task<Result<std::unique_ptr<Stream>>> accept(const Context& ctx) = 0;
    virtual Endpoint local() const = 0;  // with the port that the system chose
    virtual void close() = 0;
};

class Network {
  public:
    virtual ~Network() = default;
    // Fails with "rt.address_in_use" or "rt.address_unusable" and a sentence that names the
    // address.
    virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& at) = 0;
    virtual Task<Result<std::unique_ptr<Stream>>> connect(const Context& ctx,
                                                          const Endpoint& to) = 0;
    // Sockets of the file system (the control socket). listen_local makes it with mode 0600 and
    // replaces a dead one.
    virtual Result<std::unique_ptr<Listener>> listen_local(const std::string& path) = 0;
    virtual Task<Result<std::unique_ptr<Stream>>> connect_local(const Context& ctx,
                                                                const std::string& path) = 0;
};

}  // namespace s4::rt
