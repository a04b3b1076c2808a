// UsageWatch: looks which grids' usage changed, has their customers warned, and notes the usage of
// the day. Lives on one reactor; run() ends with its context.
#pragma once

#include "rt/reactor.h"
#include "rt/task.h"
#include "service/storage_care.h"
#include "storage/engine.h"

namespace s4::control {

class UsageWatch {
  public:
    UsageWatch(rt::Reactor& reactor, storage::Engine& engine, service::StorageCare& care)
        : reactor_(reactor), engine_(engine), care_(care) {}

    rt::Task<void> run(const rt::Context& ctx);
    // Everything that is not noted yet.
    rt::Task<Result<void>> look(const rt::Context& ctx);

  private:
    rt::Reactor& reactor_;
    storage::Engine& engine_;
    service::StorageCare& care_;
};

}  // namespace s4::control
