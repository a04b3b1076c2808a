#include "rt/asio/network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>

#include "base/check.h"
#include "rt/files.h"
#include "rt/sync.h"

namespace s4::rt::asio {
namespace {

namespace net = boost::asio;
using ErrorCode = boost::system::error_code;
using net::ip::tcp;
using Local = net::local::stream_protocol;

constexpr int kBacklog = 4096;
constexpr std::size_t kGatherPartsMax = 16;
// How long accepting rests when the process has no descriptor left; connections wait in the
// backlog.
constexpr Duration kNoDescriptorPause = std::chrono::milliseconds(100);

Error stream_error(const ErrorCode& code) {
    if (code == net::error::connection_reset || code == net::error::broken_pipe ||
        code == net::error::eof || code == net::error::operation_aborted ||
        code == net::error::bad_descriptor || code == net::error::connection_aborted ||
        code == net::error::not_connected)
        return Error(ErrorKind::closed, "rt.closed", "the connection is closed");
    return Error(ErrorKind::io, "rt.network", code.message());
}

Error closed_error() {
    return Error(ErrorKind::closed, "rt.closed", "the connection is closed");
}

template <typename Socket>
void cancel_all(Socket& socket) {
    ErrorCode ignored;
    socket.cancel(ignored);
}
void cancel_all(tcp::resolver& resolver) {
    resolver.cancel();
}

template <typename Socket>
bool is_usable(const Socket& socket) {
    return socket.is_open();
}
bool is_usable(const tcp::resolver&) {
    return true;
}

struct Done {
    ErrorCode code;
    std::size_t bytes = 0;
};

// Waits for one asynchronous operation of `Socket` that `start` begins. Asio cancels all operations
// of a socket together, so the one whose context did not end is begun again. `start` is called with
// the completion handler.
template <typename Socket, typename Start>
Task<Result<Done>> operate(AsioReactor& reactor, Socket& socket, const Context& ctx, Start start) {
    if (ctx.cancel.cancelled()) co_return fail(cancelled_error());
    std::optional<Error> ended;
    const auto end = [&](Error why) {
        ended = std::move(why);
        cancel_all(socket);
    };
    TimerId timer = 0;
    if (ctx.deadline != kNoDeadline) {
        timer = reactor.call_at(ctx.deadline, [&] {
            timer = 0;
            end(deadline_error());
        });
    }
    Done done;
    {
        CancelRegistration cancel(ctx.cancel, [&] { end(cancelled_error()); });
        do {
            OneShot<Done> outcome;
            start([&outcome](const ErrorCode& code, std::size_t bytes) {
                outcome.set({code, bytes});
            });
            done = co_await outcome;
        } while (done.code == net::error::operation_aborted && !ended && is_usable(socket));
    }
    if (timer != 0) reactor.cancel(timer);
    if (done.code == net::error::operation_aborted && ended) co_return fail(std::move(*ended));
    co_return done;
}

template <typename Socket>
class SocketStream final : public Stream {
  public:
    SocketStream(AsioReactor& reactor, Socket socket, Endpoint peer)
        : reactor_(reactor), socket_(std::move(socket)), peer_(std::move(peer)) {
        ErrorCode ignored;
        socket_.non_blocking(true, ignored);
    }

    Task<Result<std::size_t>> read_some(const Context& ctx, MutByteView into) override {
        CHECK(!into.empty(), "a read has room for at least one byte");
        if (!socket_.is_open()) co_return fail(closed_error());
        const Done done = CO_TRY(co_await operate(reactor_, socket_, ctx, [&](auto handler) {
            socket_.async_read_some(net::buffer(into.data(), into.size()), std::move(handler));
        }));
        if (done.code == net::error::eof) co_return std::size_t{0};
        if (done.code) co_return fail(stream_error(done.code));
        co_return done.bytes;
    }

    Task<Result<void>> write(const Context& ctx, std::span<const ByteView> parts) override {
        if (!socket_.is_open()) co_return fail(closed_error());
        Gather left(parts);
        while (!left.empty()) {
            // Most writes fit into the socket's buffer at once.
            const ssize_t sent = left.send(socket_.native_handle());
            if (sent >= 0) {
                left.advance(static_cast<std::size_t>(sent));
                continue;
            }
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                co_return fail(stream_error(ErrorCode(errno, boost::system::system_category())));
            const Done done = CO_TRY(co_await operate(reactor_, socket_, ctx, [&](auto handler) {
                socket_.async_write_some(net::buffer(left.front().data(), left.front().size()),
                                         std::move(handler));
            }));
            if (done.code) co_return fail(stream_error(done.code));
            left.advance(done.bytes);
        }
        co_return ok();
    }

    Task<Result<void>> shutdown_write(const Context&) override {
        ErrorCode code;
        socket_.shutdown(Socket::shutdown_send, code);
        if (code) co_return fail(stream_error(code));
        co_return ok();
    }

    void abort() override {
        if (!socket_.is_open()) return;
        ErrorCode ignored;
        socket_.set_option(net::socket_base::linger(true, 0), ignored);
        socket_.close(ignored);  // with linger 0: a reset; what is under way ends as closed
    }

