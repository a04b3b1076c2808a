// ShareImport: a storage node's shares into a grid, with their leases and write enablers.
//
// What is stored is its own journal: a share that the grid has already is not stored again, so an
// import that was killed is run again and goes on. A share is stored as a client would, under
// secrets of the import's own, whose lease gives way to the node's leases once all shares of its
// index are there. Made for one run, on the engine's reactor. The caller holds the grid's record,
// and sees to it that the grid may be written to.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "storage/engine.h"
#include "transfer/share_tree.h"
#include "transfer/skipped_list.h"

namespace s4::transfer {

// What a node holds.
struct Survey {
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;

    // As a grid's quota counts.
    std::uint64_t used_bytes() const { return data_bytes + shares * storage::kShareOverheadBytes; }
};

struct ImportReport {
    std::uint64_t stored = 0;
    std::uint64_t stored_bytes = 0;
    std::uint64_t there = 0;  // from an earlier run
};

using Tell = std::function<void(std::string_view progress)>;

// Looks at every share file without its data, and lists what could not be imported. Errors:
// files.*.
rt::Task<Result<Survey>> survey(const rt::Context& ctx, rt::Runtime& runtime, std::string shares,
                                SkippedList& skipped, const Tell& tell);

class ShareImport {
  public:
    ShareImport(rt::Runtime& runtime, storage::Engine& engine, GridId grid, std::string shares,
                SkippedList& skipped)
        : runtime_(runtime),
          engine_(engine),
          grid_(grid),
          shares_(std::move(shares)),
          skipped_(skipped) {}

    // Once. `expected` is what a survey found. Errors: import.no_room, files.*, and the engine's
    // that are not about one share.
    rt::Task<Result<ImportReport>> run(const rt::Context& ctx, Survey expected, const Tell& tell);

  private:
    using Group = std::span<const FoundShare>;  // the shares of one index
    // Whether the grid had it already. Errors that refuses_one() tells are about this share alone.
    rt::Task<Result<bool>> store(const rt::Context& ctx, const FoundShare& share,
                                 const OpenShare& file);
    rt::Task<Result<bool>> store_immutable(const rt::Context& ctx, const FoundShare& share,
                                           const OpenShare& file);
    rt::Task<Result<bool>> store_mutable(const rt::Context& ctx, const FoundShare& share,
                                         const OpenShare& file);
    rt::Task<Result<void>> check_same_length(const rt::Context& ctx, const FoundShare& share);
    rt::Task<Result<void>> import_index(const rt::Context& ctx, Group group);
    rt::Task<void> work(const rt::Context& ctx, const std::vector<Group>& groups, std::size_t& next,
                        Result<void>& outcome);

    rt::Runtime& runtime_;
    storage::Engine& engine_;
    GridId grid_;
    std::string shares_;
    SkippedList& skipped_;
    ImportReport report_;
};

}  // namespace s4::transfer
