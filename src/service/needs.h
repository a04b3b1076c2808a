// What the use cases need from the floors above and beside them, as interfaces: whoever wires the
// program passes implementations. They live as long as the service; all on its reactor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "rt/context.h"
#include "rt/task.h"
#include "storage/collection.h"
#include "storage/figures.h"
#include "storage/types.h"

namespace s4::service {

// Where a grid is reached. Each text holds the secret that opens it.
struct GridAddresses {
    Secret introducer_furl;
    Secret storage_furl;
    std::vector<Secret> nurls;  // of the storage server, the newest identity first
};

// Looks at a grid as its customer would: a slot is made, read and deleted through the announced
// address (probe). Any error is a check that failed; its message must hold no secret.
class GridCheck {
  public:
    virtual ~GridCheck() = default;
    virtual rt::Task<Result<void>> check(const rt::Context& ctx,
                                         const GridAddresses& addresses) = 0;
};

// Used bytes of a grid (storage's engine, or another node's).
class GridUsage {
  public:
    virtual ~GridUsage() = default;
    virtual rt::Task<Result<std::uint64_t>> used_bytes(const rt::Context& ctx, GridId grid) = 0;
};

// What a grid holds, and what its customer may have done with it (storage's engine, or another
// node's). `by` is who asked.
class GridStorage : public GridUsage {
  public:
    virtual rt::Task<Result<storage::GridFigures>> figures(const rt::Context& ctx, GridId grid) = 0;
    virtual rt::Task<Result<std::vector<storage::UsageDay>>> days(const rt::Context& ctx,
                                                                  GridId grid,
                                                                  std::int64_t from_day) = 0;
    // The newest first.
    virtual rt::Task<Result<std::vector<storage::Advisory>>> advisories(const rt::Context& ctx,
                                                                        GridId grid,
                                                                        std::size_t limit) = 0;
    virtual rt::Task<Result<storage::CollectionStatus>> collection(const rt::Context& ctx,
                                                                   GridId grid) = 0;
    virtual rt::Task<Result<storage::FreeEstimate>> estimate(const rt::Context& ctx, GridId grid,
                                                             UnixSeconds before) = 0;
    virtual rt::Task<Result<void>> set_expiry(const rt::Context& ctx, GridId grid,
                                              storage::Switch to, std::string by) = 0;
    virtual rt::Task<Result<void>> free_unrenewed(const rt::Context& ctx, GridId grid,
                                                  UnixSeconds before, std::string by) = 0;
    virtual rt::Task<Result<void>> stop_freeing(const rt::Context& ctx, GridId grid,
                                                std::string by) = 0;
};

}  // namespace s4::service
