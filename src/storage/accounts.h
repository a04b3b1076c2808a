// Accounts: for the grids in use, what the last commit said they use, what is reserved for their
// unfinished uploads, and how many of those there are. Lives on the engine's reactor.
//
// Reservations exist only here: they vanish with the process, as the uploads do. A grid with any is
// never forgotten; of the others the least used go.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/id.h"
#include "storage/lru.h"
#include "storage/types.h"

namespace s4::storage {

// The row of storage_usage; `changes` orders answers that arrive in another order than they
// committed.
struct UsageRow {
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;
    std::int64_t changes = 0;

    std::uint64_t used_bytes() const { return data_bytes + shares * kShareOverheadBytes; }
};

class Accounts {
  public:
    explicit Accounts(std::size_t grids_max) : used_(grids_max) {}

    std::optional<UsageRow> used(GridId grid);
    // What a commit made of it.
    void learn(GridId grid, const UsageRow& row);
    // What was read.
    void recall(GridId grid, const UsageRow& row);
    // The grids that learn() was called for since the last call.
    std::vector<GridId> take_changed();
    void forget(GridId grid) { used_.erase(grid); }

    std::uint64_t reserved_bytes(GridId grid) const;
    std::size_t uploads(GridId grid) const;
    std::uint64_t reserved_bytes_of_all() const { return reserved_of_all_; }
    void reserve(GridId grid, std::uint64_t bytes);
    void release(GridId grid, std::uint64_t bytes);

  private:
    struct Reserved {
        std::uint64_t bytes = 0;
        std::size_t uploads = 0;
    };

    Lru<GridId, UsageRow> used_;
    std::unordered_set<GridId> changed_;
    std::unordered_map<GridId, Reserved> reserved_;
    std::uint64_t reserved_of_all_ = 0;
};

}  // namespace s4::storage
