#include "rt/sync.h"

#include <algorithm>

namespace s4::rt {
namespace {

// Waits in `line` until it is taken out and set, or the context ends; then it is in nobody's line
// any more.
Task<Result<void>> wait_in(std::list<OneShot<Result<void>>*>& line, Reactor& reactor,
                           const Context& ctx) {
    if (ctx.cancel.cancelled()) co_return fail(cancelled_error());
    OneShot<Result<void>> turn;
    const auto place = line.insert(line.end(), &turn);
    bool in_line = true;
    const auto leave = [&](Error why) {
        if (!in_line || turn.is_set()) return;
        if (std::find(line.begin(), line.end(), &turn) == line.end()) return;  // already on its way
        in_line = false;
        line.erase(place);
        turn.set(fail(std::move(why)));
    };
    TimerId timer = 0;
    if (ctx.deadline != kNoDeadline) {
        timer = reactor.call_at(ctx.deadline, [&] {
            timer = 0;
            leave(deadline_error());
        });
    }
    Result<void> out;
    {
        CancelRegistration cancel(ctx.cancel, [&] { leave(cancelled_error()); });
        out = co_await turn;
    }
    if (timer != 0) reactor.cancel(timer);
    co_return out;
}

}  // namespace

Task<Result<void>> sleep_until(Reactor& reactor, const Context& ctx, Instant when) {
    if (ctx.cancel.cancelled()) co_return fail(cancelled_error());
    OneShot<Result<void>> done;
    const bool late = ctx.deadline < when;
    TimerId timer = reactor.call_at(late ? ctx.deadline : when, [&] {
        timer = 0;
        late ? done.set(fail(deadline_error())) : done.set(ok());
    });
    Result<void> out;
    {
        CancelRegistration cancel(ctx.cancel, [&] { done.set(fail(cancelled_error())); });
        out = co_await done;
    }
    if (timer != 0) reactor.cancel(timer);
    co_return out;
}

Task<void> yield(Reactor& reactor) {
    OneShot<bool> turn;
    reactor.post([&turn] { turn.set(true); });
    co_await turn;
}

void Event::set() {
    set_ = true;
    // Resumed by the reactor, not from here: the setter may be in the middle of its own work.
    for (OneShot<Result<void>>* waiter : std::exchange(waiters_, {}))
        reactor_.post([waiter] { waiter->set(ok()); });
}

Task<Result<void>> Event::wait(const Context& ctx) {
    if (set_) co_return ok();
    co_return co_await wait_in(waiters_, reactor_, ctx);
}

bool Semaphore::try_acquire() {
    if (free_ == 0) return false;
    --free_;
    return true;
}

Task<Result<void>> Semaphore::acquire(const Context& ctx) {
    if (try_acquire()) co_return ok();
    co_return co_await wait_in(waiters_, reactor_, ctx);
}

void Semaphore::release() {
    if (waiters_.empty()) {
        ++free_;
        return;
    }
    OneShot<Result<void>>* next = waiters_.front();
    waiters_.pop_front();
    reactor_.post([next] { next->set(ok()); });  // the permit goes with it
}

}  // namespace s4::rt
