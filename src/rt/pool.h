// Pool: threads for what blocks (files, SQLite, expensive cryptography). In the simulator its jobs
// are scheduled events.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include "rt/reactor.h"
#include "rt/sync.h"
#include "rt/task.h"

namespace s4::rt {

class Pool {
  public:
    virtual ~Pool() = default;
    // Runs `job` on one of the pool's threads, in order of submission for a pool of one thread.
    // Safe from any thread.
    virtual void submit(Job job) = 0;
};

// Runs `work()` on the pool and returns its value on the reactor. Not cancelled once begun: what it
// references must live until this returns, which a caller ensures by awaiting it.
template <typename Work>
Task<std::invoke_result_t<Work&>> run_on(Pool& pool, Reactor& reactor, Work work) {
    using Value = std::invoke_result_t<Work&>;
    static_assert(!std::is_void_v<Value>, "return Result<void> from pool work");
    OneShot<bool> done;
    std::optional<Value> value;
    pool.submit([&] {
        value.emplace(work());
        reactor.post([&] { done.set(true); });
    });
    co_await done;
    co_return std::move(*value);
}

}  // namespace s4::rt
