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
#include <optional>
#include <string>

#include "base/result.h"
#include "blob/store.h"
#include "crypto/master_key.h"
#include "rt/runtime.h"
#include "sql/database.h"
#include "sql/shipped_log.h"
#include "storage/engine.h"

namespace s4::control {

struct CopyReport {
    std::uint64_t blobs = 0;  // in the copy
    std::uint64_t copied = 0;
    std::uint64_t copied_bytes = 0;
};

// Told now and then, for people.
using CopyProgress = std::function<void(const CopyReport&)>;

// What a restore made. A shipped log has no blobs of its own: the state directory has kept them, or
// a backup is restored with it.
struct RestoreReport {
    CopyReport copy;
    std::optional<sql::RestoredLog> log;  // the database comes from it
};

struct RestoreOrder {
    std::string backup;  // empty: none
    std::string log;     // empty: none; one of the two is given
    std::string state;
};

struct BackupSource {
    rt::Runtime& runtime;
    sql::Database& database;
    blob::Store& blobs;
    storage::Engine& engine;
    std::string state;  // the state directory
};

// What a shipped log calls the database that this key opens; says nothing of the key.
Result<std::string> shipped_log_name(const crypto::MasterKey& key);

// Errors: backup.into_state (the directory is the state directory or lies in it), files.*, sql.*,
// blob.*.
rt::Task<Result<CopyReport>> backup(const rt::Context& ctx, BackupSource source,
                                    std::string directory, bool with_key, CopyProgress progress);

// Into the order's `state`, which the caller has locked. Errors: restore.not_a_backup,
// restore.state_in_use (it holds a database), restore.no_key, restore.log_of_another (another
// master.key's), sql.no_generation, sql.log_damaged, files.*, blob.*.
rt::Task<Result<RestoreReport>> restore(const rt::Context& ctx, rt::Runtime& runtime,
                                        RestoreOrder order, CopyProgress progress);

}  // namespace s4::control
