// EngineStorage: what service asks of storage, answered by the engine of this process. Lives as
// long as the engine, on its reactor.
#pragma once

#include <string>
#include <vector>

#include "service/needs.h"
#include "storage/engine.h"
#include "tenants/directory.h"

namespace s4::app {

class EngineStorage final : public service::GridStorage {
  public:
    EngineStorage(storage::Engine& engine, tenants::Directory& directory)
        : engine_(engine), directory_(directory) {}

    rt::Task<Result<std::uint64_t>> used_bytes(const rt::Context& ctx, GridId grid) override;
    rt::Task<Result<storage::GridFigures>> figures(const rt::Context& ctx, GridId grid) override;
    rt::Task<Result<std::vector<storage::UsageDay>>> days(const rt::Context& ctx, GridId grid,
                                                          std::int64_t from_day) override;
    rt::Task<Result<std::vector<storage::Advisory>>> advisories(const rt::Context& ctx, GridId grid,
                                                                std::size_t limit) override;
    rt::Task<Result<storage::CollectionStatus>> collection(const rt::Context& ctx,
                                                           GridId grid) override;
    rt::Task<Result<storage::FreeEstimate>> estimate(const rt::Context& ctx, GridId grid,
                                                     UnixSeconds before) override;
    rt::Task<Result<void>> set_expiry(const rt::Context& ctx, GridId grid, storage::Switch to,
                                      std::string by) override;
    rt::Task<Result<void>> free_unrenewed(const rt::Context& ctx, GridId grid, UnixSeconds before,
                                          std::string by) override;
    rt::Task<Result<void>> stop_freeing(const rt::Context& ctx, GridId grid,
                                        std::string by) override;

  private:
    storage::Engine& engine_;
    tenants::Directory& directory_;
};

}  // namespace s4::app
