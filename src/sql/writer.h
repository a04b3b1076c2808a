// Writer: group commit. Requests wait in a queue; a job on the runtime's writer pool takes what is
// there, runs each in a savepoint of one transaction, commits, and only then lets the answers go.
// Private to this folder.
//
// queue() is called on the reactor; the group runs on the writer pool's thread. A job may outlive
// the Database by its last few instructions, hence the shared ownership.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/runtime.h"
#include "rt/sync.h"
#include "sql/checkpointer.h"
#include "sql/connection.h"
#include "sql/transaction.h"

namespace s4::sql {

using WriteWork = std::move_only_function<Result<void>(Transaction&)>;

class Writer : public std::enable_shared_from_this<Writer> {
  public:
    struct Settings {
        std::function<void(const Error&)> on_fatal;
        bool answer_before_commit = false;  // a planted bug
    };
    // One write under way; lives in the frame of the coroutine that waits for it.
    struct Request {
        WriteWork* work = nullptr;
        Instant deadline;
        Instant queued_at{};
        Result<void> result{};
        rt::OneShot<bool> done{};
    };

    Writer(rt::Runtime& runtime, Settings settings, std::unique_ptr<Connection> connection,
           std::shared_ptr<Checkpointer> checkpointer);
    ~Writer();

    // False when too many wait. `request.done` is set on the reactor.
    bool queue(Request& request);
    // The same on this thread, when nothing else is under way.
    Result<void> run_blocking(WriteWork& work);
    // Runs on the writer's thread between two groups.
    Connection& connection() { return *connection_; }
    // An answer of the disk after which nothing can be promised.
    void fatal(const Error& error);
    bool failed() const { return failed_; }
    // Called on the writer's thread before each group, which may be the one that begins the
    // write-ahead log anew. Set on that thread too.
    void set_tap(std::function<void()> tap) { tap_ = std::move(tap); }

  private:
    void run_group();
    std::vector<Request*> take_group();
    void give_back(std::vector<Request*>& group, std::size_t from);
    void end_group();
    // Decides requests one after the other; an Error undoes the group as a whole.
    Result<void> decide(std::vector<Request*>& group);
    Result<void> decide_one(Request& request);
    Result<void> commit();
    void answer(std::vector<Request*> group);

    rt::Runtime& runtime_;
    Settings settings_;
    std::unique_ptr<Connection> connection_;
    std::shared_ptr<Checkpointer> checkpointer_;
    bool failed_ = false;  // the writer's thread only

    std::function<void()> tap_;  // the writer's thread only

    std::mutex mutex_;
    std::vector<Request*> queue_;
    bool scheduled_ = false;
};

}  // namespace s4::sql
