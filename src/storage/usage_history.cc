#include "storage/usage_history.h"

#include <algorithm>

namespace s4::storage {
namespace {

using sql::Query;

constexpr std::int64_t kDayS = 24 * 3600;

constexpr Query kUsagesAfter{
    "storage.usages_after",
    "SELECT u.grid, u.shares, u.data_bytes, u.changes, n.changes FROM storage_usage u "
    "LEFT JOIN storage_usage_noted n ON n.grid = u.grid WHERE u.grid > $1 ORDER BY u.grid "
    "LIMIT $2"};
constexpr Query kUsageOf{
    "storage.usage_and_noted",
    "SELECT u.grid, u.shares, u.data_bytes, u.changes, n.changes FROM storage_usage u "
    "LEFT JOIN storage_usage_noted n ON n.grid = u.grid WHERE u.grid = $1"};
constexpr Query kPutNoted{"storage.put_usage_noted",
                          "INSERT INTO storage_usage_noted (grid, changes) VALUES ($1, $2) "
                          "ON CONFLICT (grid) DO UPDATE SET changes = excluded.changes"};
constexpr Query kPutDay{
    "storage.put_usage_day",
    "INSERT INTO storage_usage_day (grid, day, shares, data_bytes) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (grid, day) DO UPDATE SET shares = excluded.shares, "
    "data_bytes = excluded.data_bytes"};
constexpr Query kTrimDays{"storage.trim_usage_days",
                          "DELETE FROM storage_usage_day WHERE grid = $1 AND day < $2"};
constexpr Query kDays{
    "storage.usage_days",
    "SELECT day, shares, data_bytes FROM storage_usage_day WHERE grid = $1 AND day >= "
    "(SELECT coalesce(max(day), 0) FROM storage_usage_day WHERE grid = $1 AND day < $2) "
    "ORDER BY day"};

struct Page {
    std::vector<UsageChange> changed;
    GridId last;
    std::size_t rows = 0;
};

Result<void> read_rows(sql::Rows rows, Page& out) {
    for (; TRY(rows.next()); ++out.rows) {
        out.last = rows.id<GridId>(0);
        const UsageRow used{static_cast<std::uint64_t>(rows.integer(1)),
                            static_cast<std::uint64_t>(rows.integer(2)), rows.integer(3)};
        if (rows.integer(4) != used.changes) out.changed.push_back({out.last, used});
    }
    return ok();
}

}  // namespace

rt::Task<Result<std::vector<UsageChange>>> UsageHistory::changes(const rt::Context& ctx) {
    std::vector<UsageChange> left = CO_TRY(co_await unnoted(ctx));
    if (!left.empty()) co_return left;
    for (const GridId grid : core_.accounts.take_changed()) waiting_.push_back(grid);
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kUsageChangesPerStep));
    const std::vector<GridId> grids(waiting_.end() - count, waiting_.end());
    if (grids.empty()) co_return left;
    Page found = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Page> {
        Page page;
        for (const GridId grid : grids) TRY(read_rows(TRY(db.select(kUsageOf, {grid})), page));
        return page;
    }));
    waiting_.erase(waiting_.end() - count, waiting_.end());
    co_return std::move(found.changed);
}

rt::Task<Result<std::vector<UsageChange>>> UsageHistory::unnoted(const rt::Context& ctx) {
    std::vector<UsageChange> out;
    while (out.empty() && first_round_) {
        Page page = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Page> {
            Page found;
            TRY(read_rows(TRY(db.select(kUsagesAfter, {looked_at_, kUsageChangesPerStep})), found));
            return found;
        }));
        first_round_ = page.rows == kUsageChangesPerStep;
        looked_at_ = page.last;
        out = std::move(page.changed);
    }
    co_return out;
}

rt::Task<Result<void>> UsageHistory::note(const rt::Context& ctx, const UsageChange& change) {
    const std::int64_t today = core_.now_s() / kDayS;
    co_return co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        TRY(tx.execute(kPutDay, {change.grid, today, change.used.shares, change.used.data_bytes}));
        TRY(tx.execute(kTrimDays, {change.grid, today - kUsageDaysKept}));
        TRY(tx.execute(kPutNoted, {change.grid, change.used.changes}));
        return ok();
    });
}

rt::Task<Result<std::vector<UsageDay>>> UsageHistory::days(const rt::Context& ctx, GridId grid,
                                                           std::int64_t from_day) {
    co_return co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<std::vector<UsageDay>> {
        sql::Rows rows = TRY(db.select(kDays, {grid, from_day}));
        std::vector<UsageDay> out;
        while (TRY(rows.next()))
            out.push_back({rows.integer(0), static_cast<std::uint64_t>(rows.integer(1)),
                           static_cast<std::uint64_t>(rows.integer(2))});
        return out;
    });
}

}  // namespace s4::storage
