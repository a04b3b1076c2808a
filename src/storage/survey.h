// Survey: counts what a grid holds, in steps so short that neither clients nor the database's log
// wait for them. Lives on the engine's reactor.
#pragma once

#include "storage/core.h"
#include "storage/figures.h"

namespace s4::storage {

class Survey {
  public:
    explicit Survey(Core& core) : core_(core) {}

    // Counted one step after another beside the clients' work: of a large grid that is being
    // written to the figures are of no single moment. They are kept for kFiguresKept.
    rt::Task<Result<GridFigures>> figures(const rt::Context& ctx, GridId grid);

  private:
    rt::Task<Result<void>> count_shares(const rt::Context& ctx, GridId grid, GridFigures& out);
    rt::Task<Result<std::uint64_t>> count_leases(const rt::Context& ctx, GridId grid,
                                                 UnixSeconds from, UnixSeconds to);

    struct Kept {
        GridFigures figures;
        Instant until;
    };

    Core& core_;
    Lru<GridId, Kept> kept_{kFiguresGridsMax};
};

}  // namespace s4::storage
