// Commands: what each request on the control socket does, as JSON in and JSON out
// (docs/formats/control.md). Lives as long as the process, on its reactor; what it is given
// outlives it.
#pragma once

#include <functional>
#include <string>

#include "codec/json.h"
#include "control/copy.h"
#include "control/messages.h"
#include "control/storage_commands.h"
#include "control/tahoe_commands.h"
#include "service/service.h"

namespace s4::control {

struct CommandDependencies {
    service::Service& service;
    storage::Engine& engine;
    BackupSource backup;
    TahoeDependencies tahoe;
    codec::json::Object status;  // what `status` answers
    std::function<std::string(const Secret& capability)> page_url;
};

class Commands {
  public:
    explicit Commands(CommandDependencies with)
        : with_(std::move(with)),
          storage_(with_.backup.runtime.reactor, with_.service, with_.engine,
                   with_.backup.database),
          tahoe_(with_.tahoe) {}

    using Tell = std::function<void(std::string_view progress)>;
    rt::Task<Result<codec::json::Value>> run(const rt::Context& ctx, Request request, Tell tell);

  private:
    rt::Task<Result<codec::json::Value>> list(const rt::Context& ctx, const Request& request);
    rt::Task<Result<codec::json::Value>> show(const rt::Context& ctx, const Request& request);
    rt::Task<Result<codec::json::Value>> create(const rt::Context& ctx, const Request& request);
    rt::Task<Result<codec::json::Value>> link(const rt::Context& ctx, const Request& request);
    rt::Task<Result<codec::json::Value>> cancel(const rt::Context& ctx, const Request& request);
    rt::Task<Result<codec::json::Value>> transports(const rt::Context& ctx, const Request& request);
    rt::Task<Result<codec::json::Value>> copy(const rt::Context& ctx, const Request& request,
                                              Tell& tell);

    CommandDependencies with_;
    StorageCommands storage_;
    TahoeCommands tahoe_;
};

}  // namespace s4::control
