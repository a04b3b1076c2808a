// ThreadPool: rt::Pool with threads of its own. Destruction runs what was submitted, then joins.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rt/pool.h"

namespace s4::rt::asio {

class ThreadPool final : public Pool {
  public:
    // `name` is what debuggers and top show, at most 15 bytes.
    ThreadPool(std::string name, std::size_t threads);
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    ~ThreadPool() override;

    void submit(Job job) override;

  private:
    void work();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;   // guarded by mutex_
    bool stopping_ = false;  // guarded by mutex_
    std::vector<std::thread> threads_;
};

}  // namespace s4::rt::asio
