#include "sql/writer.h"

#include <algorithm>

#include "base/log.h"
#include "base/metrics.h"
#include "sql/limits.h"

namespace s4::sql {
namespace {

constexpr Query kBegin{"sql.begin", "BEGIN IMMEDIATE"};
constexpr Query kCommit{"sql.commit", "COMMIT"};
constexpr Query kRollback{"sql.rollback", "ROLLBACK"};
constexpr Query kSavepoint{"sql.savepoint", "SAVEPOINT request"};
constexpr Query kRelease{"sql.release", "RELEASE request"};
constexpr Query kUndo{"sql.undo", "ROLLBACK TO request"};

double seconds(Duration time) {
    return std::chrono::duration<double>(time).count();
}

struct Metrics {
    metrics::Histogram& group_size =
        metrics::histogram("s4_sql_group_writes", "Writes that share one commit",
                           {1, 2, 4, 8, 16, 32, 64, 128, 256, 512});
    metrics::Histogram& commit_s =
        metrics::histogram("s4_sql_commit_seconds", "COMMIT, its sync included",
                           {0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2});
    metrics::Histogram& wait_s =
        metrics::histogram("s4_sql_write_wait_seconds", "From a write's call to its turn",
                           {0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2});
    metrics::Counter& failed_groups = metrics::counter(
        "s4_sql_failed_groups_total", "Groups of writes undone by a failure of the disk");
};

Metrics& measured() {
    static Metrics all;
    return all;
}

}  // namespace

Writer::Writer(rt::Runtime& runtime, Settings settings, std::unique_ptr<Connection> connection,
               std::shared_ptr<Checkpointer> checkpointer)
    : runtime_(runtime),
      settings_(std::move(settings)),
      connection_(std::move(connection)),
      checkpointer_(std::move(checkpointer)) {}

Writer::~Writer() = default;

bool Writer::queue(Request& request) {
    request.queued_at = runtime_.reactor.now();
    bool start = false;
    {
        const std::lock_guard lock(mutex_);
        if (queue_.size() >= kQueuedWritesMax) return false;
        queue_.push_back(&request);
        start = !std::exchange(scheduled_, true);
    }
    if (start) runtime_.writer.submit([self = shared_from_this()] { self->run_group(); });
    return true;
}

std::vector<Writer::Request*> Writer::take_group() {
    const std::lock_guard lock(mutex_);
    if (queue_.size() <= kGroupWritesMax) return std::exchange(queue_, {});
    const auto end = queue_.begin() + kGroupWritesMax;
    std::vector<Request*> group(queue_.begin(), end);
    queue_.erase(queue_.begin(), end);
    return group;
}

void Writer::give_back(std::vector<Request*>& group, std::size_t from) {
    const auto rest = group.begin() + static_cast<std::ptrdiff_t>(from);
    const std::lock_guard lock(mutex_);
    queue_.insert(queue_.begin(), rest, group.end());
    group.erase(rest, group.end());
}

void Writer::run_group() {
    std::vector<Request*> group = take_group();
    if (tap_) tap_();
    Result<void> outcome = decide(group);
    if (settings_.answer_before_commit && outcome) {
        answer(std::move(group));
        runtime_.writer.submit([self = shared_from_this()] {
            (void)self->commit();
            self->end_group();
        });
        return;
    }
    if (outcome) outcome = commit();
    if (!outcome) {
        measured().failed_groups.add();
        log::error("sql", "a group of writes was undone",
                   {{"error", outcome.error()}, {"writes", group.size()}});
        if (connection_->in_transaction()) (void)connection_->execute(kRollback, {});
        for (Request* request : group)
            if (request->result) request->result = fail(outcome.error());
    }
    answer(std::move(group));
    end_group();
}

void Writer::end_group() {
    checkpointer_->after_commit(connection_->wal_pages());
    {
        const std::lock_guard lock(mutex_);
        scheduled_ = !queue_.empty();
        if (!scheduled_) return;
    }
    // As a job of its own, so that a backup's steps get their turn.
    runtime_.writer.submit([self = shared_from_this()] { self->run_group(); });
}

Result<void> Writer::decide(std::vector<Request*>& group) {
    if (failed_)
        return fail(ErrorKind::closed, "sql.closed", "the database failed and takes no more");
    const Instant begun = runtime_.reactor.now();
    Instant now = begun;
    TRY(connection_->execute(kBegin, {}));
    for (std::size_t i = 0; i < group.size(); ++i) {
        if (now - begun > kGroupTimeMax) {
            give_back(group, i);
            break;
        }
        measured().wait_s.observe(seconds(now - group[i]->queued_at));
        TRY(decide_one(*group[i]));
        now = runtime_.reactor.now();
    }
    measured().group_size.observe(static_cast<double>(group.size()));
    return ok();
}

Result<void> Writer::decide_one(Request& request) {
    if (runtime_.reactor.now() > request.deadline) {
        request.result = fail(rt::deadline_error());
        return ok();
    }
    TRY(connection_->execute(kSavepoint, {}));
    Transaction transaction(*connection_);
    request.result = (*request.work)(transaction);
    // Some failures (a full disk) make SQLite undo the whole transaction.
    if (!connection_->in_transaction()) {
        if (request.result)
            request.result = fail(ErrorKind::io, "sql.undone", "the transaction was undone");
        return fail(request.result.error());
    }
    if (!request.result) TRY(connection_->execute(kUndo, {}));
    TRY(connection_->execute(kRelease, {}));
    return ok();
}

Result<void> Writer::commit() {
    const Instant begun = runtime_.reactor.now();
    const auto committed = connection_->execute(kCommit, {});
    measured().commit_s.observe(seconds(runtime_.reactor.now() - begun));
    if (committed) return ok();
    if (is_sync_failure(committed.error())) fatal(committed.error());
    return fail(committed.error());
}

void Writer::answer(std::vector<Request*> group) {
    runtime_.reactor.post([group = std::move(group)] {
        for (Request* request : group) request->done.set(true);
    });
}

Result<void> Writer::run_blocking(WriteWork& work) {
    Request request{.work = &work, .deadline = rt::kNoDeadline};
    TRY(connection_->execute(kBegin, {}));
    Result<void> outcome = decide_one(request);
    if (outcome && request.result) outcome = commit();
    if (connection_->in_transaction()) (void)connection_->execute(kRollback, {});
    if (!request.result) return std::move(request.result);
    return outcome;
}

void Writer::fatal(const Error& error) {
    failed_ = true;
    settings_.on_fatal(error);
}

}  // namespace s4::sql
