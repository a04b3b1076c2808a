#include "app/rebuild_operator.h"

#include <fmt/format.h>

#include "app/ask.h"
#include "app/migrations.h"
#include "app/state_directory.h"
#include "blob/directory_store.h"
#include "rt/asio/backend.h"
#include "storage/rebuild.h"
#include "tenants/directory.h"

namespace s4::app {
namespace {

class TenantGrids final : public storage::KnownGrids {
  public:
    explicit TenantGrids(tenants::Directory& directory) : directory_(directory) {}
    rt::Task<Result<bool>> has(const rt::Context& ctx, GridId grid) override {
        const auto found = co_await directory_.by_id(ctx, grid);
        if (found) co_return true;
        if (found.error().kind() == ErrorKind::not_found) co_return false;
        co_return fail(found.error());
    }

  private:
    tenants::Directory& directory_;
};

rt::Task<Result<storage::RebuildReport>> rebuild(rt::Runtime& runtime, StateDirectory& state,
                                                 const std::string& path) {
    const rt::Context ctx;
    CO_TRY(state.check_database());
    if (!runtime.files.info(path + "/master.key"))
        co_return fail(ErrorKind::not_found, "app.master_key_missing",
                       fmt::format("{}/master.key is missing; put it back from where you keep it: "
                                   "without it the blobs' write enablers cannot be opened",
                                   path));
    const crypto::StaticMasterKey master = CO_TRY(state.master_key(runtime.random));
    const tenants::Keyring keyring = CO_TRY(tenants::Keyring::create(master));
    sql::Options options;
    options.path = state.database_path();
    const std::vector<sql::Migration> migrations = all_migrations();
    const auto database = CO_TRY(sql::Database::open(runtime, std::move(options), migrations));
    const auto blobs =
        CO_TRY(blob::DirectoryStore::open(runtime, {.path = path, .planted_bugs = {}}));
    const auto directory = CO_TRY(
        co_await tenants::Directory::create(ctx, *database, keyring, tenants::kIdleGridsMax));
    TenantGrids known(*directory);
    const auto progress = [](const storage::RebuildReport& report) {
        print_progress(fmt::format("{} blobs read; {} shares added, {} renewed", report.blobs,
                                   report.added, report.renewed));
    };
    co_return co_await storage::rebuild_index(ctx, runtime, *database, *blobs, master, known,
                                              progress);
}

rt::Task<void> keep(rt::Runtime& runtime, StateDirectory& state, const std::string& path,
                    Result<storage::RebuildReport>& out) {
    out = co_await rebuild(runtime, state, path);
}

void print_report(const storage::RebuildReport& report) {
    fmt::print(
        "Read {} blobs of {} grids: {} shares added, {} brought to a newer version, {} were "
        "known as they are.\n",
        report.blobs, report.grids.size(), report.added, report.renewed, report.kept);
    if (report.damaged != 0)
        fmt::print("{} blobs are damaged and were left alone.\n", report.damaged);
    if (report.left_out != 0)
        fmt::print(
            "Of {} shares the newest version is not whole in the store; an older one serves, "
            "or none.\n",
            report.left_out);
    if (report.lost_small != 0)
        fmt::print(
            "{} shares were small when they were last written, and only the lost database "
            "held them.\n",
            report.lost_small);
    if (report.unknown_grids.empty()) return;
    fmt::print(
        "{} grids are not in the database, so that nothing of theirs can be served; their "
        "blobs were left alone:",
        report.unknown_grids.size());
    for (const GridId grid : report.unknown_grids) fmt::print(" {}", grid.value);
    fmt::print(". docs/recovery.md says how to bring them back.\n");
}

}  // namespace

int run_rebuild(const std::string& state) {
    rt::asio::Backend backend(kToolThreads);
    // Held meanwhile, so that no server starts on half of it.
    Result<StateDirectory> directory = StateDirectory::open(backend.runtime().files, state);
    if (!directory) return failed(directory.error());
    Result<storage::RebuildReport> report = storage::RebuildReport{};
    backend.run(keep(backend.runtime(), *directory, state, report));
    end_progress();
    if (!report) return failed(report.error());
    print_report(*report);
    const bool all = report->unknown_grids.empty() && report->lost_small == 0 &&
                     report->left_out == 0 && report->damaged == 0;
    return all ? 0 : 1;
}

}  // namespace s4::app
