// Task<T>: a coroutine that starts when it is awaited, is awaited once, and gives its value to the
// awaiter.
//
// Lazy and symmetric: no thread, no scheduler, no allocation but its frame (frame_store.h). A task
// runs on the thread that awaits it until it waits for something; what resumes it (a stream, a
// timer, the pool's return) does so on its reactor's thread. A task that was never awaited does
// nothing. To let one run beside the caller, give it to a Scope (scope.h).
//
// Rules: parameters are values or outlive the await; no capturing coroutine lambdas; no exception
// leaves a task.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "rt/frame_store.h"

namespace s4::rt {

template <typename T = void>
class Task;

namespace detail {

struct PromiseBase {
    std::coroutine_handle<> awaiter;

    static void* operator new(std::size_t bytes) { return take_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
        give_back_frame(frame, bytes);
    }

    std::suspend_always initial_suspend() noexcept { return {}; }

    struct Final {
        bool await_ready() noexcept { return false; }
        template <typename Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
            return self.promise().awaiter;
        }
        void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }

    void unhandled_exception() noexcept {
        UNREACHABLE("an exception left a task; catch it in the file that wraps the library");
    }
};

template <typename T>
struct Promise : PromiseBase {
    std::optional<T> value;

    Task<T> get_return_object() noexcept;
    template <typename U>
        requires std::is_constructible_v<T, U&&>
    void return_value(U&& v) {
        value.emplace(std::forward<U>(v));
    }
    void return_value(T v) { value.emplace(std::move(v)); }
    T take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
    Task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() noexcept {}
};

}  // namespace detail

template <typename T>
class [[nodiscard, clang::coro_return_type, clang::coro_lifetimebound]] Task {
  public:
    using promise_type = detail::Promise<T>;
    using Handle = std::coroutine_handle<promise_type>;

    explicit Task(Handle handle) noexcept : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() {
        if (handle_) handle_.destroy();
    }

    auto operator co_await() && noexcept {
        struct Awaiter {
            Handle handle;
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
                handle.promise().awaiter = awaiter;
                return handle;
            }
            T await_resume() { return handle.promise().take(); }
        };
        CHECK(handle_, "a task is awaited once");
        return Awaiter{handle_};
    }

  private:
    Handle handle_;
};

namespace detail {
// These two only wrap the coroutine's own handle; they are not coroutines.
template <typename T>
[[clang::coro_wrapper]] Task<T> Promise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
[[clang::coro_wrapper]] inline Task<void> Promise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace detail

}  // namespace s4::rt
