// Database: the narrow door to the store of rows. Services read and write through closures; which
// engine stands behind (SQLite now) is not seen.
//
//   auto id = CO_TRY(co_await db.write(ctx, [&](sql::Transaction& tx) -> Result<GridId> {
//       TRY(tx.execute(kInsertGrid, {name}));
//       ...
//   }));
//
// write(): one writer decides requests in turn, each in a savepoint, many in one transaction; the
// result is given only after the COMMIT that holds it is on disk (invariant 1). An Error undoes
// what that closure did and nothing else. read(): one consistent view, which holds whatever write()
// had returned before.
//
// Closures run on other threads, so they change nothing but the database and their own result, and
// they may be run again after a failed attempt. They are short: no read over 100 ms. What they
// borrow lives until the call returns.
//
// Made at start, destroyed when no call is under way. write(), read() and backup() are called on
// the runtime's reactor.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "rt/context.h"
#include "rt/pool.h"
#include "rt/runtime.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "sql/limits.h"
#include "sql/migration.h"
#include "sql/transaction.h"

namespace s4::sql {

class LogShipper;
class Readers;
class Writer;

// Bugs that the simulator must be able to find; never set by the program.
struct PlantedBugs {
    bool synchronous_off = false;
    bool answer_before_commit = false;
    std::string_view skipped_statement{};  // a Query's name: executing it does nothing
};

struct Options {
    enum class Vfs : std::uint8_t {
        system,  // SQLite's own: files of the operating system
        files,   // runtime.files, for the simulator
    };

    std::string path;  // the database file; its folder exists
    Vfs vfs = Vfs::system;
    std::size_t readers = kReadersDefault;
    // Called when a sync failed, so that what is on disk is no longer known. It ends the process;
    // the default logs and aborts. If it returns (the simulator), every later call fails.
    std::function<void(const Error&)> on_fatal{};
    PlantedBugs planted_bugs{};
};

// Where the log is shipped to.
struct ShipTarget {
    std::string directory;
    // Names this database. A directory keeps to the first name it was given: another database is
    // refused, whose generations would be taken for newer ones.
    std::string owner;
};

// How far the shipped log is behind.
struct ShipStatus {
    std::string directory;
    Duration lag{};       // the oldest commit that is not in it is at most so old
    bool whole = false;   // false: there is no snapshot of this run yet, or the directory fails
    std::string problem;  // empty: none
};

class Database {
  public:
    // Opens or makes the database and applies migrations. Blocks; called at start. Refuses with
    // "sql.newer" a database that a newer program wrote.
    static Result<std::unique_ptr<Database>> open(rt::Runtime& runtime, Options options,
                                                  std::span<const Migration> migrations);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    // `work(Transaction&) -> Result<T>`. Fails with "sql.writer_busy" when too many wait, or with
    // the context's end if that comes before its turn; once begun it is not interrupted.
    template <typename Work>
    rt::Task<std::invoke_result_t<Work&, Transaction&>> write(const rt::Context& ctx, Work work);

    // `work(Reader&) -> Result<T>`.
    template <typename Work>
    rt::Task<std::invoke_result_t<Work&, Reader&>> read(const rt::Context& ctx, Work work);

    // Copies the database as it is at the end of the call to a new file at `path`, synced, in steps
    // between which writes go on.
    rt::Task<Result<void>> backup(const rt::Context& ctx, std::string path);

    // Keeps a copy in the target's directory, at most a moment behind
    // (docs/formats/shipped-log.md), from its first snapshot on, which is made beside. Whatever
    // waits for that directory does so on `disk`, a pool for nothing else. Fails if the directory
    // cannot be made, is in use or is another database's; what fails later is an alarm and is tried
    // again, and stops no write. Once, and then until stop_shipping(), which copies what is left
    // and is called before destruction; without shipping it does nothing.
    rt::Task<Result<void>> ship_log(const rt::Context& ctx, ShipTarget target, rt::Pool& disk);
    rt::Task<void> stop_shipping();
    // Nothing when no log is shipped.
    std::optional<ShipStatus> ship_status() const;

    // The same closures on this thread, for start and for tools; no call may be under way.
    template <typename Work>
    std::invoke_result_t<Work&, Transaction&> write_blocking(Work work);

  private:
    Database(rt::Runtime& runtime, Options options);

    rt::Task<Result<void>> queue_write(const rt::Context& ctx,
                                       std::move_only_function<Result<void>(Transaction&)> work);
    rt::Task<Result<void>> run_read(const rt::Context& ctx,
                                    std::move_only_function<Result<void>(Reader&)> work);
    Result<void> run_write_blocking(std::move_only_function<Result<void>(Transaction&)> work);

    rt::Runtime& runtime_;
    Options options_;
    std::string vfs_name_;
    std::shared_ptr<void> vfs_owner_;
    std::shared_ptr<Writer> writer_;
    std::unique_ptr<Readers> readers_;
    std::unique_ptr<LogShipper> shipper_;
};

namespace detail {

// Runs `work` and keeps its value outside, so that one non-template path carries every closure.
template <typename Value, typename Work, typename Door>
Result<void> keep(std::optional<Result<Value>>& out, Work& work, Door& door) {
    out.emplace(work(door));
    if (!*out) return std::unexpected(out->error());
    return ok();
}

template <typename ResultType>
using value_of = typename ResultType::value_type;

}  // namespace detail

template <typename Work>
rt::Task<std::invoke_result_t<Work&, Transaction&>> Database::write(const rt::Context& ctx,
                                                                    Work work) {
    using Value = detail::value_of<std::invoke_result_t<Work&, Transaction&>>;
    std::optional<Result<Value>> out;
    CO_TRY(co_await queue_write(ctx, [&](Transaction& tx) { return detail::keep(out, work, tx); }));
    co_return std::move(*out);
}

template <typename Work>
rt::Task<std::invoke_result_t<Work&, Reader&>> Database::read(const rt::Context& ctx, Work work) {
    using Value = detail::value_of<std::invoke_result_t<Work&, Reader&>>;
    std::optional<Result<Value>> out;
    CO_TRY(co_await run_read(ctx, [&](Reader& reader) { return detail::keep(out, work, reader); }));
    co_return std::move(*out);
}

template <typename Work>
std::invoke_result_t<Work&, Transaction&> Database::write_blocking(Work work) {
    using Value = detail::value_of<std::invoke_result_t<Work&, Transaction&>>;
    std::optional<Result<Value>> out;
    TRY(run_write_blocking([&](Transaction& tx) { return detail::keep(out, work, tx); }));
    return std::move(*out);
}

}  // namespace s4::sql
