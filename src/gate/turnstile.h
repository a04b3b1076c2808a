// Turnstile: where the grids take turns, so that none can take the node for itself.
//
// What a request makes this node do it does in a turn; while it waits for its peer it has none. The
// grids come up one after another, each with one request at a time, and between two of them the
// reactor looks at its sockets: so a grid with one request waits for one request of a grid that has
// a thousand, not for a thousand. Turns are few for reads and more for writes, which one commit
// takes together; while several grids want them none has all. A grid's bytes pass at the rate that
// its plan grants.
//
// Nobody is refused here. A client that asks too much is kept waiting, and its connection is not
// read meanwhile, since Tahoe's clients give up a server that says no (reference D.9). How many can
// wait is bounded by the connections of a grid and the calls of a connection.
//
// On the gate's reactor; outlives its turns. It holds nothing of a grid without requests but, for
// a while, how much it has sent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/id.h"
#include "gate/limits.h"
#include "rt/reactor.h"
#include "rt/sync.h"
#include "rt/task.h"

namespace s4::gate {

// What a grid's policy grants.
struct Allowance {
    std::size_t requests_max = 64;  // in their turns at the same time
    std::uint64_t bytes_per_s = 0;  // both ways together; 0: as fast as it goes
};

class Turnstile {
  public:
    enum class Lane : std::uint8_t { read, write };

    class Turn {
      public:
        Turn(Turn&& other) noexcept
            : turnstile_(std::exchange(other.turnstile_, nullptr)),
              grid_(other.grid_),
              lane_(other.lane_) {}
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (turnstile_) turnstile_->leave(grid_, lane_);
        }

      private:
        friend class Turnstile;
        Turn(Turnstile& turnstile, GridId grid, Lane lane)
            : turnstile_(&turnstile), grid_(grid), lane_(lane) {}

        Turnstile* turnstile_;
        GridId grid_;
        Lane lane_;
    };

    // `allowance` is asked whenever it counts, so that a new policy takes effect at once.
    Turnstile(rt::Reactor& reactor, std::move_only_function<Allowance(GridId)> allowance);
    Turnstile(const Turnstile&) = delete;
    Turnstile& operator=(const Turnstile&) = delete;
    ~Turnstile();

    // Waits for a turn; fails with the context's cancellation or deadline alone.
    rt::Task<Result<Turn>> enter(const rt::Context& ctx, GridId grid, Lane lane);
    // Waits until the grid comes up, and takes no turn: for the answers to writes, which a commit
    // makes ready all at once, and for the parts of an answer that a fast peer takes at once.
    [[clang::coro_wrapper]] rt::Task<Result<void>> pass(const rt::Context& ctx, GridId grid);
    // Waits until the grid may send or receive so many bytes more. Not in a turn.
    rt::Task<Result<void>> spend(const rt::Context& ctx, GridId grid, std::uint64_t bytes);
    // The node stops: from now on bytes pass as fast as they go.
    void hurry() { hurrying_.set(); }

    std::size_t at_work(Lane lane) const { return lanes_[index(lane)].at_work; }
    std::size_t grids() const { return grids_.size(); }
    std::size_t meters() const { return meters_.size(); }

  private:
    // What waits: for a turn in one of the lanes, or to pass.
    static constexpr std::size_t kLanes = 2;
    static constexpr std::size_t kPassing = kLanes;
    static constexpr std::size_t kQueues = kLanes + 1;

    using Waiter = rt::OneShot<Result<void>>;
    struct Grid {
        std::array<std::size_t, kLanes> at_work{};
        std::array<std::list<Waiter*>, kQueues> waiting;
        std::size_t next_queue = 0;  // that is looked at first when it comes up

        bool waits() const;
        bool unused() const { return !waits() && at_work[0] + at_work[1] == 0; }
    };
    struct Way {
        std::size_t at_work = 0;
        GridId last;             // who wanted it
        Instant shared_until{};  // several grids wanted it a short while ago
    };

    static std::size_t index(Lane lane) { return static_cast<std::size_t>(lane); }
    void note_wish(GridId id, std::size_t queue);
    bool may_go(GridId id, const Grid& grid, std::size_t queue);
    void count(Grid& grid, std::size_t queue);
    rt::Task<Result<void>> come_up(const rt::Context& ctx, GridId id, std::size_t queue);
    rt::Task<Result<void>> wait(const rt::Context& ctx, GridId id, std::size_t queue);
    void plan_round();
    void round();
    Waiter* take_next();
    void leave(GridId grid, Lane lane);
    void give_up(GridId grid, std::size_t queue, Waiter& waiter, Error why);
    void drop_if_unused(GridId grid);
    void forget_full_meters(Instant now);

    rt::Reactor& reactor_;
    std::move_only_function<Allowance(GridId)> allowance_;
    std::array<Way, kLanes> lanes_;
    std::unordered_map<GridId, Grid> grids_;
    std::list<GridId> line_;      // the grids with waiters; who comes up next is first
    bool round_planned_ = false;  // whoever comes meanwhile waits for it
    // What was posted to the reactor may run when this is gone.
    std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);
    // Until when each grid has spent at its rate what it has spent.
    std::unordered_map<GridId, Instant> meters_;
    std::size_t meters_looked_at_;
    rt::Event hurrying_;
};

}  // namespace s4::gate
