// Scope: owns the tasks that run beside their parent. Nothing is detached: who makes a scope joins
// it, and may cancel it.
//
//   Scope scope(ctx);
//   scope.spawn(serve(scope.context(), stream));   // starts at once, on this thread
//   ...
//   scope.cancel();
//   co_await scope.join();                         // before the scope is destroyed
//
// Cancelling the parent's context cancels the scope. Lives on one reactor's thread.
#pragma once

#include <coroutine>
#include <cstddef>

#include "rt/context.h"
#include "rt/task.h"

namespace s4::rt {

class Scope {
  public:
    explicit Scope(const Context& parent)
        : context_(parent.with_cancel(CancelToken(source_))),
          parent_(parent.cancel, [this] { source_.cancel(); }) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { CHECK(running_ == 0, "a scope is joined before it is destroyed"); }

    const Context& context() const { return context_; }
    std::size_t running() const { return running_; }

    void spawn(Task<void> task);
    void cancel() { source_.cancel(); }

    // Waits until every task has ended. One waiter at a time.
    auto join() {
        struct Awaiter {
            Scope& scope;
            bool await_ready() const noexcept { return scope.running_ == 0; }
            void await_suspend(std::coroutine_handle<> waiter) noexcept {
                CHECK(!scope.joiner_, "a scope has one waiter at a time");
                scope.joiner_ = waiter;
            }
            void await_resume() const noexcept {}
        };
        return Awaiter{*this};
    }

  private:
    struct Runner;
    static Runner run(Scope& scope, Task<void> task);
    void ended();

    CancelSource source_;
    Context context_;
    CancelRegistration parent_;
    std::size_t running_ = 0;
    std::coroutine_handle<> joiner_;
};

}  // namespace s4::rt
