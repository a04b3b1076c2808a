// Admin: metrics and health, for the listener that only the operator reaches.
//
//   /metrics   everything, in Prometheus's text format
//   /healthz   200 while the process turns
//   /readyz    200 when requests can be served, else 503 with the reason
//
// Lives as long as the process, on its reactor.
#pragma once

#include <functional>

#include "base/result.h"
#include "rt/context.h"
#include "rt/task.h"
#include "wire/http_server.h"

namespace s4::web {

class Admin final : public wire::HttpHandler {
  public:
    // `ready` says whether the node can serve; its error is shown.
    explicit Admin(std::function<Result<void>()> ready) : ready_(std::move(ready)) {}

    rt::Task<void> handle(const rt::Context& ctx, wire::HttpRequest& request,
                          wire::HttpResponse& response) override;

  private:
    std::function<Result<void>()> ready_;
};

}  // namespace s4::web
