// The closure that publishes a SlotPlan: it touches nothing but the database.

#include <algorithm>

#include "storage/slot_plan.h"

namespace s4::storage {
namespace {

bool same_versions(const IndexRows& a, const IndexRows& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const ShareRow& x, const ShareRow& y) {
                          return x.share == y.share && x.version == y.version;
                      });
}

}  // namespace

rt::Task<Result<void>> SlotPlan::commit(const rt::Context& ctx) {
    const std::uint64_t reserved = core_.accounts.reserved_bytes(call_.key.grid);
    const IndexCache::Writing writing(core_.indexes, call_.key);
    auto done =
        co_await core_.db.write(ctx, [&](sql::Transaction& tx) { return commit_in(tx, reserved); });
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    if (done->changes != 0) core_.accounts.learn(call_.key.grid, *done);
    co_return ok();
}

// Returns the usage, or one of 0 changes when it did not change.
Result<UsageRow> SlotPlan::commit_in(sql::Transaction& tx, std::uint64_t reserved) const {
    if (!same_versions(TRY(tables::load_index(tx, call_.key)), rows_))
        return fail(ErrorKind::unavailable, "storage.changed_meanwhile",
                    "the slot was changed from elsewhere; ask again");
    std::int64_t shares_change = 0;
    std::int64_t bytes_change = 0;
    for (const SharePlan& plan : plans_) {
        TRY(commit_share(tx, plan));
        const bool exists = plan.outcome != SharePlan::Outcome::deleted &&
                            !(plan.outcome == SharePlan::Outcome::unchanged && !plan.old);
        shares_change += (exists ? 1 : 0) - (plan.old ? 1 : 0);
        bytes_change += static_cast<std::int64_t>(exists ? plan.length : 0) -
                        static_cast<std::int64_t>(plan.old_length());
        if (exists)
            TRY(tables::put_lease(tx, call_.key, plan.number, call_.lease, lease_rule(call_)));
    }
    TRY(commit_slot(tx, static_cast<std::int64_t>(rows_.size()) + shares_change));
    if (shares_change == 0 && bytes_change == 0) return UsageRow{};
    const UsageRow used =
        TRY(tables::change_usage(tx, call_.key.grid, shares_change, bytes_change));
    TRY(check_growth(
        call_, used, reserved,
        bytes_change + shares_change * static_cast<std::int64_t>(kShareOverheadBytes)));
    return used;
}

Result<void> SlotPlan::commit_share(sql::Transaction& tx, const SharePlan& plan) const {
    const UnixSeconds now = core_.now_s();
    ShareRow row =
        plan.old ? plan.old->row : ShareRow{.share = plan.number, .kind = ShareKind::mutable_};
    row.length = plan.length;
    row.version = plan.version;
    if (plan.outcome == SharePlan::Outcome::deleted)
        return tables::delete_share(tx, call_.key, plan.old->row, now);
    for (const tables::BlobName& name : plan.superseded)
        TRY(tables::insert_superseded(tx, {call_.key.grid, name}, now));
    switch (plan.outcome) {
        case SharePlan::Outcome::deleted:
        case SharePlan::Outcome::unchanged:
            return ok();
        case SharePlan::Outcome::small:
            return commit_small(tx, plan, row);
        case SharePlan::Outcome::extents:
            return commit_extents(tx, plan, row);
    }
    return ok();
}

Result<void> SlotPlan::commit_small(sql::Transaction& tx, const SharePlan& plan,
                                    ShareRow row) const {
    const bool was_small = plan.old && row.place == Place::small;
    row.place = Place::small;
    if (was_small)
        TRY(tables::update_small(tx, row.small_id, plan.data));
    else
        row.small_id = TRY(tables::insert_small(tx, plan.data));
    if (!plan.old) return tables::insert_share(tx, call_.key, row, core_.now_s());
    if (!was_small) TRY(tables::delete_pieces(tx, call_.key, plan.number, 0, UINT64_MAX));
    return tables::update_share(tx, call_.key, row, core_.now_s());
}

Result<void> SlotPlan::commit_extents(sql::Transaction& tx, const SharePlan& plan,
                                      ShareRow row) const {
    const bool was_small = plan.old && row.place == Place::small;
    row.place = Place::extents;
    if (was_small) TRY(tables::delete_small(tx, row.small_id));
    if (!plan.old)
        TRY(tables::insert_share(tx, call_.key, row, core_.now_s()));
    else
        TRY(tables::update_share(tx, call_.key, row, core_.now_s()));
    TRY(tables::delete_pieces(tx, call_.key, plan.number, plan.length, UINT64_MAX));
    for (const RegionPlan& region : plan.regions) {
        TRY(tables::delete_intent(tx, {call_.key.grid, region.blob.key().name()}));
        const std::uint64_t start = region.range.offset - region.range.offset % kExtentBytes;
        TRY(tables::delete_pieces(tx, call_.key, plan.number, start, start + kExtentBytes));
        for (const tables::Piece& piece : region.pieces)
            TRY(tables::insert_piece(tx, call_.key, plan.number, piece));
    }
    return ok();
}

Result<void> SlotPlan::commit_slot(sql::Transaction& tx, std::int64_t shares_left) const {
    if (shares_left > static_cast<std::int64_t>(kSharesPerIndexMax))
        return fail(ErrorKind::too_large, "storage.too_many_shares",
                    "a slot has no room for more shares");
    if (shares_left > 0 && !slot_) return tables::insert_slot(tx, call_.key, call_.enabler);
    if (shares_left == 0 && slot_) return tables::delete_slot(tx, call_.key);
    return ok();
}

}  // namespace s4::storage
