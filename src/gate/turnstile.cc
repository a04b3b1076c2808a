#include "gate/turnstile.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/metrics.h"

namespace s4::gate {

namespace {

metrics::Gauge& waiting_for(const char* what) {
    return metrics::gauge("s4_gate_waiting_requests",
                          "Requests that wait until it is their grid's turn, or that its plan's "
                          "rate lets bytes pass",
                          {{"for", what}});
}

// Counts one that waits, for as long as it lives.
class Counted {
  public:
    explicit Counted(metrics::Gauge& gauge) : gauge_(gauge) { gauge_.add(1); }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { gauge_.add(-1); }

  private:
    metrics::Gauge& gauge_;
};

constexpr std::array<std::size_t, 2> kTurnsMax{kReadTurnsMax, kWriteTurnsMax};
constexpr std::array<std::size_t, 2> kSharedTurnsMax{kReadTurnsSharedMax, kWriteTurnsSharedMax};

}  // namespace

Turnstile::Turnstile(rt::Reactor& reactor, std::move_only_function<Allowance(GridId)> allowance)
    : reactor_(reactor),
      allowance_(std::move(allowance)),
      meters_looked_at_(kMetersMin),
      hurrying_(reactor) {}

Turnstile::~Turnstile() {
    CHECK(grids_.empty(), "a turnstile outlives its turns");
}

bool Turnstile::Grid::waits() const {
    return std::ranges::any_of(waiting, [](const auto& queue) { return !queue.empty(); });
}

void Turnstile::note_wish(GridId id, std::size_t queue) {
    if (queue == kPassing) return;
    Way& way = lanes_[queue];
    if (way.last == id) return;
    if (way.last != GridId{}) way.shared_until = reactor_.now() + kCompanyTime;
    way.last = id;
}

bool Turnstile::may_go(GridId id, const Grid& grid, std::size_t queue) {
    if (queue == kPassing) return true;
    const Way& way = lanes_[queue];
    const bool shared = reactor_.now() < way.shared_until;
    return way.at_work < kTurnsMax[queue] &&
           (!shared || grid.at_work[queue] < kSharedTurnsMax[queue]) &&
           grid.at_work[0] + grid.at_work[1] < allowance_(id).requests_max;
}

void Turnstile::count(Grid& grid, std::size_t queue) {
    if (queue == kPassing) return;
    ++lanes_[queue].at_work;
    ++grid.at_work[queue];
}

rt::Task<Result<Turnstile::Turn>> Turnstile::enter(const rt::Context& ctx, GridId id, Lane lane) {
    CO_TRY(co_await come_up(ctx, id, index(lane)));
    co_return Turn(*this, id, lane);
}

[[clang::coro_wrapper]] rt::Task<Result<void>> Turnstile::pass(const rt::Context& ctx, GridId id) {
    return come_up(ctx, id, kPassing);
}

rt::Task<Result<void>> Turnstile::come_up(const rt::Context& ctx, GridId id, std::size_t queue) {
    if (ctx.cancel.cancelled()) co_return fail(rt::cancelled_error());
    note_wish(id, queue);
    Grid& grid = grids_[id];
    // Nobody else who waits could come up now: a round would be planned.
    const bool now = !round_planned_ && may_go(id, grid, queue);
    if (now) plan_round();
    if (now && grid.waiting[queue].empty()) {
        count(grid, queue);
        drop_if_unused(id);
        co_return ok();
    }
    static metrics::Gauge& turns = waiting_for("a turn");
    const Counted counted(turns);
    co_return co_await wait(ctx, id, queue);
}

rt::Task<Result<void>> Turnstile::wait(const rt::Context& ctx, GridId id, std::size_t queue) {
    Waiter waiter;
    Grid& grid = grids_.at(id);
    if (!grid.waits()) line_.push_back(id);
    grid.waiting[queue].push_back(&waiter);
    rt::TimerId timer = 0;
    if (ctx.deadline != rt::kNoDeadline)
        timer = reactor_.call_at(ctx.deadline, [&] {
            timer = 0;
            give_up(id, queue, waiter, rt::deadline_error());
        });
    Result<void> out;
    {
        const rt::CancelRegistration cancel(
            ctx.cancel, [&] { give_up(id, queue, waiter, rt::cancelled_error()); });
        out = co_await waiter;
    }
    if (timer != 0) reactor_.cancel(timer);
    co_return out;
}

// One comes up; before the next does, the reactor sees to what has arrived.
void Turnstile::round() {
    round_planned_ = false;
    Waiter* next = take_next();
    if (next == nullptr) return;
    plan_round();
    next->set(ok());  // goes on inside this call
}

void Turnstile::plan_round() {
    if (std::exchange(round_planned_, true)) return;
    reactor_.post([this, here = std::weak_ptr(here_)] {
        if (!here.expired()) round();
    });
}

// The first of the next grid that may have what it waits for; the grid goes to the end of the line.
Turnstile::Waiter* Turnstile::take_next() {
    for (auto at = line_.begin(); at != line_.end(); ++at) {
        const GridId id = *at;
        Grid& grid = grids_.at(id);
        for (std::size_t i = 0; i < kQueues; ++i) {
            const std::size_t queue = (grid.next_queue + i) % kQueues;
            if (grid.waiting[queue].empty() || !may_go(id, grid, queue)) continue;
            Waiter* next = grid.waiting[queue].front();
            grid.waiting[queue].pop_front();
            grid.next_queue = queue + 1;
            count(grid, queue);
            if (grid.waits())
                line_.splice(line_.end(), line_, at);
            else
                line_.erase(at);
            drop_if_unused(id);
            return next;
        }
    }
    return nullptr;
}

void Turnstile::leave(GridId id, Lane lane) {
    --lanes_[index(lane)].at_work;
    --grids_.at(id).at_work[index(lane)];
    drop_if_unused(id);
    if (!line_.empty()) plan_round();
}

void Turnstile::give_up(GridId id, std::size_t queue, Waiter& waiter, Error why) {
    if (waiter.is_set()) return;
    Grid& grid = grids_.at(id);
    grid.waiting[queue].remove(&waiter);
    if (!grid.waits()) line_.remove(id);
    drop_if_unused(id);
    waiter.set(fail(std::move(why)));
}

void Turnstile::drop_if_unused(GridId id) {
    if (const auto found = grids_.find(id); found->second.unused()) grids_.erase(found);
}

// The meter runs ahead of the clock by what was spent; up to kSpendAheadTime of it is free.
rt::Task<Result<void>> Turnstile::spend(const rt::Context& ctx, GridId id, std::uint64_t bytes) {
    const std::uint64_t rate = allowance_(id).bytes_per_s;
    if (rate == 0 || bytes == 0) co_return ok();
    const Instant now = reactor_.now();
    if (meters_.size() >= meters_looked_at_) forget_full_meters(now);
    Instant& spent_until = meters_[id];
    spent_until = std::max(spent_until, now) +
                  std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
                      static_cast<double>(bytes) / static_cast<double>(rate)));
    const Instant may_go = spent_until - kSpendAheadTime;
    if (may_go <= now) co_return ok();
    static metrics::Gauge& rates = waiting_for("its rate");
    const Counted counted(rates);
    const auto waited = co_await hurrying_.wait(ctx.until(may_go));
    if (!waited && waited.error().kind() == ErrorKind::timeout && reactor_.now() >= may_go)
        co_return ok();
    co_return waited;
}

void Turnstile::forget_full_meters(Instant now) {
    std::erase_if(meters_, [now](const auto& item) { return item.second <= now; });
    meters_looked_at_ = std::max(kMetersMin, 2 * meters_.size());
}

}  // namespace s4::gate
