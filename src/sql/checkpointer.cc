#include "sql/checkpointer.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/log.h"
#include "base/metrics.h"
#include "sql/limits.h"

namespace s4::sql {

void Checkpointer::after_commit(std::int64_t wal_pages) {
    static metrics::Gauge& pages =
        metrics::gauge("s4_sql_wal_pages", "Pages in the write-ahead log after the last commit");
    pages.set(static_cast<double>(wal_pages));
    if (wal_pages < kCheckpointPages || running_.exchange(true)) return;
    if (wal_pages >= kCheckpointPagesMax) {
        run();
        return;
    }
    pool_.submit([self = shared_from_this()] { self->run(); });
}

void Checkpointer::run() {
    static metrics::Counter& checkpoints =
        metrics::counter("s4_sql_checkpoints_total", "Checkpoints of the write-ahead log");
    int in_log = 0;
    int copied = 0;
    const int code = sqlite3_wal_checkpoint_v2(connection_->handle(), nullptr,
                                               SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
    checkpoints.add();
    if (code != SQLITE_OK && code != SQLITE_BUSY) {
        // Nothing is lost: what was not copied is still in the log. But after a failed sync nobody
        // knows what the disk holds.
        const Error error = sqlite_error(code, fmt::format("checkpoint: {}", sqlite3_errstr(code)));
        log::error("sql", "a checkpoint failed", {{"error", error}});
        if (is_sync_failure(error)) on_fatal_(error);
    }
    running_ = false;
}

}  // namespace s4::sql
