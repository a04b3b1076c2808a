#include "storage/clock_guard.h"

#include <fmt/format.h>

#include <chrono>

#include "base/log.h"

namespace s4::storage {
namespace {

metrics::Gauge& stopped() {
    static metrics::Gauge& gauge =
        metrics::gauge("s4_storage_collection_stopped",
                       "1 while shares are not collected because the clock jumped");
    return gauge;
}

std::string span(std::int64_t seconds) {
    return fmt::format("{} d {:02} h {:02} min", seconds / 86'400, seconds / 3600 % 24,
                       seconds / 60 % 60);
}

}  // namespace

rt::Task<Result<bool>> ClockGuard::check(const rt::Context& ctx) {
    if (!row_) CO_TRY(co_await begin(ctx));
    const std::string problem = jump();
    last_s_ = core_.now_s();
    last_instant_ = core_.now();
    if (row_->stopped == 0 && !problem.empty()) CO_TRY(co_await stop(ctx, problem));
    stopped().set(row_->stopped != 0 ? 1 : 0);
    if (row_->stopped != 0) co_return false;
    if (last_s_ - row_->seen >= kClockNoteEveryS) {
        tables::ClockRow row = *row_;
        row.seen = last_s_;
        CO_TRY(co_await keep(ctx, row));
    }
    co_return true;
}

rt::Task<Result<void>> ClockGuard::begin(const rt::Context& ctx) {
    const auto known =
        CO_TRY(co_await core_.db.read(ctx, [](sql::Reader& db) { return tables::load_clock(db); }));
    last_s_ = core_.now_s();
    last_instant_ = core_.now();
    if (!known)
        co_return co_await keep(ctx, {.seen = last_s_, .epoch = 1, .stopped = 0, .problem = {}});
    row_ = *known;
    const std::int64_t gap = last_s_ - row_->seen;
    if (row_->stopped != 0) co_return ok();
    if (gap < -kClockJumpS)
        co_return co_await stop(
            ctx, fmt::format("the clock is {} behind the time seen before", span(-gap)));
    if (gap > kClockGapS)
        co_return co_await stop(
            ctx, fmt::format("the clock is {} ahead of the time seen before", span(gap)));
    co_return ok();
}

// What the clock did since the last look; empty when it kept pace.
std::string ClockGuard::jump() const {
    const auto passed =
        std::chrono::duration_cast<std::chrono::seconds>(core_.now() - last_instant_).count();
    const std::int64_t ahead = core_.now_s() - last_s_ - passed;
    if (core_.options.planted_bugs.clock_trusted) return "";
    if (ahead > kClockJumpS) return fmt::format("the clock jumped {} ahead", span(ahead));
    if (ahead < -kClockJumpS) return fmt::format("the clock jumped {} back", span(-ahead));
    return "";
}

rt::Task<Result<void>> ClockGuard::stop(const rt::Context& ctx, std::string problem) {
    log::error("storage", "shares are not collected until the operator confirms the clock",
               {{"problem", problem}, {"command", "s4 storage collect --confirm-clock"}});
    tables::ClockRow row = *row_;
    row.stopped = core_.now_s();
    row.problem = std::move(problem);
    co_return co_await keep(ctx, row);
}

rt::Task<Result<void>> ClockGuard::confirm(const rt::Context& ctx) {
    if (!row_) CO_TRY(co_await begin(ctx));
    last_s_ = core_.now_s();
    last_instant_ = core_.now();
    if (row_->stopped == 0) co_return ok();
    log::warning("storage", "the operator confirmed the clock; collection begins anew", {});
    stopped().set(0);
    co_return co_await keep(
        ctx, {.seen = last_s_, .epoch = row_->epoch + 1, .stopped = 0, .problem = {}});
}

rt::Task<Result<void>> ClockGuard::keep(const rt::Context& ctx, tables::ClockRow row) {
    CO_TRY(co_await core_.db.write(
        ctx, [&](sql::Transaction& tx) { return tables::put_clock(tx, row); }));
    row_ = std::move(row);
    co_return ok();
}

}  // namespace s4::storage
