#include "sql/backup.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace s4::sql {

Result<std::unique_ptr<Backup>> Backup::begin(Connection& source, const std::string& path,
                                              const std::string& vfs) {
    std::unique_ptr<Backup> out(new Backup);
    out->path_ = path;
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path.c_str(), &out->target_, flags, vfs.c_str());
    // The caller syncs the finished file once, and until then it is nothing.
    if (code == SQLITE_OK)
        code = sqlite3_exec(out->target_, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF",
                            nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) {
        out->backup_ = sqlite3_backup_init(out->target_, "main", source.handle(), "main");
        if (out->backup_ == nullptr) code = sqlite3_extended_errcode(out->target_);
    }
    if (code != SQLITE_OK)
        return fail(sqlite_error(
            code, fmt::format("the backup {} cannot begin: {}", path, sqlite3_errstr(code))));
    return out;
}

Backup::~Backup() {
    sqlite3_backup_finish(backup_);
    sqlite3_close_v2(target_);
}

Result<bool> Backup::step(int pages) {
    const int code = sqlite3_backup_step(backup_, pages);
    if (code == SQLITE_DONE) return true;
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) return false;
    return fail(sqlite_error(code, fmt::format("backup to {}: {}", path_, sqlite3_errstr(code))));
}

}  // namespace s4::sql
