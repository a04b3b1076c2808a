// FilesVfs: SQLite over rt::Files, for the simulator: what the disk forgets, SQLite forgets. The
// system's own VFS serves in production.
//
// It promises what the system's does (sector atomicity is not promised, bytes beside a write are
// not harmed) and syncs the folder when a new journal is first synced, as the system's does. Locks
// and the index of the write-ahead log live in memory and belong to the processes of one FilesVfs.
// Private to this folder; each Database makes its own, its connections keep it.
#pragma once

#include <memory>
#include <string>

#include "rt/runtime.h"

namespace s4::sql {

class FilesVfs {
  public:
    explicit FilesVfs(rt::Runtime& runtime);
    ~FilesVfs();
    FilesVfs(const FilesVfs&) = delete;
    FilesVfs& operator=(const FilesVfs&) = delete;

    // Under which SQLite knows it.
    const std::string& name() const;

    struct State;  // known to files_vfs.cc alone

  private:
    std::unique_ptr<State> state_;
};

}  // namespace s4::sql
