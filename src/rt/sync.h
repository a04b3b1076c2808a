// What tasks on one reactor use to wait for each other. None of it is thread-safe; none of it
// blocks a thread.
//
//   OneShot<T>  set once (by a callback), awaited once; resumes its awaiter inside set()
//   Event       set and cleared; many waiters, each with its context
//   Semaphore   a bounded number of permits, first come first served
//   Queue<T>    bounded; push waits while full, pop waits while empty, close() ends both
#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/result.h"
#include "rt/reactor.h"

namespace s4::rt {

template <typename T>
class OneShot {
  public:
    OneShot() = default;
    OneShot(const OneShot&) = delete;
    OneShot& operator=(const OneShot&) = delete;

    bool is_set() const { return value_.has_value(); }
    // Later calls are ignored, so that a result and its time-out may race.
    void set(T value) {
        if (value_) return;
        value_.emplace(std::move(value));
        if (waiter_) std::exchange(waiter_, nullptr).resume();
    }

    bool await_ready() const noexcept { return value_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
    T await_resume() { return std::move(*value_); }

  private:
    std::optional<T> value_;
    std::coroutine_handle<> waiter_;
};

class Event {
  public:
    explicit Event(Reactor& reactor) : reactor_(reactor) {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { CHECK(waiters_.empty(), "an event outlives its waiters"); }

    bool is_set() const { return set_; }
    void set();
    void clear() { set_ = false; }
    // Returns once the event is set; fails with the context's cancellation or deadline.
    Task<Result<void>> wait(const Context& ctx);

  private:
    Reactor& reactor_;
    bool set_ = false;
    std::list<OneShot<Result<void>>*> waiters_;
};

class Semaphore {
  public:
    Semaphore(Reactor& reactor, std::size_t permits) : reactor_(reactor), free_(permits) {}
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;
    ~Semaphore() { CHECK(waiters_.empty(), "a semaphore outlives its waiters"); }

    std::size_t available() const { return free_; }
    bool try_acquire();
    Task<Result<void>> acquire(const Context& ctx);
    void release();

  private:
    Reactor& reactor_;
    std::size_t free_;
    std::list<OneShot<Result<void>>*> waiters_;
};

template <typename T>
class Queue {
  public:
    Queue(Reactor& reactor, std::size_t capacity)
        : capacity_(capacity), room_(reactor), items_ready_(reactor) {
        room_.set();
    }

    std::size_t size() const { return items_.size(); }
    bool closed() const { return closed_; }

    // False when full or closed; `item` is then left as it was.
    bool try_push(T& item) {
        if (closed_ || items_.size() >= capacity_) return false;
        items_.push_back(std::move(item));
        update();
        return true;
    }
    Task<Result<void>> push(const Context& ctx, T item) {
        while (!closed_ && items_.size() >= capacity_) CO_TRY(co_await room_.wait(ctx));
        if (closed_) co_return fail(ErrorKind::closed, "rt.queue_closed", "the queue was closed");
        items_.push_back(std::move(item));
        update();
        co_return ok();
    }
    // After close() the rest is still given out, then the error "rt.queue_closed".
    Task<Result<T>> pop(const Context& ctx) {
        while (!closed_ && items_.empty()) CO_TRY(co_await items_ready_.wait(ctx));
        if (items_.empty())
            co_return fail(ErrorKind::closed, "rt.queue_closed", "the queue was closed");
        T item = std::move(items_.front());
        items_.pop_front();
        update();
        co_return item;
    }
    void close() {
        closed_ = true;
        room_.set();
        items_ready_.set();
    }

  private:
    void update() {
        if (closed_) return;
        items_.size() < capacity_ ? room_.set() : room_.clear();
        items_.empty() ? items_ready_.clear() : items_ready_.set();
    }

    std::size_t capacity_;
    std::deque<T> items_;
    bool closed_ = false;
    Event room_;
    Event items_ready_;
};

}  // namespace s4::rt
