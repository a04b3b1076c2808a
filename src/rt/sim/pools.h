// SimPool: pool jobs as events. Each waits a random while; a pool of one thread keeps their order,
// a larger one does not. A job runs within one event, but what it posts to its reactor arrives
// later, in order, as from another thread.
#pragma once

#include <cstddef>

#include "rt/pool.h"
#include "rt/sim/dice.h"
#include "rt/sim/profile.h"
#include "rt/sim/timeline.h"

namespace s4::rt::sim {

class SimPool final : public Pool {
  public:
    SimPool(Timeline& timeline, const Profile& profile, std::size_t threads, Dice dice)
        : timeline_(timeline), profile_(profile), threads_(threads), dice_(dice) {}

    void submit(Job job) override;
    // The pool whose job runs now; null on a reactor.
    static SimPool* running() { return running_; }
    // When something posted now by the running job arrives.
    Instant arrival();

  private:
    static SimPool* running_;

    Timeline& timeline_;
    const Profile& profile_;
    std::size_t threads_;
    Dice dice_;
    Instant last_start_{};
    Instant last_arrival_{};
};

}  // namespace s4::rt::sim
