// Timeline: the one queue of events. Whatever happens in a world happens in a job of it; time
// stands still within a job and moves between them. Equal times run in the order of their making.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/units.h"
#include "rt/reactor.h"

namespace s4::rt::sim {

class Timeline {
  public:
    Instant now() const { return now_; }

    std::uint64_t schedule(Instant when, Job job) {
        const std::uint64_t id = ++last_id_;
        const Key key(std::max(when, now_), id);
        jobs_.emplace(key, std::move(job));
        times_.emplace(id, key.first);
        return id;
    }
    void cancel(std::uint64_t id) {
        const auto found = times_.find(id);
        if (found == times_.end()) return;
        jobs_.erase({found->second, id});
        times_.erase(found);
    }
    // Runs the next job unless it lies after `limit`; false if none was run.
    bool step(Instant limit) {
        if (jobs_.empty() || jobs_.begin()->first.first > limit) return false;
        const Key key = jobs_.begin()->first;
        Job job = std::move(jobs_.begin()->second);
        jobs_.erase(jobs_.begin());
        times_.erase(key.second);
        now_ = key.first;
        ++jobs_run_;
        job();
        return true;
    }
    void advance_to(Instant when) { now_ = std::max(now_, when); }
    std::uint64_t jobs_run() const { return jobs_run_; }

  private:
    using Key = std::pair<Instant, std::uint64_t>;

    Instant now_{};
    std::uint64_t last_id_ = 0;
    std::uint64_t jobs_run_ = 0;
    std::map<Key, Job> jobs_;
    std::unordered_map<std::uint64_t, Instant> times_;  // by id, to cancel
};

}  // namespace s4::rt::sim
