// FrontDoor: the public port. Accepts every connection, looks at its first bytes, and hands it to
// the storage protocol over HTTPS or to Foolscap; anything else is closed.
//
//   GET /id/...   Foolscap, whose tub id then picks the grid
//   a TLS hello   HTTPS: one identity for all grids; the swissnum then picks the grid
//
// On one reactor; outlives its connections: await run()'s end, or drain(), before destruction.
#pragma once

#include <cstddef>
#include <memory>

#include "crypto/certificate.h"
#include "gate/foolscap_door.h"
#include "gate/gbs_handler.h"
#include "gate/strangers.h"
#include "proto/tls/engine.h"
#include "rt/reactor.h"
#include "rt/scope.h"
#include "rt/stream.h"
#include "wire/http_server.h"

namespace s4::gate {

class FrontDoor {
  public:
    // The references outlive the door. `service` is the identity that HTTPS clients pin.
    FrontDoor(rt::Reactor& reactor, const proto::tls::Library& tls,
              const crypto::TlsIdentity& service, GbsHandler& gbs, FoolscapDoor& foolscap,
              const wire::HttpServerLimits& limits = {});

    // Accepts until the listener is closed or the context cancelled; returns when the last
    // connection has ended. May run for several listeners at once.
    rt::Task<void> run(const rt::Context& ctx, rt::Listener& listener);

    // Close the listener first. Requests and calls under way are finished; what is left at the
    // context's deadline is cut.
    rt::Task<void> drain(const rt::Context& ctx);

    std::size_t strangers() const { return strangers_.size(); }
    std::size_t https_connections() const { return http_.connections(); }

  private:
    enum class Speaks : std::uint8_t { unclear, tls, foolscap, neither };

    static Speaks judge(ByteView first);
    rt::Task<void> greet(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream);
    rt::Task<Result<Speaks>> read_first_bytes(const rt::Context& ctx, rt::Stream& stream,
                                              ByteBuffer& first);

    rt::Reactor& reactor_;
    proto::tls::Library tls_;
    crypto::TlsIdentity service_;
    FoolscapDoor& foolscap_;
    wire::HttpServer http_;
    Strangers strangers_;
};

}  // namespace s4::gate
