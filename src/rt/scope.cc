#include "rt/scope.h"

#include <utility>

namespace s4::rt {

// The outermost frame of a spawned task: starts at once and frees itself at its end.
struct Scope::Runner {
    struct promise_type {
        Runner get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { UNREACHABLE("an exception left a spawned task"); }
    };
};

Scope::Runner Scope::run(Scope& scope, Task<void> task) {
    {
        Task<void> own = std::move(task);
        co_await std::move(own);
    }  // the task's frame is gone before the scope may be
    scope.ended();
}

void Scope::spawn(Task<void> task) {
    ++running_;
    run(*this, std::move(task));
}

void Scope::ended() {
    if (--running_ == 0 && joiner_) std::exchange(joiner_, nullptr).resume();
}

}  // namespace s4::rt
