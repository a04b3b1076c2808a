#include <gtest/gtest.h>

#include "rt/context.h"
#include "rt/frame_store.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/stream.h"
#include "rt/sync.h"
#include "rt/task.h"

namespace s4::rt {
namespace {

// Time moves only when a test says so; enough to prove the primitives without a backend.
class ManualReactor final : public Reactor {
  public:
    Instant now() const override { return now_; }
    std::int64_t unix_us() const override { return 0; }
    void post(Job job) override { jobs_.push_back(std::move(job)); }
    TimerId call_at(Instant when, Job job) override {
        timers_.emplace(std::pair(when, ++last_timer_), std::move(job));
        return last_timer_;
    }
    void cancel(TimerId timer) override {
        std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
    }
    void run(Duration time = {}) {
        const Instant end = now_ + time;
        for (;;) {
            while (!jobs_.empty()) {
                Job job = std::move(jobs_.front());
                jobs_.pop_front();
                job();
            }
            if (timers_.empty() || timers_.begin()->first.first > end) break;
            now_ = timers_.begin()->first.first;
            Job job = std::move(timers_.begin()->second);
            timers_.erase(timers_.begin());
            job();
        }
        now_ = end;
    }
    std::size_t timers() const { return timers_.size(); }

  private:
    Instant now_{};
    std::deque<Job> jobs_;
    std::map<std::pair<Instant, TimerId>, Job> timers_;
    TimerId last_timer_ = 0;
};

using namespace std::chrono_literals;

Task<Result<int>> number(int n) {
    if (n < 0) co_return fail(ErrorKind::invalid, "test.negative", "give a positive number");
    co_return n;
}
Task<Result<int>> sum(int a, int b) {
    co_return CO_TRY(co_await number(a))
    +CO_TRY(co_await number(b));
}

template <typename T>
Task<void> store(Task<T> task, std::optional<T>& into) {
    into.emplace(co_await std::move(task));
}

TEST(Task, GivesItsValueAndItsError) {
    const Context ctx;
    Scope scope(ctx);
    std::optional<Result<int>> good;
    std::optional<Result<int>> bad;
    scope.spawn(store(sum(1, 2), good));
    scope.spawn(store(sum(1, -2), bad));
    EXPECT_EQ(good->value(), 3);
    EXPECT_TRUE(bad->error().is("test.negative"));
}

TEST(FrameStore, GivesADroppedFrameToTheNextOfItsSize) {
    FrameStore store;
    void* const small = store.take(FrameStore::kStepBytes);
    void* const larger = store.take(FrameStore::kStepBytes + 1);
    store.give_back(small, FrameStore::kStepBytes);
    store.give_back(larger, FrameStore::kStepBytes + 1);
    EXPECT_EQ(store.take(2 * FrameStore::kStepBytes), larger);
    EXPECT_EQ(store.take(1), small);
    store.give_back(small, 1);
    store.give_back(larger, 2 * FrameStore::kStepBytes);
}

TEST(FrameStore, KeepsSoManyOfEachSizeAndNoneThatIsTooLong) {
    FrameStore store;
    std::vector<void*> frames;
    const auto fill = [&](std::size_t bytes, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) frames.push_back(store.take(bytes));
        for (void* frame : frames) store.give_back(frame, bytes);
        frames.clear();
    };
    fill(FrameStore::kFrameBytesMax, FrameStore::kKeptOfEachSize);
    EXPECT_EQ(store.kept(), FrameStore::kKeptOfEachSize);
    fill(FrameStore::kFrameBytesMax, FrameStore::kKeptOfEachSize + 1);
    EXPECT_EQ(store.kept(), FrameStore::kKeptOfEachSize);
    fill(FrameStore::kFrameBytesMax + 1, 1);
    EXPECT_EQ(store.kept(), FrameStore::kKeptOfEachSize);
}

TEST(Scope, CancelEndsWhatSleepsInIt) {
    ManualReactor reactor;
    const Context ctx;
    Scope scope(ctx);
    std::optional<Result<void>> out;
    scope.spawn(store(sleep(reactor, scope.context(), 10s), out));
    EXPECT_EQ(scope.running(), 1u);
    scope.cancel();
    EXPECT_EQ(scope.running(), 0u);
    EXPECT_EQ(out->error().kind(), ErrorKind::cancelled);
    EXPECT_EQ(reactor.timers(), 0u);
}

TEST(Scope, ParentsCancellationReachesTheChild) {
    ManualReactor reactor;
    CancelSource source;
    Scope outer(Context{}.with_cancel(CancelToken(source)));
    Scope inner(outer.context());
    std::optional<Result<void>> out;
    inner.spawn(store(sleep(reactor, inner.context(), 10s), out));
    source.cancel();
    EXPECT_EQ(out->error().kind(), ErrorKind::cancelled);
}

Task<void> sleep_in_own_scope(Reactor& reactor, Context ctx, bool& ended) {
    Scope scope(ctx);
    std::optional<Result<void>> out;
    scope.spawn(store(sleep(reactor, scope.context(), 10s), out));
    co_await scope.join();
    ended = true;
}

TEST(Scope, MayEndAndGoWithinItsOwnCancellation) {
    ManualReactor reactor;
    const Context ctx;
    Scope outer(ctx);
    bool ended = false;
    outer.spawn(sleep_in_own_scope(reactor, outer.context(), ended));
    outer.cancel();
    EXPECT_TRUE(ended);
    EXPECT_EQ(outer.running(), 0u);
}

TEST(Sleep, EndsAtTheDeadlineIfThatComesFirst) {
    ManualReactor reactor;
    const Context ctx = Context{}.until(reactor.now() + 1s);
    Scope scope(ctx);
    std::optional<Result<void>> out;
    scope.spawn(store(sleep(reactor, ctx, 10s), out));
    reactor.run(2s);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(out->error().kind(), ErrorKind::timeout);
}

TEST(Event, WakesEveryWaiterAndForgetsTheOnesThatLeft) {
    ManualReactor reactor;
    const Context ctx;
    Event event(reactor);
    Scope scope(ctx);
    std::optional<Result<void>> patient;
    std::optional<Result<void>> hasty;
    const Context soon = ctx.until(reactor.now() + 1s);
    scope.spawn(store(event.wait(ctx), patient));
    scope.spawn(store(event.wait(soon), hasty));
    reactor.run(2s);
    EXPECT_EQ(hasty->error().kind(), ErrorKind::timeout);
    EXPECT_FALSE(patient.has_value());
    event.set();
    reactor.run();
    EXPECT_TRUE(patient->has_value());
}

TEST(Event, AWaiterWhoseWakeUpIsPostedIsNotLostByItsDeadline) {
    ManualReactor reactor;
    Event event(reactor);
    Scope scope(Context{});
    std::optional<Result<void>> out;
    const Context soon = Context{}.until(reactor.now() + 1s);
    scope.spawn(store(event.wait(soon), out));
    event.set();
    reactor.run(5s);
    EXPECT_TRUE(out->has_value());
    EXPECT_EQ(reactor.timers(), 0u);
}

TEST(Semaphore, GivesPermitsInOrderOfArrival) {
    ManualReactor reactor;
    const Context ctx;
    Semaphore semaphore(reactor, 1);
    Scope scope(ctx);
    std::optional<Result<void>> first;
    std::optional<Result<void>> second;
    std::optional<Result<void>> third;
    scope.spawn(store(semaphore.acquire(ctx), first));
    scope.spawn(store(semaphore.acquire(ctx), second));
    scope.spawn(store(semaphore.acquire(ctx), third));
    EXPECT_TRUE(first.has_value());
    semaphore.release();
    reactor.run();
    EXPECT_TRUE(second.has_value());
    EXPECT_FALSE(third.has_value());
    EXPECT_FALSE(semaphore.try_acquire());
    semaphore.release();
    reactor.run();
    EXPECT_TRUE(third.has_value());
}

Task<void> push_all(Queue<int>& queue, const Context& ctx, int count) {
    for (int i = 0; i < count; ++i) {
        const auto pushed = co_await queue.push(ctx, i);
        if (!pushed) co_return;
    }
    queue.close();
}
Task<void> pop_all(Queue<int>& queue, const Context& ctx, std::vector<int>& out) {
    for (;;) {
        auto item = co_await queue.pop(ctx);
        if (!item) co_return;
        out.push_back(*item);
    }
}

TEST(Queue, KeepsOrderWithinItsCapacityAndEndsWhenClosed) {
    ManualReactor reactor;
    const Context ctx;
    Queue<int> queue(reactor, 2);
    Scope scope(ctx);
    std::vector<int> out;
    scope.spawn(push_all(queue, ctx, 5));
    EXPECT_EQ(queue.size(), 2u);
    scope.spawn(pop_all(queue, ctx, out));
    reactor.run();
    EXPECT_EQ(out, (std::vector<int>{0, 1, 2, 3, 4}));
    EXPECT_EQ(scope.running(), 0u);
}

TEST(Endpoint, ParsesWhatItPrintsAndRefusesTheRest) {
    for (const char* text : {"127.0.0.1:80", "[::1]:65535", "example.org:0"}) {
        const auto endpoint = Endpoint::parse(text);
        ASSERT_TRUE(endpoint.has_value()) << text;
        EXPECT_EQ(endpoint->to_string(), text);
    }
    for (const char* text :
         {"", ":80", "host", "host:", "host:65536", "::1:80", "[]:80", "host:8x"})
        EXPECT_FALSE(Endpoint::parse(text).has_value()) << text;
}

}  // namespace
}  // namespace s4::rt
