// LogShipper: keeps a second copy of the database in another directory, at most a moment behind
// (docs/formats/shipped-log.md). Private to this folder; Database::ship_log makes it.
//
// SQLite's log begins anew, over its former content, only within a write that follows a checkpoint.
// The writer has it read before each of its groups, so that no commit is missed. What was read
// waits in memory, bounded. All that touches the other directory runs on `disk`, a pool of its own:
// a directory that hangs, fails or is full holds up nobody. If it fails or does not keep up, the
// generation is given up, and another begins when it does.
//
// A generation's snapshot is a plain copy of the database file, made while checkpoints change that
// file. Whatever they change meanwhile comes from commits that the generation's records hold as
// whole pages, the first of them with all that the database's log held when the copying began. So
// the copy is not whole by itself, and the generation is, once its records reach past the copy's
// end.
//
// start() once, stop() before destruction; both on the reactor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/task.h"
#include "sql/database.h"
#include "sql/shipped_log.h"
#include "sql/wal.h"
#include "sql/writer.h"

namespace s4::sql {

class LogShipper {
  public:
    struct Parts {
        rt::Runtime& runtime;
        rt::Pool& disk;
        std::shared_ptr<Writer> writer;
        std::unique_ptr<Connection> source;  // for the database file alone
        std::string database_path;
        ShipTarget target;
    };

    LogShipper(const rt::Context& ctx, Parts parts);

    // Takes the directory; the first generation follows at once, and all else by itself.
    rt::Task<Result<void>> start();
    // Copies what is left.
    rt::Task<void> stop();
    ShipStatus status() const;

  private:
    struct Begun {
        std::optional<LogRecord> rest;  // of the generation before; nothing: it is broken
        LogRecord first;
    };

    rt::Task<void> run(const rt::Context& ctx);
    rt::Task<void> show_lag(const rt::Context& ctx);
    bool generation_due() const;
    rt::Task<Result<void>> ship();
    rt::Task<Result<void>> append(std::unique_ptr<LogSegments>& to, const LogRecord& record);
    rt::Task<Result<void>> begin_generation(const rt::Context& ctx);
    rt::Task<Result<void>> make_generation(const rt::Context& ctx, const std::string& fresh,
                                           std::uint64_t number);
    rt::Task<Result<void>> copy_database(const rt::Context& ctx, const std::string& fresh);
    rt::Task<void> give_up_soon();
    void tell(const Result<void>& outcome);
    template <typename Work>
    rt::Task<std::invoke_result_t<Work&>> on_disk(Work work) {
        co_return co_await rt::run_on(with_.disk, with_.runtime.reactor, std::move(work));
    }
    template <typename Work>
    rt::Task<std::invoke_result_t<Work&>> on_writer(Work work) {
        co_return co_await rt::run_on(with_.runtime.writer, with_.runtime.reactor, std::move(work));
    }

    // On the disk's pool.
    Result<void> take_directory();
    Result<void> check_owner();
    Result<void> prepare(const std::string& fresh);
    Result<void> finish_snapshot(const std::string& fresh);
    Result<void> settle(const std::string& fresh, const std::string& name);

    // On the writer's thread.
    void collect();
    Result<LogRecord> take();
    Result<Begun> begin();
    void give_up();

    Parts with_;
    rt::Scope scope_;
    std::unique_ptr<rt::File> lock_;  // one process ships to a directory

    std::unique_ptr<LogSegments> segments_;  // of the whole generation; none: it is broken
    std::unique_ptr<LogSegments> making_;    // of the one in the making
    std::uint64_t generation_ = 0;
    std::uint64_t snapshot_bytes_ = 0;
    Instant began_{};
    Instant shipped_at_{};  // all that was committed by then is shipped
    Instant next_alarm_log_{};
    Instant next_generation_{};
    std::string problem_;

    // The snapshot under way; the disk's pool only.
    std::unique_ptr<rt::File> snapshot_;
    SnapshotSeal seal_;

    // The writer's thread only.
    bool tapping_ = false;
    WalPosition position_;
    LogRecord pending_;
    Result<void> collected_ = ok();
};

}  // namespace s4::sql
