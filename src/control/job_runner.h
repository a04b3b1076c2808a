// JobRunner: decides when the service's durable jobs run, each step beside others of other jobs.
// Lives on one reactor; run() ends with its context, after the steps under way.
#pragma once

#include <set>

#include "rt/reactor.h"
#include "rt/scope.h"
#include "service/service.h"

namespace s4::control {

class JobRunner {
  public:
    JobRunner(rt::Reactor& reactor, service::Service& service)
        : reactor_(reactor), service_(service) {}

    rt::Task<void> run(const rt::Context& ctx);

  private:
    // Starts what is due and returns when to look again.
    rt::Task<Instant> start_due(const rt::Context& ctx, rt::Scope& steps);
    rt::Task<void> run_step(const rt::Context& ctx, service::Job job);

    rt::Reactor& reactor_;
    service::Service& service_;
    std::set<service::JobId> under_way_;
};

}  // namespace s4::control
