// Walk: leases and advisories, and what goes over a grid in steps. Lives on the engine's reactor.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/core.h"

namespace s4::storage {

class Walk {
  public:
    explicit Walk(Core& core) : core_(core) {}

    // Cost of a renewal: one select and one update for each share of the index.
    rt::Task<Result<std::size_t>> add_lease(const rt::Context& ctx, GridId grid,
                                            const StorageIndex& index, LeaseSecrets secrets);
    rt::Task<Result<void>> advise_corrupt(const rt::Context& ctx, GridId grid, Advisory advisory);
    rt::Task<Result<std::vector<Advisory>>> advisories(const rt::Context& ctx, GridId grid,
                                                       std::int64_t before, std::size_t limit);

    rt::Task<Result<std::vector<ShareInfo>>> shares_after(
        const rt::Context& ctx, GridId grid,
        std::optional<std::pair<StorageIndex, ShareNumber>> after, std::size_t limit);
    rt::Task<Result<std::vector<LeaseInfo>>> leases(const rt::Context& ctx, GridId grid,
                                                    const StorageIndex& index, ShareNumber share);
    rt::Task<Result<void>> adopt_leases(const rt::Context& ctx, GridId grid,
                                        const StorageIndex& index,
                                        std::vector<AdoptedLeases> adopted,
                                        LeaseSecrets instead_of);
    rt::Task<Result<Secret>> write_enabler(const rt::Context& ctx, GridId grid,
                                           const StorageIndex& index);
    rt::Task<Result<Usage>> recount(const rt::Context& ctx, GridId grid);
    rt::Task<Result<std::size_t>> purge_step(const rt::Context& ctx, GridId grid,
                                             std::size_t limit);

  private:
    Core& core_;
};

}  // namespace s4::storage
