#include "rt/sim/pools.h"

#include <algorithm>
#include <utility>

namespace s4::rt::sim {

SimPool* SimPool::running_ = nullptr;

void SimPool::submit(Job job) {
    Duration wait = dice_.between(Duration(0), profile_.job_wait_max);
    if (dice_.chance(profile_.slow_job_chance))
        wait += dice_.between(Duration(0), profile_.slow_job_wait);
    Instant start = timeline_.now() + wait;
    if (threads_ == 1) start = last_start_ = std::max(start, last_start_);
    timeline_.schedule(start, [this, job = std::move(job)]() mutable {
        SimPool* const outer = std::exchange(running_, this);
        job();
        running_ = outer;
    });
}

Instant SimPool::arrival() {
    const Duration wait = dice_.between(Duration(0), profile_.job_wait_max / 4);
    last_arrival_ = std::max(last_arrival_, timeline_.now() + wait);
    return last_arrival_;
}

}  // namespace s4::rt::sim
