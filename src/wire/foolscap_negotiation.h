// From a fresh stream to a Foolscap connection: the pumps of both sides of the negotiation. All on
// one reactor.
#pragma once

#include <memory>
#include <string>

#include "proto/foolscap/furl.h"
#include "rt/runtime.h"
#include "wire/foolscap_connection.h"
#include "wire/foolscap_object.h"
#include "wire/foolscap_security.h"

namespace s4::wire {

// One connection's stay at a Tub, which lives at least as long.
class FoolscapVisit {
  public:
    virtual ~FoolscapVisit() = default;
    virtual FoolscapTub& tub() = 0;
};

// What a port offers: its Tubs. Implemented by the gate.
class FoolscapHost {
  public:
    virtual ~FoolscapHost() = default;
    // Errors: not_found if this port has no such Tub; with any other the caller is told the message
    // (too many connections, not served now).
    virtual rt::Task<Result<std::unique_ptr<FoolscapVisit>>> enter(const rt::Context& ctx,
                                                                   std::string tub_id,
                                                                   rt::Endpoint peer) = 0;
};

// As listener: serves one connection from its first byte to its end. `already_read` comes before
// what the stream will give. All references outlive it.
rt::Task<void> serve_foolscap(rt::Context ctx, rt::Reactor& reactor, FoolscapSecurity& security,
                              FoolscapHost& host, std::unique_ptr<rt::Stream> stream,
                              ByteBuffer already_read, FoolscapLimits limits);

// As connector: a connection that runs until it is closed. For S4's own client side.
//
//   auto client = CO_TRY(co_await FoolscapClient::connect(ctx, runtime, security, tub, furl, {}));
//   const auto object = CO_TRY(co_await client->connection().get_reference(ctx, furl.name));
//   ...
//   co_await client->close();           // before it is destroyed
class FoolscapClient {
  public:
    // Tries all TCP addresses of the FURL side by side; the first that finishes negotiation wins.
    // Errors: foolscap.no_address, and those of the last attempt to fail. The context's deadline is
    // for connecting, its cancellation also ends the connection.
    static rt::Task<Result<std::unique_ptr<FoolscapClient>>> connect(
        const rt::Context& ctx, rt::Runtime& runtime, FoolscapSecurity& security, FoolscapTub& tub,
        const proto::foolscap::Furl& furl, const FoolscapLimits& limits);

    FoolscapConnection& connection() { return *connection_; }
    rt::Task<void> close();

    // Public for make_unique; use connect().
    struct Private {};
    FoolscapClient(Private, const rt::Context& ctx, std::unique_ptr<FoolscapConnection> connection);

  private:
    std::unique_ptr<FoolscapConnection> connection_;
    rt::Scope scope_;
};

}  // namespace s4::wire