    Endpoint peer() const override { return peer_; }

  private:
    // What of the parts is not sent yet.
    class Gather {
      public:
        explicit Gather(std::span<const ByteView> parts) : parts_(parts) { skip_empty(); }

        bool empty() const { return parts_.empty(); }
        ByteView front() const { return parts_.front().subspan(at_); }
        void advance(std::size_t bytes) {
            while (bytes > 0) {
                const std::size_t here = std::min(bytes, parts_.front().size() - at_);
                at_ += here;
                bytes -= here;
                skip_empty();
            }
        }
        ssize_t send(int descriptor) const {
            std::array<iovec, kGatherPartsMax> pieces;
            std::size_t count = 0;
            for (std::size_t i = 0; i < parts_.size() && count < pieces.size(); ++i) {
                const ByteView part = i == 0 ? front() : parts_[i];
                if (part.empty()) continue;
                pieces[count++] = {const_cast<std::uint8_t*>(part.data()), part.size()};
            }
            msghdr message{};
            message.msg_iov = pieces.data();
            message.msg_iovlen = count;
            return ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
        }

      private:
        void skip_empty() {
            while (!parts_.empty() && at_ == parts_.front().size()) {
                parts_ = parts_.subspan(1);
                at_ = 0;
            }
        }

        std::span<const ByteView> parts_;
        std::size_t at_ = 0;  // in the first
    };

    AsioReactor& reactor_;
    Socket socket_;
    Endpoint peer_;
};

Endpoint endpoint_of(const tcp::endpoint& endpoint) {
    net::ip::address address = endpoint.address();
    // A peer over IPv4 on a dual-stack socket is an IPv4 peer, for limits and for logs.
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        address = net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6());
    return {address.to_string(), endpoint.port()};
}
Endpoint endpoint_of(const Local::endpoint& endpoint) {
    return {endpoint.path(), 0};
}

template <typename Protocol>
class SocketListener final : public Listener {
  public:
    using Acceptor = typename Protocol::acceptor;
    using Socket = typename Protocol::socket;

    SocketListener(AsioReactor& reactor, Acceptor acceptor, Endpoint local)
        : reactor_(reactor), acceptor_(std::move(acceptor)), local_(std::move(local)) {}

    Task<Result<std::unique_ptr<Stream>>> accept(const Context& ctx) override {
        for (;;) {
            if (!acceptor_.is_open()) co_return fail(closed_error());
            Socket socket(reactor_.io());
            typename Protocol::endpoint peer;
            const Done done = CO_TRY(co_await operate(reactor_, acceptor_, ctx, [&](auto handler) {
                acceptor_.async_accept(
                    socket, peer,
                    [handler = std::move(handler)](const ErrorCode& code) { handler(code, 0); });
            }));
            if (!done.code) {
                if constexpr (std::is_same_v<Protocol, tcp>) {
                    ErrorCode ignored;
                    socket.set_option(tcp::no_delay(true), ignored);
                }
                co_return std::make_unique<SocketStream<Socket>>(reactor_, std::move(socket),
                                                                 endpoint_of(peer));
            }
            if (!acceptor_.is_open()) co_return fail(closed_error());
            if (done.code == net::error::no_descriptors ||
                done.code == net::error::no_buffer_space || done.code == net::error::no_memory ||
                done.code.value() == ENFILE) {
                CO_TRY(co_await sleep(reactor_, ctx, kNoDescriptorPause));
            }
            // Anything else concerned only the connection that was to be accepted.
        }
    }

    Endpoint local() const override { return local_; }
    void close() override {
        ErrorCode ignored;
        acceptor_.close(ignored);
    }

