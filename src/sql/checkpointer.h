// Checkpointer: copies the write-ahead log back into the database file, beside the writer, on the
// runtime's pool. Private to this folder; shared with its own jobs, of which one runs at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "base/result.h"
#include "rt/pool.h"
#include "sql/connection.h"

namespace s4::sql {

class Checkpointer : public std::enable_shared_from_this<Checkpointer> {
  public:
    Checkpointer(rt::Pool& pool, std::unique_ptr<Connection> connection,
                 std::function<void(const Error&)> on_fatal)
        : pool_(pool), connection_(std::move(connection)), on_fatal_(std::move(on_fatal)) {}

    // Called by the writer after each commit, with the pages now in the log: starts a job when
    // there are enough, and does the work at once when there are too many.
    void after_commit(std::int64_t wal_pages);

  private:
    void run();

    rt::Pool& pool_;
    std::unique_ptr<Connection> connection_;
    std::function<void(const Error&)> on_fatal_;
    std::atomic<bool> running_ = false;
};

}  // namespace s4::sql
