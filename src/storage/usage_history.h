// UsageHistory: what each grid used, day by day, and which grids' usage changed of late, for who
// warns customers. Engine::usage_history() gives it; it lives as long as the engine, on its
// reactor.
//
// A day's row is what was used when the day's last change was noted; a day without a change has no
// row, and the row before it holds. A change that was not noted when the process ended is found
// again after the next start.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/core.h"

namespace s4::storage {

struct UsageChange {
    GridId grid;
    UsageRow used;
};

class UsageHistory {
  public:
    explicit UsageHistory(Core& core) : core_(core) {}

    // What is not noted yet: at first what an earlier run left, then what commits changed since the
    // last call. At most kUsageChangesPerStep; none when there is no more.
    rt::Task<Result<std::vector<UsageChange>>> changes(const rt::Context& ctx);
    // To be called once all that follows from the change was done. Rows older than kUsageDaysKept
    // go.
    rt::Task<Result<void>> note(const rt::Context& ctx, const UsageChange& change);
    // When that failed: changes() gives the grid again.
    void put_back(GridId grid) { waiting_.push_back(grid); }
    // The rows from the day on, and the last one before it; the oldest first.
    rt::Task<Result<std::vector<UsageDay>>> days(const rt::Context& ctx, GridId grid,
                                                 std::int64_t from_day);

  private:
    rt::Task<Result<std::vector<UsageChange>>> unnoted(const rt::Context& ctx);

    Core& core_;
    std::vector<GridId> waiting_;
    GridId looked_at_;  // by the first round
    bool first_round_ = true;
};

}  // namespace s4::storage