  private:
    AsioReactor& reactor_;
    Acceptor acceptor_;
    Endpoint local_;
};

Result<tcp::endpoint> resolve_to_listen(AsioReactor& reactor, const Endpoint& at) {
    ErrorCode code;
    const net::ip::address literal = net::ip::make_address(at.host, code);
    if (!code) return tcp::endpoint(literal, at.port);
    tcp::resolver resolver(reactor.io());
    const auto found =
        resolver.resolve(at.host, std::to_string(at.port), tcp::resolver::passive, code);
    if (code || found.empty())
        return fail(ErrorKind::invalid, "rt.address_unusable",
                    fmt::format("'{}' is not a name or address of this machine; give one that is, "
                                "for example 127.0.0.1",
                                at.host));
    return found.begin()->endpoint();
}

std::unexpected<Error> refuse_to_listen(const Endpoint& at, const ErrorCode& code) {
    if (code == net::error::address_in_use)
        return fail(ErrorKind::conflict, "rt.address_in_use",
                    fmt::format("{} is taken by another program; stop that or give another port",
                                at.to_string()));
    return fail(
        ErrorKind::invalid, "rt.address_unusable",
        fmt::format("cannot listen on {}: {}; give an address of this machine and a free port",
                    at.to_string(), code.message()));
}

// A local socket's path may be longer than the 107 bytes of its address: reached through its
// folder's descriptor, it always fits. Owns that descriptor while it is used.
class LocalPath {
  public:
    explicit LocalPath(const std::string& path)
        : folder_(::open(parent_path(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
        const std::size_t slash = path.rfind('/');
        short_ = fmt::format("/proc/self/fd/{}/{}", folder_,
                             slash == std::string::npos ? path : path.substr(slash + 1));
    }
    LocalPath(const LocalPath&) = delete;
    LocalPath& operator=(const LocalPath&) = delete;
    ~LocalPath() {
        if (folder_ >= 0) ::close(folder_);
    }

    bool usable() const { return folder_ >= 0 && short_.size() < sizeof(sockaddr_un::sun_path); }
    const std::string& text() const { return short_; }

  private:
    int folder_;
    std::string short_;
};

}  // namespace

Result<std::unique_ptr<Listener>> AsioNetwork::listen(const Endpoint& at) {
    const tcp::endpoint wanted = TRY(resolve_to_listen(reactor_, at));
    tcp::acceptor acceptor(reactor_.io());
    ErrorCode code;
    acceptor.open(wanted.protocol(), code);
    if (!code) acceptor.set_option(net::socket_base::reuse_address(true), code);
    if (!code) acceptor.bind(wanted, code);
    if (!code) acceptor.listen(kBacklog, code);
    if (code) return refuse_to_listen(at, code);
    Endpoint bound = at;
    bound.port = acceptor.local_endpoint(code).port();
    return std::make_unique<SocketListener<tcp>>(reactor_, std::move(acceptor), std::move(bound));
}

Task<Result<std::unique_ptr<Stream>>> AsioNetwork::connect(const Context& ctx, const Endpoint& to) {
    std::vector<tcp::endpoint> candidates;
    ErrorCode code;
    if (const net::ip::address literal = net::ip::make_address(to.host, code); !code) {
        candidates.emplace_back(literal, to.port);
    } else {
        tcp::resolver resolver(reactor_.io());
        tcp::resolver::results_type found;
        const Done done = CO_TRY(co_await operate(reactor_, resolver, ctx, [&](auto handler) {
            resolver.async_resolve(
                to.host, std::to_string(to.port),
                [&found, handler = std::move(handler)](const ErrorCode& error, auto results) {
                    found = std::move(results);
                    handler(error, 0);
                });
        }));
        code = done.code;
        for (const auto& entry : found) candidates.push_back(entry.endpoint());
    }
    for (const tcp::endpoint& candidate : candidates) {
        tcp::socket socket(reactor_.io());
        socket.open(candidate.protocol(), code);
        if (code) continue;
        const Done done = CO_TRY(co_await operate(reactor_, socket, ctx, [&](auto handler) {
            socket.async_connect(candidate, [handler = std::move(handler)](const ErrorCode& error) {
                handler(error, 0);
            });
        }));
        code = done.code;
        if (code) continue;
        ErrorCode ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        co_return std::make_unique<SocketStream<tcp::socket>>(reactor_, std::move(socket),
                                                              endpoint_of(candidate));
    }
    co_return fail(ErrorKind::closed, "rt.unreachable",
                   fmt::format("cannot connect to {}: {}", to.to_string(), code.message()));
}

Result<std::unique_ptr<Listener>> AsioNetwork::listen_local(const std::string& path) {
    const LocalPath reached(path);
    if (!reached.usable())
        return fail(ErrorKind::invalid, "rt.address_unusable",
                    fmt::format("cannot make the socket {}: its folder cannot be opened", path));
    ::unlink(path.c_str());  // of a process that is gone; the caller holds the lock of its folder
    Local::acceptor acceptor(reactor_.io());
    ErrorCode code;
    acceptor.open(Local(), code);
    if (!code) acceptor.bind(Local::endpoint(reached.text()), code);
    // Nobody can connect before listen(), so that the socket is private from its first moment.
    if (!code && ::chmod(path.c_str(), 0600) != 0)
        code = ErrorCode(errno, boost::system::system_category());
    if (!code) acceptor.listen(kBacklog, code);
    if (code) return refuse_to_listen({path, 0}, code);
    return std::make_unique<SocketListener<Local>>(reactor_, std::move(acceptor),
                                                   Endpoint{path, 0});
}

Task<Result<std::unique_ptr<Stream>>> AsioNetwork::connect_local(const Context& ctx,
                                                                 const std::string& path) {
    const LocalPath reached(path);
    if (!reached.usable())
        co_return fail(ErrorKind::closed, "rt.unreachable", fmt::format("{} does not exist", path));
    Local::socket socket(reactor_.io());
    const Done done = CO_TRY(co_await operate(reactor_, socket, ctx, [&](auto handler) {
        socket.async_connect(
            Local::endpoint(reached.text()),
            [handler = std::move(handler)](const ErrorCode& error) { handler(error, 0); });
    }));
    if (done.code)
        co_return fail(ErrorKind::closed, "rt.unreachable",
                       fmt::format("nobody listens on {}: {}", path, done.code.message()));
    co_return std::make_unique<SocketStream<Local::socket>>(reactor_, std::move(socket),
                                                            Endpoint{path, 0});
}

}  // namespace s4::rt::asio
