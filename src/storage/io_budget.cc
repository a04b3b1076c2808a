#include "storage/io_budget.h"

#include <algorithm>

namespace s4::storage {
namespace {

// Shorter waits than this are gathered.
constexpr Duration kPauseMin = std::chrono::milliseconds(20);

}  // namespace

rt::Task<Result<void>> IoBudget::spend(const rt::Context& ctx, std::uint64_t bytes) {
    bytes_ += bytes;
    co_return co_await wait(ctx, kPauseMin);
}

rt::Task<Result<void>> IoBudget::settle(const rt::Context& ctx) {
    co_return co_await wait(ctx, Duration(1));
}

rt::Task<Result<void>> IoBudget::wait(const rt::Context& ctx, Duration pause_min) {
    const Duration worked = reactor_.now() - since_;
    const auto by_bytes =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
            static_cast<double>(bytes_) / static_cast<double>(rate_.bytes_per_s))) -
        worked;
    const Duration by_time = worked * (100 - rate_.percent_of_time) / rate_.percent_of_time;
    const Duration pause = std::max(by_bytes, by_time);
    if (pause < pause_min) co_return ok();
    CO_TRY(co_await rt::sleep(reactor_, ctx, pause));
    since_ = reactor_.now();
    bytes_ = 0;
    co_return ok();
}

}  // namespace s4::storage
