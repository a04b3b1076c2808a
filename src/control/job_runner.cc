#include "control/job_runner.h"

#include <algorithm>

#include "base/log.h"
#include "control/limits.h"

namespace s4::control {

rt::Task<void> JobRunner::run(const rt::Context& ctx) {
    rt::Scope steps(ctx);
    while (!ctx.cancel.cancelled()) {
        service_.jobs_queued().clear();
        const Instant look_again = co_await start_due(ctx, steps);
        // Woken by a new job, by the end of a step, or by the time.
        (void)co_await service_.jobs_queued().wait(ctx.until(look_again));
    }
    co_await steps.join();
}

rt::Task<Instant> JobRunner::start_due(const rt::Context& ctx, rt::Scope& steps) {
    const Instant latest = reactor_.now() + kJobsLookInterval;
    const int limit = 2 * kJobsUnderWayMax;
    Result<std::vector<service::Job>> jobs = co_await service_.next_jobs(ctx, limit);
    if (!jobs) {
        if (!ctx.cancel.cancelled())
            log::error("control", "jobs could not be read", {{"error", jobs.error()}});
        co_return reactor_.now() + std::chrono::seconds(1);
    }
    const UnixSeconds now = reactor_.unix_s();
    for (service::Job& job : *jobs) {
        if (under_way_.contains(job.id)) continue;
        if (under_way_.size() >= static_cast<std::size_t>(kJobsUnderWayMax)) co_return latest;
        if (job.due > now)
            co_return std::min(latest, reactor_.now() + std::chrono::seconds(job.due - now));
        steps.spawn(run_step(steps.context(), std::move(job)));
    }
    co_return latest;
}

rt::Task<void> JobRunner::run_step(const rt::Context& ctx, service::Job job) {
    const service::JobId id = job.id;
    under_way_.insert(id);
    (void)co_await service_.run_job(ctx, std::move(job));  // logged and put off there if it failed
    under_way_.erase(id);
    service_.jobs_queued().set();
}

}  // namespace s4::control
