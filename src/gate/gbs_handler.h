// GbsHandler: the storage protocol over HTTPS, served from the storage engine. Finds the grid by
// the swissnum in Authorization, checks the request in the reference's order (D.3), and answers
// each of the twelve routes (D.5).
//
// On the gate's reactor; outlives its HTTP server. It holds nothing of a grid but what the
// directory and the engine hold, and with each connection the grid that it last showed the swissnum
// of.
#pragma once

#include <expected>
#include <string>

#include "gate/seats.h"
#include "gate/turnstile.h"
#include "proto/gbs/server.h"
#include "storage/engine.h"
#include "tenants/directory.h"
#include "wire/http_server.h"

namespace s4::gate {

class GbsHandler final : public wire::HttpHandler {
  public:
    // The references outlive the handler. `application_version` is what `version` tells clients.
    GbsHandler(storage::Engine& engine, tenants::Directory& directory, Seats& seats,
               Turnstile& turnstile, std::string application_version);

    rt::Task<void> handle(const rt::Context& ctx, wire::HttpRequest& request,
                          wire::HttpResponse& response) override;

  private:
    using Authorized = std::expected<tenants::GridPtr, proto::gbs::Answer>;
    rt::Task<Authorized> authorize(const rt::Context& ctx, wire::HttpRequest& request,
                                   wire::HttpResponse& response);

    storage::Engine& engine_;
    tenants::Directory& directory_;
    Seats& seats_;
    Turnstile& turnstile_;
    std::string application_version_;
};

}  // namespace s4::gate
