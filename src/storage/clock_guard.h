// ClockGuard: whether the wall clock may be trusted with deletions. Within a run it is compared
// with the monotonic clock, across runs with the newest time that was seen. A clock that jumped
// stays distrusted, also after a restart, until the operator confirms it; each confirmation begins
// a new epoch, and what was timed in an older one is timed anew. Lives on the engine's reactor.
#pragma once

#include <optional>
#include <string>

#include "storage/core.h"
#include "storage/expiry_tables.h"

namespace s4::storage {

class ClockGuard {
  public:
    explicit ClockGuard(Core& core) : core_(core) {}

    // Looks at the clock, and notes what it saw. False while it is not to be trusted.
    rt::Task<Result<bool>> check(const rt::Context& ctx);
    // Of the last check.
    std::int64_t epoch() const { return row_ ? row_->epoch : 0; }
    std::string problem() const { return row_ && row_->stopped != 0 ? row_->problem : ""; }
    rt::Task<Result<void>> confirm(const rt::Context& ctx);

  private:
    rt::Task<Result<void>> begin(const rt::Context& ctx);
    std::string jump() const;
    rt::Task<Result<void>> stop(const rt::Context& ctx, std::string problem);
    rt::Task<Result<void>> keep(const rt::Context& ctx, tables::ClockRow row);

    Core& core_;
    std::optional<tables::ClockRow> row_;  // as it is at rest, once read
    UnixSeconds last_s_ = 0;
    Instant last_instant_{};
};

}  // namespace s4::storage
