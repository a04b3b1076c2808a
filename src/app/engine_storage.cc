#include "app/engine_storage.h"

#include "storage/expiry.h"
#include "storage/usage_history.h"

namespace s4::app {

rt::Task<Result<std::uint64_t>> EngineStorage::used_bytes(const rt::Context& ctx, GridId grid) {
    // Held while the engine asks for the grid's policy, which the directory answers from memory.
    const tenants::GridPtr held = CO_TRY(co_await directory_.by_id(ctx, grid));
    const storage::Usage usage = CO_TRY(co_await engine_.usage(ctx, grid));
    co_return usage.used_bytes();
}

rt::Task<Result<storage::GridFigures>> EngineStorage::figures(const rt::Context& ctx, GridId grid) {
    co_return co_await engine_.figures(ctx, grid);
}

rt::Task<Result<std::vector<storage::UsageDay>>> EngineStorage::days(const rt::Context& ctx,
                                                                     GridId grid,
                                                                     std::int64_t from_day) {
    co_return co_await engine_.usage_history().days(ctx, grid, from_day);
}

rt::Task<Result<std::vector<storage::Advisory>>> EngineStorage::advisories(const rt::Context& ctx,
                                                                           GridId grid,
                                                                           std::size_t limit) {
    co_return co_await engine_.advisories(ctx, grid, 0, limit);
}

rt::Task<Result<storage::CollectionStatus>> EngineStorage::collection(const rt::Context& ctx,
                                                                      GridId grid) {
    co_return co_await engine_.expiry().status(ctx, grid);
}

rt::Task<Result<storage::FreeEstimate>> EngineStorage::estimate(const rt::Context& ctx, GridId grid,
                                                                UnixSeconds before) {
    co_return co_await engine_.expiry().estimate(ctx, grid, before);
}

rt::Task<Result<void>> EngineStorage::set_expiry(const rt::Context& ctx, GridId grid,
                                                 storage::Switch to, std::string by) {
    co_return co_await engine_.expiry().set_expiry(ctx, grid, to, std::move(by));
}

rt::Task<Result<void>> EngineStorage::free_unrenewed(const rt::Context& ctx, GridId grid,
                                                     UnixSeconds before, std::string by) {
    CO_TRY(co_await engine_.expiry().free_unrenewed(ctx, grid, before, std::move(by)));
    co_return ok();
}

rt::Task<Result<void>> EngineStorage::stop_freeing(const rt::Context& ctx, GridId grid,
                                                   std::string by) {
    co_return co_await engine_.expiry().stop_freeing(ctx, grid, std::move(by));
}

}  // namespace s4::app
