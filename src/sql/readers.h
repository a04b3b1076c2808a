// Readers: the connections that read, and the line before them. Lives on the reactor; each
// connection is used by one job of the pool at a time. Private to this folder.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "rt/runtime.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "sql/connection.h"
#include "sql/transaction.h"

namespace s4::sql {

using ReadWork = std::move_only_function<Result<void>(Reader&)>;

class Readers {
  public:
    Readers(rt::Runtime& runtime, std::vector<std::unique_ptr<Connection>> connections)
        : runtime_(runtime),
          permits_(runtime.reactor, connections.size()),
          free_(std::move(connections)) {}

    rt::Task<Result<void>> run(const rt::Context& ctx, ReadWork work);

  private:
    Result<void> run_here(Connection& connection, ReadWork& work);

    rt::Runtime& runtime_;
    rt::Semaphore permits_;
    std::vector<std::unique_ptr<Connection>> free_;
    std::size_t waiting_ = 0;
};

}  // namespace s4::sql
