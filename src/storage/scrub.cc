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

    budget_.resume();
    bool more = true;
    for (std::size_t verified = 0; more && verified < kScrubSharesPerStep;) {
        const auto next = CO_TRY(co_await checker_.verify_next(
            ctx, row.place, std::nullopt, kScrubSharesPerStep - verified, budget_));
        more = next.shares > 0;
        if (more) row.place = next.end;
        verified += next.shares;
        row.shares += static_cast<std::int64_t>(next.shares);
        row.bytes += static_cast<std::int64_t>(next.bytes);
        row.damaged += static_cast<std::int64_t>(next.findings.size());
        measured().shares.add(static_cast<double>(next.shares));
        measured().bytes.add(static_cast<double>(next.bytes));
    }
    if (!more) {
        row.place = {};
        row.ended = std::max(core_.now_s(), row.began);
        measured().ended.set(static_cast<double>(row.ended));
        log::info("storage", "every share was verified",
                  {{"shares", row.shares}, {"bytes", row.bytes}, {"damaged", row.damaged}});
    }
    CO_TRY(co_await save(ctx, row));
    co_return more ? kScrubStepEvery : kScrubLookEvery;
}

rt::Task<Result<void>> Scrub::save(const rt::Context& ctx, const tables::ScrubRow& row) {
    co_return co_await core_.db.write(
        ctx, [&](sql::Transaction& tx) { return tables::save_scrub(tx, row); });
}

}  // namespace s4::storage
