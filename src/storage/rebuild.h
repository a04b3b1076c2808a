// rebuild_index: the database's knowledge of large shares, made anew from the blobs
// (docs/formats/blob.md), into a fresh database or one restored from an older backup. What the
// database knows stays unless the blobs have a newer version; a half write is left out; usage is
// counted afresh. Run by a tool while no engine is open on the database.
//
// The headers gather in a table, so that memory is bounded by one index; it may be interrupted and
// run again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "storage/types.h"

namespace s4::sql {
class Database;
}
namespace s4::blob {
class Store;
}
namespace s4::crypto {
class MasterKey;
}

namespace s4::storage {

struct RebuildReport {
    std::uint64_t blobs = 0;    // in the store
    std::uint64_t damaged = 0;  // of them: no whole blob, or under a wrong key; left alone
    std::uint64_t added = 0;    // shares that the database did not know
    std::uint64_t renewed = 0;  // shares of which it knew an older version
    std::uint64_t kept = 0;     // shares that it knew as they are
    // Shares whose newest version is not whole in the store: an older one serves, or none.
    std::uint64_t left_out = 0;
    // Shares that were small in their newest version, which only the database held.
    std::uint64_t lost_small = 0;
    std::vector<GridId> grids;          // that have blobs
    std::vector<GridId> unknown_grids;  // of them: not known, and left alone
};

// Whether the database has a grid itself: without its identity no share of it can be served.
class KnownGrids {
  public:
    virtual ~KnownGrids() = default;
    virtual rt::Task<Result<bool>> has(const rt::Context& ctx, GridId grid) = 0;
};

using RebuildProgress = std::function<void(const RebuildReport&)>;

// Errors: storage.wrong_master_key (a write enabler does not open), sql.*, files.*.
rt::Task<Result<RebuildReport>> rebuild_index(const rt::Context& ctx, rt::Runtime& runtime,
                                              sql::Database& database, blob::Store& blobs,
                                              const crypto::MasterKey& master, KnownGrids& known,
                                              RebuildProgress progress);

}  // namespace s4::storage
