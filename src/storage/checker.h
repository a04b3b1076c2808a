// Checker: the steps of a check (check.h), and what repairs mean. Lives on the engine's reactor.
//
//   shares      verifies each against its row, in order of grid, index and number
//   usage       counts each grid afresh
//   blobs       lists the store and looks for keys that nothing names
//   quarantine  looks at what was taken out of service
//
// A finding is looked at twice, since clients go on writing meanwhile.
#pragma once

#include <string>
#include <vector>

#include "storage/care_tables.h"
#include "storage/check.h"
#include "storage/core.h"
#include "storage/verify.h"

namespace s4::storage {

class Checker {
  public:
    explicit Checker(Core& core) : core_(core), verify_(core) {}

    rt::Task<Result<CheckReport>> step(const rt::Context& ctx, CheckRequest request);
    // The next few shares, verified.
    struct Verified {
        std::size_t shares = 0;  // 0: there are no more
        std::uint64_t bytes = 0;
        tables::SharePlace end;
        std::vector<Finding> findings;
    };
    rt::Task<Result<Verified>> verify_next(const rt::Context& ctx, const tables::SharePlace& after,
                                           std::optional<GridId> only, std::size_t limit,
                                           IoBudget& budget);
    // The advisory that the operator and the customer see, once for each share and reason.
    rt::Task<Result<void>> advise(const rt::Context& ctx, const Finding& finding);
    rt::Task<Result<CareStatus>> status(const rt::Context& ctx);

  private:
    // Nothing when the share is sound or gone meanwhile. Adds what it read to `bytes`.
    rt::Task<Result<std::optional<Finding>>> look_at(const rt::Context& ctx,
                                                     const tables::PlacedShare& share,
                                                     IoBudget& budget, std::uint64_t& bytes);
    rt::Task<Result<void>> check_shares(const rt::Context& ctx, const CheckRequest& request,
                                        tables::SharePlace place, CheckReport& report);
    rt::Task<Result<void>> repair_shares(const rt::Context& ctx, CheckReport& report);
    rt::Task<Result<void>> check_usage(const rt::Context& ctx, const CheckRequest& request,
                                       GridId after, CheckReport& report);
    rt::Task<Result<void>> check_blobs(const rt::Context& ctx, const CheckRequest& request,
                                       std::string from, CheckReport& report);
    rt::Task<Result<void>> check_quarantine(const rt::Context& ctx, const CheckRequest& request,
                                            std::int64_t after, CheckReport& report);
    rt::Task<Result<bool>> put_back(const rt::Context& ctx, const tables::Quarantined& share);
    rt::Task<Result<bool>> quarantine(const rt::Context& ctx, const Finding& finding);

    Core& core_;
    Verify verify_;
};

}  // namespace s4::storage
