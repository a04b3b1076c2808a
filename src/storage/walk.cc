#include "storage/walk.h"

#include <fmt/format.h>

#include "base/log.h"
#include "storage/care_tables.h"
#include "storage/expiry_tables.h"

namespace s4::storage {
namespace {

std::unexpected<Error> no_such_share() {
    return fail(ErrorKind::not_found, "storage.no_such_share", "there is no such share");
}

}  // namespace

rt::Task<Result<std::size_t>> Walk::add_lease(const rt::Context& ctx, GridId grid,
                                              const StorageIndex& index, LeaseSecrets secrets) {
    const GridPolicy policy = CO_TRY(core_.policy(grid));
    CO_TRY(check_secrets(secrets));
    const IndexKey key{grid, index};
    const tables::Lease lease = core_.lease(secrets);
    const tables::LeaseRule rule{
        policy.access == Access::read_write ? tables::NewLeases::add : tables::NewLeases::refuse,
        tables::NewLeases::refuse, policy.leases_per_share_max};
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<std::size_t> {
        const IndexRows rows = TRY(tables::load_index(tx, key));
        for (const ShareRow& row : rows) TRY(tables::put_lease(tx, key, row.share, lease, rule));
        return rows.size();
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    co_return *done;
}

rt::Task<Result<void>> Walk::advise_corrupt(const rt::Context& ctx, GridId grid,
                                            Advisory advisory) {
    const GridPolicy policy = CO_TRY(core_.policy(grid));
    if (advisory.reason.size() > kAdvisoryReasonBytesMax)
        co_return fail(ErrorKind::too_large, "storage.reason_too_long",
                       fmt::format("a reason has at most {} bytes", kAdvisoryReasonBytesMax));
    advisory.at = core_.now_s();
    const IndexKey key{grid, advisory.index};
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        const IndexRows rows = TRY(tables::load_index(tx, key));
        const ShareRow* row = find_share(rows, advisory.share);
        if (!row || row->kind != advisory.kind) return no_such_share();
        return tables::insert_advisory(tx, grid, advisory, policy.advisories_max);
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    static metrics::Counter& reports =
        metrics::counter("s4_storage_advisories_total", "Corruption reports of clients");
    reports.add();
    log::warning(
        "storage", "a client reports a corrupt share",
        {{"grid", grid.value}, {"index", advisory.index.to_text()}, {"share", advisory.share}});
    co_return ok();
}

rt::Task<Result<std::vector<Advisory>>> Walk::advisories(const rt::Context& ctx, GridId grid,
                                                         std::int64_t before, std::size_t limit) {
    co_return co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return tables::load_advisories(db, grid, before, limit); });
}

rt::Task<Result<std::vector<ShareInfo>>> Walk::shares_after(
    const rt::Context& ctx, GridId grid, std::optional<std::pair<StorageIndex, ShareNumber>> after,
    std::size_t limit) {
    co_return co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return tables::shares_after(db, grid, after, limit); });
}

rt::Task<Result<std::vector<LeaseInfo>>> Walk::leases(const rt::Context& ctx, GridId grid,
                                                      const StorageIndex& index,
                                                      ShareNumber share) {
    const IndexKey key{grid, index};
    co_return co_await core_.db.read(
        ctx, [&](sql::Reader& db) { return tables::load_leases(db, key, share); });
}

rt::Task<Result<void>> Walk::adopt_leases(const rt::Context& ctx, GridId grid,
                                          const StorageIndex& index,
                                          std::vector<AdoptedLeases> adopted,
                                          LeaseSecrets instead_of) {
    CO_TRY(core_.writable(grid));
    CO_TRY(check_secrets(instead_of));
    const IndexKey key{grid, index};
    const tables::Lease placeholder = core_.lease(instead_of);
    const tables::LeaseRule rule{tables::NewLeases::add, tables::NewLeases::refuse,
                                 static_cast<std::size_t>(INT64_MAX)};
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        const IndexRows rows = TRY(tables::load_index(tx, key));
        for (const AdoptedLeases& share : adopted) {
            if (!find_share(rows, share.share)) continue;
            for (const LeaseInfo& lease : share.leases)
                TRY(tables::put_lease(tx, key, share.share,
                                      {lease.renew_hash, lease.cancel_hash, lease.expires}, rule));
        }
        // An import's call may have renewed on every share of the index.
        for (const ShareRow& row : rows)
            TRY(tables::delete_lease(tx, key, row.share, placeholder.renew_hash));
        return ok();
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    co_return ok();
}

rt::Task<Result<Secret>> Walk::write_enabler(const rt::Context& ctx, GridId grid,
                                             const StorageIndex& index) {
    const IndexKey key{grid, index};
    const auto slot = CO_TRY(
        co_await core_.db.read(ctx, [&](sql::Reader& db) { return tables::load_slot(db, key); }));
    if (!slot) co_return no_such_share();
    co_return core_.sealer.open(slot->enabler_sealed, core_.enabler_place(key));
}

rt::Task<Result<Usage>> Walk::recount(const rt::Context& ctx, GridId grid) {
    const UsageRow row = CO_TRY(
        co_await core_.db.read(ctx, [&](sql::Reader& db) { return tables::recount(db, grid); }));
    co_return Usage{row.shares, row.data_bytes, core_.accounts.reserved_bytes(grid)};
}

rt::Task<Result<std::size_t>> Walk::purge_step(const rt::Context& ctx, GridId grid,
                                               std::size_t limit) {
    struct Done {
        UsageRow used;
        std::size_t left = 0;
    };
    auto done = co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<Done> {
        const auto shares = TRY(tables::shares_after(tx, grid, std::nullopt, limit + 1));
        const UnixSeconds now = core_.now_s();
        std::int64_t bytes = 0;
        std::size_t deleted = 0;
        for (const ShareInfo& info : shares) {
            if (deleted == limit) break;
            const IndexKey key{grid, info.index};
            const IndexRows rows = TRY(tables::load_index(tx, key));
            TRY(tables::delete_share(tx, key, *find_share(rows, info.share), now));
            if (rows.size() == 1) TRY(tables::delete_slot(tx, key));
            bytes += static_cast<std::int64_t>(info.length);
            ++deleted;
        }
        const std::size_t left = shares.size() - deleted;
        if (left == 0) {
            TRY(tables::delete_advisories(tx, grid));
            TRY(tables::purge_quarantine(tx, grid, now));
            TRY(tables::end_orders_of(tx, grid, now));
        }
        const UsageRow used =
            TRY(tables::change_usage(tx, grid, -static_cast<std::int64_t>(deleted), -bytes));
        return Done{used, left};
    });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    core_.accounts.learn(grid, done->used);
    co_return done->left;
}

}  // namespace s4::storage
