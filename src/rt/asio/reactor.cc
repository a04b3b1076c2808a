#include "rt/asio/reactor.h"

#include <boost/asio/post.hpp>
#include <chrono>

namespace s4::rt::asio {

std::int64_t AsioReactor::unix_us() const {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch() + clock_shift_;
    return std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count();
}

void AsioReactor::post(Job job) {
    boost::asio::post(io_, std::move(job));
}

TimerId AsioReactor::call_at(Instant when, Job job) {
    const TimerId id = ++last_timer_;
    by_id_[id] = timers_.emplace(when, std::pair(id, std::move(job)));
    arm();
    return id;
}

void AsioReactor::cancel(TimerId timer) {
    const auto found = by_id_.find(timer);
    if (found == by_id_.end()) return;
    timers_.erase(found->second);
    by_id_.erase(found);
    // The alarm stays as it is: waking once for nothing is cheaper than setting it for each
    // cancelled timer.
}

void AsioReactor::arm() {
    if (timers_.empty() || armed_for_ <= timers_.begin()->first) return;
    armed_for_ = timers_.begin()->first;
    alarm_.expires_at(armed_for_);
    alarm_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;  // set anew for an earlier time
        armed_for_ = Instant::max();
        fire();
    });
}

void AsioReactor::fire() {
    const Instant due = now();
    while (!timers_.empty() && timers_.begin()->first <= due) {
        Job job = std::move(timers_.begin()->second.second);
        by_id_.erase(timers_.begin()->second.first);
        timers_.erase(timers_.begin());
        job();
    }
    arm();
}

}  // namespace s4::rt::asio
