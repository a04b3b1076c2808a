// TahoeCommands: what `storage.import-tahoe` and `storage.export-tahoe` of the control socket do
// (docs/formats/control.md): service's and transfer's use cases put together. Lives as long as
// Commands, on its reactor; what it is given outlives it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "control/messages.h"
#include "introducer/introducer.h"
#include "proto/foolscap/furl.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "service/service.h"
#include "storage/engine.h"
#include "tenants/directory.h"
#include "transfer/node_directory.h"
#include "transfer/share_import.h"

namespace s4::control {

struct TahoeDependencies {
    rt::Runtime& runtime;
    service::Service& service;
    storage::Engine& engine;
    tenants::Directory& directory;
    introducer::Introducer& introducer;
    std::string state;                      // where lists of skipped files go
    proto::foolscap::TcpAddress announced;  // what an export's hints begin with
    std::function<std::string(const Secret& capability)> page_url;
};

class TahoeCommands {
  public:
    explicit TahoeCommands(TahoeDependencies with) : with_(std::move(with)) {}

    using Tell = std::function<void(std::string_view progress)>;

    // Members: directory; introducer; email and plan, or subscription; dry_run. Errors: import.*,
    // and those of service.
    rt::Task<Result<codec::json::Value>> import_node(const rt::Context& ctx, const Request& request,
                                                     Tell& tell);
    // Members: subscription; directory; location and introducer_location ("HOST:PORT"). Errors:
    // export.*, and those of service and storage.
    rt::Task<Result<codec::json::Value>> export_grid(const rt::Context& ctx, const Request& request,
                                                     Tell& tell);

  private:
    Result<void> check_room(const transfer::Survey& found, const service::ImportPlan& plan);
    rt::Task<Result<transfer::ExportedGrid>> exported(const rt::Context& ctx,
                                                      const tenants::Grid& grid,
                                                      const Request& request);

    TahoeDependencies with_;
};

}  // namespace s4::control
