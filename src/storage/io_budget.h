// IoBudget: keeps work that can wait to its share of the disk: at most so many bytes a second, and
// no more than a part of the time. Made for one walk, on the engine's reactor.
#pragma once

#include <cstdint>

#include "rt/context.h"
#include "rt/reactor.h"
#include "rt/task.h"

namespace s4::storage {

class IoBudget {
  public:
    struct Rate {
        std::uint64_t bytes_per_s = 0;
        int percent_of_time = 100;
    };

    IoBudget(rt::Reactor& reactor, Rate rate)
        : reactor_(reactor), rate_(rate), since_(reactor.now()) {}

    // The time since the last call was spent on other things.
    void resume() { since_ = reactor_.now(); }
    // After `bytes` were read: waits until more may be. Fails with the context's end.
    rt::Task<Result<void>> spend(const rt::Context& ctx, std::uint64_t bytes);
    // At a walk's end: waits for what is left, however little.
    rt::Task<Result<void>> settle(const rt::Context& ctx);

  private:
    rt::Task<Result<void>> wait(const rt::Context& ctx, Duration pause_min);

    rt::Reactor& reactor_;
    Rate rate_;
    Instant since_;  // when the work began that was not yet paid for
    std::uint64_t bytes_ = 0;
};

}  // namespace s4::storage
