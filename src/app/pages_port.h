// PagesPort: one listener of an HTTP handler, with TLS in front of it if there is an identity.
// start() once, stop() before destruction.
#pragma once

#include <memory>
#include <optional>

#include "proto/tls/engine.h"
#include "rt/scope.h"
#include "rt/stream.h"
#include "wire/http_server.h"

namespace s4::app {

class PagesPort {
  public:
    PagesPort(rt::Reactor& reactor, rt::Listener& listener, wire::HttpHandler& handler,
              const proto::tls::Library& tls, std::optional<crypto::TlsIdentity> identity);

    void start(const rt::Context& ctx);
    // Accepts no more; answers under way end until the context's deadline.
    rt::Task<void> stop(const rt::Context& ctx);

  private:
    rt::Task<void> accept_all(const rt::Context& ctx);
    rt::Task<void> serve_secured(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream);

    rt::Reactor& reactor_;
    rt::Listener& listener_;
    const proto::tls::Library& tls_;
    std::optional<crypto::TlsIdentity> identity_;
    wire::HttpServer http_;
    std::size_t handshakes_ = 0;
    std::unique_ptr<rt::Scope> scope_;
};

}  // namespace s4::app
