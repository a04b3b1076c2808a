// AsioReactor: a thread's event loop. Backend makes one and runs it; everything else sees
// rt::Reactor.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <unordered_map>

#include "rt/reactor.h"

namespace s4::rt::asio {

class AsioReactor final : public Reactor {
  public:
    AsioReactor() : io_(1), alarm_(io_) {}

    // Moves the wall clock that unix_us() tells.
    void shift_clock(std::chrono::seconds by) { clock_shift_ += by; }

    Instant now() const override { return std::chrono::steady_clock::now(); }
    std::int64_t unix_us() const override;
    void post(Job job) override;
    TimerId call_at(Instant when, Job job) override;
    void cancel(TimerId timer) override;

    boost::asio::io_context& io() { return io_; }

  private:
    using Timers = std::multimap<Instant, std::pair<TimerId, Job>>;

    void arm();
    void fire();

    boost::asio::io_context io_;
    // One system timer, set to the earliest of ours.
    boost::asio::steady_timer alarm_;
    Instant armed_for_ = Instant::max();
    Timers timers_;
    std::unordered_map<TimerId, Timers::iterator> by_id_;
    TimerId last_timer_ = 0;
    std::chrono::seconds clock_shift_{};
};

}  // namespace s4::rt::asio
