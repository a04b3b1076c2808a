#include "control/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "blob/directory_store.h"
#include "codec/hex.h"
#include "control/limits.h"
#include "rt/pool.h"

namespace s4::control {
namespace {

constexpr const char* kDatabase = "/s4.sqlite";
constexpr const char* kMasterKey = "/master.key";
constexpr const char* kPorts = "/ports.json";
constexpr std::uint64_t kSmallFileBytesMax = 64 * kKiB;
constexpr const char* kLogNamePurpose = "s4 shipped log v1";

std::string absolute(const std::string& path) {
    std::error_code error;
    const std::filesystem::path out = std::filesystem::weakly_canonical(path, error);
    return error ? path : out.string();
}

// Whether `path` is `folder` or lies in it.
bool is_within(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder + "/");
}

Result<void> copy_small_file(rt::Files& files, const std::string& from, const std::string& to) {
    const ByteBuffer content = TRY(rt::read_file(files, from, kSmallFileBytesMax));
    return rt::replace_file(files, to, content);
}

// Copies `from` to a new name and renames it, so that the copy is there whole or not at all.
Result<void> copy_large_file(rt::Files& files, const std::string& from, const std::string& to) {
    const std::string temporary = to + ".new";
    const std::unique_ptr<rt::File> source = TRY(files.open(from, rt::OpenMode::read));
    {
        const std::unique_ptr<rt::File> target = TRY(files.open(temporary, rt::OpenMode::create));
        TRY(target->truncate(0));
        ByteBuffer buffer(kCopyBytes);
        for (std::uint64_t offset = 0;;) {
            const std::size_t got = TRY(source->read_at(offset, buffer));
            if (got == 0) break;
            TRY(target->write_at(offset, ByteView(buffer).first(got)));
            offset += got;
        }
        TRY(target->sync());
    }
    TRY(files.rename(temporary, to));
    return files.sync_directory(rt::parent_path(to));
}

rt::Task<Result<void>> copy_blob(const rt::Context& ctx, blob::Store& from, blob::Store& to,
                                 const blob::Listed& listed) {
    const std::unique_ptr<blob::Blob> source = CO_TRY(co_await from.open(ctx, listed.key));
    const std::unique_ptr<blob::Draft> draft = CO_TRY(co_await to.begin(ctx));
    ByteBuffer buffer(std::min<std::uint64_t>(kCopyBytes, std::max<std::uint64_t>(listed.size, 1)));
    for (std::uint64_t offset = 0; offset < listed.size;) {
        const std::size_t got = CO_TRY(co_await source->read_at(ctx, offset, buffer));
        if (got == 0)
            co_return fail(
                ErrorKind::corrupt, "backup.blob_cut",
                fmt::format("the blob {} is shorter than its size says", listed.key.text()));
        CO_TRY(co_await draft->write_at(ctx, offset, ByteView(buffer).first(got)));
        offset += got;
    }
    Result<void> published = co_await draft->publish(ctx, listed.key, listed.size);
    if (!published && published.error().is("blob.exists"))
        co_return ok();  // by an earlier, interrupted copy
    co_return published;
}

// Every key of a store, in memory: 40 bytes each. A copy is compared by keys alone, since a blob
// never changes.
rt::Task<Result<std::vector<blob::Key>>> keys_of(const rt::Context& ctx, blob::Store& store) {
    std::vector<blob::Key> keys;
    std::string from;
    do {
        blob::Page page = CO_TRY(co_await store.list(ctx, from));
        for (const blob::Listed& listed : page.blobs) keys.push_back(listed.key);
        from = std::move(page.next);
    } while (!from.empty());
    std::ranges::sort(keys);
    co_return keys;
}

rt::Task<Result<CopyReport>> copy_blobs(const rt::Context& ctx, blob::Store& from, blob::Store& to,
                                        CopyProgress& progress) {
    const std::vector<blob::Key> there = CO_TRY(co_await keys_of(ctx, to));
    CopyReport report;
    std::string next;
    do {
        blob::Page page = CO_TRY(co_await from.list(ctx, next));
        for (const blob::Listed& listed : page.blobs) {
            ++report.blobs;
            if (std::ranges::binary_search(there, listed.key)) continue;
            Result<void> copied = co_await copy_blob(ctx, from, to, listed);
            if (!copied && copied.error().kind() == ErrorKind::not_found)
                continue;  // its share went meanwhile
            CO_TRY(std::move(copied));
            ++report.copied;
            report.copied_bytes += listed.size;
        }
        if (progress) progress(report);
        next = std::move(page.next);
    } while (!next.empty());
    co_return report;
}

// Pauses the collector while it lives.
class CollectorPause {
  public:
    explicit CollectorPause(storage::Engine& engine) : engine_(engine) {
        engine_.pause_collector();
    }
    CollectorPause(const CollectorPause&) = delete;
    CollectorPause& operator=(const CollectorPause&) = delete;
    ~CollectorPause() { engine_.resume_collector(); }

