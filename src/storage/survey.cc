#include "storage/survey.h"

#include <limits>

namespace s4::storage {
namespace {

using sql::Query;

constexpr std::int64_t kDayS = 24 * 3600;

constexpr Query kShareAtStep{
    "storage.share_at_step",
    "SELECT si, share FROM storage_share WHERE grid = $1 AND (si, share) > ($2, $3) "
    "ORDER BY si, share LIMIT 1 OFFSET $4"};
constexpr Query kCountShares{
    "storage.count_shares",
    "SELECT kind, count(*), sum(length) FROM storage_share WHERE grid = $1 AND (si, share) > "
    "($2, $3) AND (si, share) <= ($4, $5) GROUP BY kind"};
constexpr Query kLeaseAtStep{
    "storage.lease_at_step",
    "SELECT expires_s FROM storage_lease WHERE grid = $1 AND expires_s >= $2 AND expires_s < $3 "
    "ORDER BY expires_s LIMIT 1 OFFSET $4"};
constexpr Query kCountLeases{
    "storage.count_leases_between",
    "SELECT count(*) FROM storage_lease WHERE grid = $1 AND expires_s >= $2 AND expires_s < $3"};
constexpr Query kLastLease{
    "storage.last_lease",
    "SELECT expires_s FROM storage_lease WHERE grid = $1 ORDER BY expires_s DESC LIMIT 1"};
constexpr Query kCountAdvisories{"storage.count_advisories",
                                 "SELECT count(*) FROM storage_advisory WHERE grid = $1"};

struct ShareAt {
    ByteBuffer index;
    std::int64_t share = 0;
};

// After every share that there may be.
ShareAt last_share() {
    return {ByteBuffer(kStorageIndexBytes, 0xff), std::numeric_limits<std::int64_t>::max()};
}

// One step: from after `from` to the returned place.
Result<ShareAt> count_step(sql::Reader& db, GridId grid, const ShareAt& from, std::size_t rows_max,
                           GridFigures& out) {
    ShareAt to = last_share();
    {
        sql::Rows rows = TRY(db.select(kShareAtStep, {grid, from.index, from.share, rows_max - 1}));
        if (TRY(rows.next())) to = {to_buffer(rows.blob(0)), rows.integer(1)};
    }
    sql::Rows rows =
        TRY(db.select(kCountShares, {grid, from.index, from.share, to.index, to.share}));
    while (TRY(rows.next())) {
        const bool is_mutable = rows.integer(0) == static_cast<std::int64_t>(ShareKind::mutable_);
        KindFigures& kind = is_mutable ? out.mutable_ : out.immutable;
        kind.shares += static_cast<std::uint64_t>(rows.integer(1));
        kind.data_bytes += static_cast<std::uint64_t>(rows.integer(2));
    }
    return to;
}

Result<std::int64_t> first_number(sql::Rows rows, std::int64_t otherwise) {
    if (!TRY(rows.next())) return otherwise;
    return rows.integer(0);
}

}  // namespace

rt::Task<Result<GridFigures>> Survey::figures(const rt::Context& ctx, GridId grid) {
    if (const Kept* kept = kept_.find(grid); kept != nullptr && core_.now() < kept->until)
        co_return kept->figures;
    GridFigures out;
    out.counted = core_.now_s();
    CO_TRY(co_await count_shares(ctx, grid, out));

    // A lease made or renewed at t expires at t + kLeaseSeconds.
    UnixSeconds to = std::numeric_limits<UnixSeconds>::max();
    for (std::size_t age = 0; age < out.leases_by_age.size(); ++age) {
        const UnixSeconds from = age < kLeaseAgeDays.size()
                                     ? out.counted - kLeaseAgeDays[age] * kDayS + kLeaseSeconds
                                     : std::numeric_limits<UnixSeconds>::min();
        out.leases_by_age[age] = CO_TRY(co_await count_leases(ctx, grid, from, to));
        to = from;
    }
    CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<void> {
        const std::int64_t last = TRY(first_number(TRY(db.select(kLastLease, {grid})), 0));
        if (last != 0) out.last_activity = last - kLeaseSeconds;
        out.advisories = static_cast<std::uint64_t>(
            TRY(first_number(TRY(db.select(kCountAdvisories, {grid})), 0)));
        return ok();
    }));
    kept_.put(grid, {out, core_.now() + kFiguresKept}, 1);
    co_return out;
}

rt::Task<Result<void>> Survey::count_shares(const rt::Context& ctx, GridId grid, GridFigures& out) {
    ShareAt at{ByteBuffer(kStorageIndexBytes, 0), -1};
    const ShareAt end = last_share();
    while (at.share != end.share) {
        // A closure may run again, so it counts into figures of its own.
        struct Step {
            GridFigures counted;
            ShareAt to;
        };
        const Step step = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Step> {
            Step made{out, {}};
            made.to = TRY(count_step(db, grid, at, core_.options.survey_step_rows, made.counted));
            return made;
        }));
        out = step.counted;
        at = step.to;
    }
    co_return ok();
}

rt::Task<Result<std::uint64_t>> Survey::count_leases(const rt::Context& ctx, GridId grid,
                                                     UnixSeconds from, UnixSeconds to) {
    struct Step {
        std::int64_t count = 0;
        UnixSeconds to = 0;
    };
    std::uint64_t count = 0;
    while (from < to) {
        const Step step = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Step> {
            Step made;
            made.to = TRY(first_number(
                TRY(db.select(kLeaseAtStep, {grid, from, to, core_.options.survey_step_rows})),
                to));
            // More of one second than a step has: they go together.
            if (made.to == from) ++made.to;
            made.count = TRY(first_number(TRY(db.select(kCountLeases, {grid, from, made.to})), 0));
            return made;
        }));
        count += static_cast<std::uint64_t>(step.count);
        from = step.to;
    }
    co_return count;
}

}  // namespace s4::storage
