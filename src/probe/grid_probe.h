// GridProbe: checks a grid from outside by making, reading and deleting one small slot over GBS.
//
// Lives as long as the process, on the reactor; checks may run side by side. Each uses a connection
// of its own, as a new client does, so that the address, the TLS identity and the swissnum are all
// part of what is checked.
#pragma once

#include <optional>

#include "proto/gbs/nurl.h"
#include "proto/tls/engine.h"
#include "rt/runtime.h"
#include "service/needs.h"

namespace s4::probe {

class GridProbe final : public service::GridCheck {
  public:
    // `instead` is where to connect if the announced address cannot be reached from here (a router
    // that does not send packets back to where they came from).
    GridProbe(rt::Runtime& runtime, const proto::tls::Library& tls,
              std::optional<rt::Endpoint> instead)
        : runtime_(runtime), tls_(tls), instead_(std::move(instead)) {}

    // Checks every NURL. Errors: probe.no_address, probe.wrong_answer, and those of gbs, wire and
    // tls, with the step that failed as context.
    rt::Task<Result<void>> check(const rt::Context& ctx,
                                 const service::GridAddresses& addresses) override;

  private:
    rt::Task<Result<void>> check_server(const rt::Context& ctx, const proto::gbs::Nurl& nurl);

    rt::Runtime& runtime_;
    const proto::tls::Library& tls_;
    std::optional<rt::Endpoint> instead_;
};

}  // namespace s4::probe