  private:
    storage::Engine& engine_;
};

// The keys in another state's database could not be opened.
Result<void> check_log(rt::Files& files, const RestoreOrder& order, const std::string& key_path) {
    if (order.log.empty()) return ok();
    const auto owner = TRY(sql::shipped_log_owner(files, order.log));
    auto key = crypto::StaticMasterKey::parse(
        Secret(TRY(rt::read_file(files, key_path, kSmallFileBytesMax))));
    if (!key) return fail(std::move(key).error().with("read " + key_path));
    if (!owner || *owner == TRY(shipped_log_name(*key))) return ok();
    return fail(ErrorKind::conflict, "restore.log_of_another",
                fmt::format("the log in {} was shipped by a service with another master.key than "
                            "{}; give that service's log or its key",
                            order.log, key_path));
}

Result<void> check_restore(rt::Files& files, const RestoreOrder& order) {
    if (!order.backup.empty() && !files.info(order.backup + kDatabase))
        return fail(ErrorKind::not_found, "restore.not_a_backup",
                    fmt::format("{} holds no backup (no s4.sqlite); give the directory that `s4 "
                                "backup` made",
                                order.backup));
    // A log without its database would be taken for that of the restored one.
    for (const char* ending : {"", "-wal", "-shm", "-journal"}) {
        if (!files.info(order.state + kDatabase + ending)) continue;
        return fail(ErrorKind::conflict, "restore.state_in_use",
                    fmt::format("{} holds a database already (s4.sqlite{}); restore into an empty "
                                "directory, or put s4.sqlite, s4.sqlite-wal and s4.sqlite-shm "
                                "aside first",
                                order.state, ending));
    }
    const bool key_in_backup =
        !order.backup.empty() && files.info(order.backup + kMasterKey).has_value();
    if (!key_in_backup && !files.info(order.state + kMasterKey))
        return fail(
            ErrorKind::not_found, "restore.no_key",
            fmt::format("{} has no master.key; put the one that you keep into {} first, "
                        "for without it the keys in the database cannot be opened",
                        order.backup.empty() ? "the shipped log" : "the backup", order.state));
    return check_log(files, order, (key_in_backup ? order.backup : order.state) + kMasterKey);
}

// All of a backup but its database.
rt::Task<Result<CopyReport>> restore_files(const rt::Context& ctx, rt::Runtime& runtime,
                                           const RestoreOrder& order, CopyProgress& progress) {
    rt::Files& files = runtime.files;
    const std::unique_ptr<blob::DirectoryStore> from =
        CO_TRY(blob::DirectoryStore::open(runtime, {.path = order.backup, .planted_bugs = {}}));
    const std::unique_ptr<blob::DirectoryStore> to =
        CO_TRY(blob::DirectoryStore::open(runtime, {.path = order.state, .planted_bugs = {}}));
    const CopyReport report = CO_TRY(co_await copy_blobs(ctx, *from, *to, progress));
    for (const char* name : {kMasterKey, kPorts})
        if (files.info(order.backup + name))
            CO_TRY(copy_small_file(files, order.backup + name, order.state + name));
    co_return report;
}

}  // namespace

Result<std::string> shipped_log_name(const crypto::MasterKey& key) {
    return codec::hex::encode(TRY(key.derive(key.current(), kLogNamePurpose)).reveal());
}

rt::Task<Result<CopyReport>> backup(const rt::Context& ctx, BackupSource source,
                                    std::string directory, bool with_key, CopyProgress progress) {
    rt::Files& files = source.runtime.files;
    if (is_within(absolute(directory), absolute(source.state)))
        co_return fail(
            ErrorKind::invalid, "backup.into_state",
            fmt::format(
                "{} lies in the state directory; give a directory elsewhere, best on another disk",
                directory));
    CO_TRY(files.make_directories(directory));
    const std::unique_ptr<blob::DirectoryStore> copy =
        CO_TRY(blob::DirectoryStore::open(source.runtime, {.path = directory, .planted_bugs = {}}));
    const CollectorPause pause(source.engine);
    const std::string snapshot = directory + kDatabase;
    const std::string fresh = snapshot + ".new";
    (void)files.remove(fresh);  // of an interrupted backup
    CO_TRY(co_await source.database.backup(ctx, fresh));
    CopyReport report = CO_TRY(co_await copy_blobs(ctx, source.blobs, *copy, progress));
    if (with_key) CO_TRY(copy_small_file(files, source.state + kMasterKey, directory + kMasterKey));
    CO_TRY(copy_small_file(files, source.state + kPorts, directory + kPorts));
    // Last: a backup is as new as its database says, and all that names is in place by now.
    CO_TRY(files.rename(fresh, snapshot));
    CO_TRY(files.sync_directory(directory));
    co_return report;
}

rt::Task<Result<RestoreReport>> restore(const rt::Context& ctx, rt::Runtime& runtime,
                                        RestoreOrder order, CopyProgress progress) {
    rt::Files& files = runtime.files;
    CO_TRY(check_restore(files, order));
    RestoreReport report;
    if (!order.backup.empty())
        report.copy = CO_TRY(co_await restore_files(ctx, runtime, order, progress));
    // Last, so that what was interrupted is no state directory yet.
    const std::string database_to = order.state + kDatabase;
    if (order.log.empty()) {
        const std::string database_from = order.backup + kDatabase;
        CO_TRY(co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
            return copy_large_file(files, database_from, database_to);
        }));
    } else {
        report.log = CO_TRY(co_await rt::run_on(runtime.pool, runtime.reactor, [&] {
            return sql::restore_shipped_log(files, order.log, database_to);
        }));
    }
    co_return report;
}

}  // namespace s4::control
