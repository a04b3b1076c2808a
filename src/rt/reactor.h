// Reactor: the thread that runs tasks, with its clock and timers. One implementation per backend:
// rt/asio turns on the system's time and sockets, rt/sim on virtual time from a seed.
#pragma once

#include <cstdint>
#include <functional>

#include "base/units.h"
#include "rt/context.h"
#include "rt/task.h"

namespace s4::rt {

using Job = std::move_only_function<void()>;

// Time, always passed in. Safe from any thread.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual Instant now() const = 0;
    // Wall time in microseconds since 1970 (UTC); may jump.
    virtual std::int64_t unix_us() const = 0;

    UnixSeconds unix_s() const { return unix_us() / 1'000'000; }
};

using TimerId = std::uint64_t;  // 0 names no timer

class Reactor : public Clock {
  public:
    // Runs `job` on the reactor's thread, after what is running now. Safe from any thread.
    virtual void post(Job job) = 0;
    // Runs `job` at `when` or soon after. On the reactor's thread only.
    virtual TimerId call_at(Instant when, Job job) = 0;
    // The job will not run; a timer that ran already is ignored. On the reactor's thread only.
    virtual void cancel(TimerId timer) = 0;
};

// Waits until `when`, the context's deadline or its cancellation, whichever comes first.
Task<Result<void>> sleep_until(Reactor& reactor, const Context& ctx, Instant when);
[[clang::coro_wrapper]] inline Task<Result<void>> sleep(Reactor& reactor, const Context& ctx,
                                                        Duration time) {
    return sleep_until(reactor, ctx, reactor.now() + time);
}

// Lets everything run that was posted before.
Task<void> yield(Reactor& reactor);

}  // namespace s4::rt
