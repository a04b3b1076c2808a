// Backend: the operating system as a rt::Runtime. One a process, made first in main() and destroyed
// last.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "rt/runtime.h"

namespace s4::rt::asio {

class Backend {
  public:
    // `pool_threads` for disk and database reads; the database's writer has one more of its own.
    explicit Backend(std::size_t pool_threads);
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    ~Backend();

    Runtime& runtime();

    // For tests of what takes weeks: moves the wall clock; the monotonic one goes on.
    void shift_clock(std::chrono::seconds by);

    // Runs `main` on this thread, which is the reactor's meanwhile, and returns when it has ended.
    void run(Task<void> main);

    // Calls `job` on the reactor at SIGTERM or SIGINT; the second signal ends the process at once.
    void on_terminate(Job job);

  private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace s4::rt::asio
