// Backup: a copy of the database made by the writer's own connection, a few pages between two
// groups, so that no read transaction lasts and what is written meanwhile goes to both. Private to
// this folder; every call is on the writer's thread.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "sql/connection.h"

struct sqlite3;
struct sqlite3_backup;

namespace s4::sql {

class Backup {
  public:
    static Result<std::unique_ptr<Backup>> begin(Connection& source, const std::string& path,
                                                 const std::string& vfs);
    ~Backup();
    Backup(const Backup&) = delete;
    Backup& operator=(const Backup&) = delete;

    // True when the copy is complete; it is not yet synced.
    Result<bool> step(int pages);

  private:
    Backup() = default;

    sqlite3* target_ = nullptr;
    sqlite3_backup* backup_ = nullptr;
    std::string path_;
};

}  // namespace s4::sql
