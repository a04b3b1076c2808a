// Backup and restore: a directory with the same names as a state directory, so that one is made
// from the other by copying.
//
//   s4.sqlite    a snapshot of the database, taken first
//   blobs/       the blobs, by their keys; what an earlier backup copied is not copied again
//   master.key   what opens the keys in the database, unless the operator keeps it elsewhere
//   ports.json   so that announced addresses last
//
// The snapshot comes first and the blobs after it, with the collector paused, so that every blob
// the snapshot names is there to be copied. A restore puts the database last: what was interrupted
// is not taken for a state directory, and can be run again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "blob/store.h"
#include "rt/runtime.h"
#include "sql/database.h"
#include "storage/engine.h"

namespace s4::control {

struct CopyReport {
    std::uint64_t blobs = 0;  // in the copy
    std::uint64_t copied = 0;
    std::uint64_t copied_bytes = 0;
};

// Told now and then, for people.
using CopyProgress = std::function<void(const CopyReport&)>;

struct BackupSource {
    rt::Runtime& runtime;
    sql::Database& database;
    blob::Store& blobs;
    storage::Engine& engine;
    std::string state;  // the state directory
};

// Errors: backup.into_state (the directory is the state directory or lies in it), files.*, sql.*,
// blob.*.
rt::Task<Result<CopyReport>> backup(const rt::Context& ctx, BackupSource source,
                                    std::string directory, bool with_key, CopyProgress progress);

// Into `state`, which the caller has locked. Errors: restore.not_a_backup, restore.state_in_use (it
// holds a database), restore.no_key, files.*, blob.*.
rt::Task<Result<CopyReport>> restore(const rt::Context& ctx, rt::Runtime& runtime,
                                     std::string directory, std::string state,
                                     CopyProgress progress);

}  // namespace s4::control
