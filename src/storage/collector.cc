#include "storage/collector.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/log.h"
#include "storage/care_tables.h"

namespace s4::storage {
namespace {

constexpr std::size_t kStepRowsMax = 2000;  // some may be held by readers
constexpr std::size_t kStepBlobsMax = 200;
constexpr Duration kClockJump = std::chrono::hours(1);
constexpr Duration kClockDistrust = std::chrono::hours(24);

blob::Key key_of(const tables::BlobRow& row) {
    return {row.grid, row.name};
}

metrics::Counter& removed() {
    static metrics::Counter& counter =
        metrics::counter("s4_storage_blobs_removed_total", "Blobs removed by the collector");
    return counter;
}

}  // namespace

Collector::Collector(Core& core)
    : core_(core),
      last_unix_us_(core.runtime.reactor.unix_us()),
      last_instant_(core.now()),
      trust_clock_at_(core.now()) {}

rt::Task<Result<Engine::CollectReport>> Collector::step(const rt::Context& ctx) {
    CO_TRY(co_await core_.collecting.acquire(ctx));
    auto report = co_await collect(ctx);
    core_.collecting.release();
    co_return report;
}

rt::Task<Result<Engine::CollectReport>> Collector::collect(const rt::Context& ctx) {
    Engine::CollectReport report;
    report.intents = CO_TRY(co_await collect_intents(ctx));
    if (!clock_jumped()) report.superseded = CO_TRY(co_await collect_superseded(ctx));
    report.orphans = CO_TRY(co_await compare_page(ctx));
    co_return report;
}

bool Collector::clock_jumped() {
    const Instant now = core_.now();
    const std::int64_t unix_us = core_.runtime.reactor.unix_us();
    const Duration wall = std::chrono::microseconds(unix_us - last_unix_us_);
    const Duration difference = wall - (now - last_instant_);
    last_unix_us_ = unix_us;
    last_instant_ = now;
    if (difference > kClockJump || difference < -kClockJump) {
        trust_clock_at_ = now + kClockDistrust;
        log::warning("storage", "the clock jumped; superseded blobs are kept for a day", {});
    }
    return now < trust_clock_at_;
}

rt::Task<Result<std::size_t>> Collector::collect_intents(const rt::Context& ctx) {
    auto rows =
        CO_TRY(co_await core_.db.read(ctx, [](sql::Reader& db) { return tables::intents(db); }));
    co_return co_await collect_listed(ctx, std::move(rows), tables::take_intent);
}

rt::Task<Result<std::size_t>> Collector::collect_superseded(const rt::Context& ctx) {
    const UnixSeconds until = core_.now_s() - core_.options.blob_retention_s;
    auto rows = CO_TRY(co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return tables::superseded_until(db, until, kStepRowsMax); }));
    co_return co_await collect_listed(ctx, std::move(rows), tables::take_superseded);
}

rt::Task<Result<std::size_t>> Collector::collect_listed(const rt::Context& ctx,
                                                        std::vector<tables::BlobRow> rows,
                                                        TakeRow* take) {
    std::erase_if(rows, [&](const auto& row) { return core_.names.busy(key_of(row)); });
    if (rows.size() > kStepBlobsMax) rows.resize(kStepBlobsMax);
    if (rows.empty()) co_return 0;
    const auto taken = CO_TRY(co_await core_.db.write(
        ctx, [&](sql::Transaction& tx) -> Result<std::vector<tables::BlobRow>> {
            std::vector<tables::BlobRow> out;
            for (const auto& row : rows)
                // A row that went since it was read went with a commit that points to its blob.
                if (TRY(take(tx, row))) out.push_back(row);
            return out;
        }));
    CO_TRY(co_await remove(ctx, taken));
    co_return taken.size();
}

rt::Task<Result<void>> Collector::remove(const rt::Context& ctx,
                                         const std::vector<tables::BlobRow>& rows) {
    for (const auto& row : rows) {
        core_.open_blobs.erase(key_of(row));
        CO_TRY(co_await core_.blobs.remove(ctx, key_of(row)));
        removed().add();
    }
    co_return ok();
}

rt::Task<Result<std::size_t>> Collector::compare_page(const rt::Context& ctx) {
    blob::Page page = CO_TRY(co_await core_.blobs.list(ctx, next_page_));
    std::vector<tables::BlobRow> listed;
    for (const blob::Listed& blob : page.blobs)
        if (!core_.names.busy(blob.key)) listed.push_back({blob.key.grid(), blob.key.name()});
    const auto unknown = CO_TRY(
        co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<std::vector<tables::BlobRow>> {
            std::vector<tables::BlobRow> out;
            for (const auto& row : listed)
                // A grid that never had a share here is one that the database has lost: what it
                // stored waits for `s4 storage rebuild-index`.
                if (!TRY(tables::is_known_blob(db, row)) && TRY(tables::has_usage(db, row.grid)))
                    out.push_back(row);
            return out;
        }));
    if (!unknown.empty()) {
        CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
            for (const auto& row : unknown) TRY(tables::insert_superseded(tx, row, core_.now_s()));
            return ok();
        }));
        log::info("storage", "blobs that nothing points to were found",
                  {{"blobs", unknown.size()}});
    }
    next_page_ = std::move(page.next);
    co_return unknown.size();
}

}  // namespace s4::storage
