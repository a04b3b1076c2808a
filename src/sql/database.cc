#include "sql/database.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/log.h"
#include "rt/pool.h"
#include "sql/backup.h"
#include "sql/checkpointer.h"
#include "sql/files_vfs.h"
#include "sql/migrate.h"
#include "sql/readers.h"
#include "sql/shipper.h"
#include "sql/writer.h"

namespace s4::sql {
namespace {

[[noreturn]] void end_process(const Error& error) {
    log::error("sql", "a sync failed, so what is on disk is not known; the process ends",
               {{"error", error}});
    std::abort();
}

// What blocks of a backup, for the pool: the finished file and its name become durable.
Result<void> sync_copy(rt::Files& files, const std::string& path) {
    const std::unique_ptr<rt::File> file = TRY(files.open(path, rt::OpenMode::write));
    TRY(file->sync());
    return files.sync_directory(rt::parent_path(path));
}

}  // namespace

Database::Database(rt::Runtime& runtime, Options options)
    : runtime_(runtime), options_(std::move(options)) {
    if (!options_.on_fatal) options_.on_fatal = end_process;
}

Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(rt::Runtime& runtime, Options options,
                                                 std::span<const Migration> migrations) {
    std::unique_ptr<Database> out(new Database(runtime, std::move(options)));
    const Options& chosen = out->options_;
    Connection::Settings settings{.path = chosen.path,
                                  .vfs = "unix",
                                  .vfs_owner = nullptr,
                                  .synchronous_off = chosen.planted_bugs.synchronous_off,
                                  .skipped_statement = chosen.planted_bugs.skipped_statement};
    if (chosen.vfs == Options::Vfs::files) {
        auto vfs = std::make_shared<FilesVfs>(runtime);
        settings.vfs = vfs->name();
        settings.vfs_owner = vfs;
    }
    out->vfs_name_ = settings.vfs;
    out->vfs_owner_ = settings.vfs_owner;
    auto connection = TRY(Connection::open(settings, Connection::Role::writer));
    TRY(migrate(*connection, migrations, runtime.reactor.unix_s(), chosen.path));
    auto checkpointer = std::make_shared<Checkpointer>(
        runtime.pool, TRY(Connection::open(settings, Connection::Role::checkpointer)),
        chosen.on_fatal);
    std::vector<std::unique_ptr<Connection>> readers;
    for (std::size_t i = 0; i < chosen.readers; ++i)
        readers.push_back(TRY(Connection::open(settings, Connection::Role::reader)));
    out->readers_ = std::make_unique<Readers>(runtime, std::move(readers));
    out->writer_ = std::make_shared<Writer>(
        runtime,
        Writer::Settings{.on_fatal = chosen.on_fatal,
                         .answer_before_commit = chosen.planted_bugs.answer_before_commit},
        std::move(connection), std::move(checkpointer));
    return out;
}

rt::Task<Result<void>> Database::queue_write(
    const rt::Context& ctx, std::move_only_function<Result<void>(Transaction&)> work) {
    if (ctx.cancel.cancelled()) co_return fail(rt::cancelled_error());
    Writer::Request request{.work = &work, .deadline = ctx.deadline};
    if (!writer_->queue(request))
        co_return fail(ErrorKind::unavailable, "sql.writer_busy",
                       "too many writes wait for the database");
    co_await request.done;
    co_return std::move(request.result);
}

rt::Task<Result<void>> Database::run_read(const rt::Context& ctx,
                                          std::move_only_function<Result<void>(Reader&)> work) {
    if (ctx.cancel.cancelled()) co_return fail(rt::cancelled_error());
    co_return co_await readers_->run(ctx, std::move(work));
}

Result<void> Database::run_write_blocking(
    std::move_only_function<Result<void>(Transaction&)> work) {
    return writer_->run_blocking(work);
}

rt::Task<Result<void>> Database::ship_log(const rt::Context& ctx, ShipTarget target,
                                          rt::Pool& disk) {
    CHECK(!shipper_, "a log is shipped to one directory");
    auto source = CO_TRY(Connection::open(
        {.path = options_.path, .vfs = vfs_name_, .vfs_owner = vfs_owner_, .skipped_statement = {}},
        Connection::Role::reader));
    shipper_ = std::make_unique<LogShipper>(ctx, LogShipper::Parts{.runtime = runtime_,
                                                                   .disk = disk,
                                                                   .writer = writer_,
                                                                   .source = std::move(source),
                                                                   .database_path = options_.path,
                                                                   .target = std::move(target)});
    auto started = co_await shipper_->start();
    if (!started) shipper_.reset();
    co_return started;
}

std::optional<ShipStatus> Database::ship_status() const {
    if (!shipper_) return std::nullopt;
    return shipper_->status();
}

rt::Task<void> Database::stop_shipping() {
    if (!shipper_) co_return;
    co_await shipper_->stop();
    shipper_.reset();
}

rt::Task<Result<void>> Database::backup(const rt::Context& ctx, std::string path) {
    const auto taken = co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                           [&] { return runtime_.files.info(path); });
    if (taken)
        co_return fail(ErrorKind::conflict, "sql.backup_exists",
                       fmt::format("{} exists; give the name of a new file", path));
    std::unique_ptr<Backup> backup;
    Result<bool> complete = false;
    while (complete && !*complete && !ctx.cancel.cancelled()) {
        complete = co_await rt::run_on(runtime_.writer, runtime_.reactor, [&]() -> Result<bool> {
            if (!backup) backup = TRY(Backup::begin(writer_->connection(), path, vfs_name_));
            return backup->step(kBackupStepPages);
        });
    }
    (void)co_await rt::run_on(runtime_.writer, runtime_.reactor, [&] {
        backup.reset();
        return ok();
    });
    if (!complete) co_return fail(complete.error());
    if (!*complete) co_return fail(rt::cancelled_error());
    co_return co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                  [&] { return sync_copy(runtime_.files, path); });
}

}  // namespace s4::sql
