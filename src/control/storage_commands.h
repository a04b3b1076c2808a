// StorageCommands: what the requests `storage.*` of the control socket do
// (docs/formats/control.md). Lives as long as Commands, on its reactor; what it is given outlives
// it.
#pragma once

#include <functional>
#include <string_view>

#include "codec/json.h"
#include "control/messages.h"
#include "rt/context.h"
#include "rt/reactor.h"
#include "rt/task.h"
#include "service/service.h"
#include "sql/database.h"
#include "storage/engine.h"

namespace s4::control {

class StorageCommands {
  public:
    StorageCommands(rt::Reactor& reactor, service::Service& service, storage::Engine& engine,
                    const sql::Database& database)
        : reactor_(reactor), service_(service), engine_(engine), database_(database) {}

    using Tell = std::function<void(std::string_view progress)>;
    rt::Task<Result<codec::json::Value>> run(const rt::Context& ctx, const Request& request,
                                             Tell& tell);

  private:
    // The request's member "subscription", which has a grid: `grid` is set. Errors:
    // subscription.unknown, control.no_grid.
    rt::Task<Result<service::Overview>> subscription_of(const rt::Context& ctx,
                                                        const Request& request);

    rt::Task<Result<codec::json::Value>> status(const rt::Context& ctx, const Request& request,
                                                Tell& tell);
    rt::Task<Result<codec::json::Value>> collect(const rt::Context& ctx, const Request& request,
                                                 Tell& tell);
    rt::Task<Result<codec::json::Value>> dry_run(const rt::Context& ctx, SubscriptionId from,
                                                 SubscriptionId to, Tell& tell);
    rt::Task<Result<codec::json::Value>> status_page(const rt::Context& ctx, const Request& request,
                                                     Tell& tell);
    rt::Task<Result<codec::json::Value>> status_of(const rt::Context& ctx,
                                                   const service::Overview& view);

    rt::Reactor& reactor_;
    service::Service& service_;
    storage::Engine& engine_;
    const sql::Database& database_;
};

}  // namespace s4::control
