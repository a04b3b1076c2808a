#include "storage/scrub.h"

#include <algorithm>

#include "base/log.h"

namespace s4::storage {
namespace {

struct Metrics {
    metrics::Counter& bytes = metrics::counter("s4_storage_scrub_bytes_total", "Bytes verified");
    metrics::Counter& shares = metrics::counter("s4_storage_scrub_shares_total", "Shares verified");
    metrics::Gauge& ended = metrics::gauge("s4_storage_scrub_ended_seconds",
                                           "Unix time when the last whole round ended");
    metrics::Gauge& began =
        metrics::gauge("s4_storage_scrub_began_seconds", "Unix time when the round began");
};

Metrics& measured() {
    static Metrics all;
    return all;
}

}  // namespace

Scrub::Scrub(Core& core, Checker& checker)
    : core_(core),
      checker_(checker),
      budget_(core.runtime.reactor,
              {std::max<std::uint64_t>(core.options.scrub_bytes_per_s, 1), kScrubPercentOfTime}) {}

rt::Task<void> Scrub::run(const rt::Context& ctx) {
    Duration pause = kScrubFirstAfter;
    while (co_await rt::sleep(core_.runtime.reactor, ctx, pause)) {
        const auto done = co_await step(ctx);
        pause = done ? *done : kScrubRetryAfter;
        if (!done && done.error().kind() != ErrorKind::cancelled) (void)core_.alarm(done.error());
    }
}

rt::Task<Result<Duration>> Scrub::step(const rt::Context& ctx) {
    const UnixSeconds now = core_.now_s();
    auto kept =
        CO_TRY(co_await core_.db.read(ctx, [](sql::Reader& db) { return tables::load_scrub(db); }));
    tables::ScrubRow row = kept.value_or(tables::ScrubRow{.place = {}, .began = now});
    const bool resting = row.ended != 0 && row.ended >= row.began;
    // A clock that was set back does not put the next round off for years.
    if (resting && now < row.began + kScrubRoundS && now >= row.began) co_return kScrubLookEvery;
    if (resting) row = {.place = {}, .began = now, .ended = row.ended};
    measured().began.set(static_cast<double>(row.began));

    const auto page = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) {
        return tables::all_shares_after(db, row.place, std::nullopt, kScrubSharesPerStep);
    }));
    budget_.resume();
    for (const tables::PlacedShare& share : page) {
        std::uint64_t bytes = 0;
        const auto found = CO_TRY(co_await checker_.look_at(ctx, share, budget_, bytes));
        row.place = {share.key.grid, share.key.index, share.share};
        row.shares += 1;
        row.bytes += static_cast<std::int64_t>(bytes);
        row.damaged += found ? 1 : 0;
        measured().shares.add();
        measured().bytes.add(static_cast<double>(bytes));
    }
    if (page.empty()) {
        row.place = {};
        row.ended = std::max(now, row.began);
        measured().ended.set(static_cast<double>(row.ended));
        log::info("storage", "every share was verified",
                  {{"shares", row.shares}, {"bytes", row.bytes}, {"damaged", row.damaged}});
    }
    CO_TRY(co_await save(ctx, row));
    co_return page.empty() ? kScrubLookEvery : kScrubStepEvery;
}

rt::Task<Result<void>> Scrub::save(const rt::Context& ctx, const tables::ScrubRow& row) {
    co_return co_await core_.db.write(
        ctx, [&](sql::Transaction& tx) { return tables::save_scrub(tx, row); });
}

}  // namespace s4::storage
