#include "app/pages_port.h"

#include "base/log.h"
#include "wire/tls_stream.h"

namespace s4::app {
namespace {

// Connections that have not finished their handshake; more are closed.
constexpr std::size_t kHandshakesMax = 256;

wire::HttpServerLimits limits() {
    wire::HttpServerLimits out;
    out.connections_max = 1024;
    out.idle_time_max = std::chrono::seconds(60);  // browsers try again on another connection
    return out;
}

}  // namespace

PagesPort::PagesPort(rt::Reactor& reactor, rt::Listener& listener, wire::HttpHandler& handler,
                     const proto::tls::Library& tls, std::optional<crypto::TlsIdentity> identity)
    : reactor_(reactor),
      listener_(listener),
      tls_(tls),
      identity_(std::move(identity)),
      http_(reactor, handler, limits()) {}

void PagesPort::start(const rt::Context& ctx) {
    scope_ = std::make_unique<rt::Scope>(ctx);
    scope_->spawn(identity_ ? accept_all(scope_->context())
                            : http_.accept_all(scope_->context(), listener_));
}

rt::Task<void> PagesPort::stop(const rt::Context& ctx) {
    listener_.close();
    co_await http_.drain(ctx);
    scope_->cancel();
    co_await scope_->join();
    scope_.reset();
}

rt::Task<void> PagesPort::accept_all(const rt::Context& ctx) {
    for (;;) {
        Result<std::unique_ptr<rt::Stream>> stream = co_await listener_.accept(ctx);
        if (!stream) co_return;
        if (handshakes_ < kHandshakesMax) scope_->spawn(serve_secured(ctx, std::move(*stream)));
    }
}

rt::Task<void> PagesPort::serve_secured(const rt::Context& ctx,
                                        std::unique_ptr<rt::Stream> stream) {
    Result<proto::tls::Engine> engine =
        proto::tls::Engine::server(tls_, *identity_, proto::tls::PeerPolicy::anonymous());
    if (!engine) {
        log::error("app", "a connection to the pages could not be secured",
                   {{"error", engine.error()}});
        co_return;
    }
    ++handshakes_;
    const rt::Context limited = ctx.until(reactor_.now() + wire::TlsLimits{}.handshake_time_max);
    Result<std::unique_ptr<wire::TlsStream>> secured = co_await wire::TlsStream::handshake(
        limited, reactor_, std::move(stream), std::move(*engine));
    --handshakes_;
    if (secured) co_await http_.serve(ctx, std::move(*secured));
}

}  // namespace s4::app
