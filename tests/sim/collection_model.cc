#include "collection_model.h"

#include <fmt/format.h>

#include <algorithm>

namespace s4::simulation {

using storage::CollectionKind;

void CollectionModel::stored(const IndexName& name, ByteBuffer content, Moment began) {
    kept_[name].share.settle(std::move(content));
    renewed(name, began);
}

void CollectionModel::renewed(const IndexName& name, Moment began) {
    Kept& kept = kept_[name];
    kept.expires_s = std::max(kept.expires_s, began.wall_s + storage::kLeaseSeconds);
    kept.touched_s = began.elapsed_s;
    run_.acknowledged();
}

void CollectionModel::saw(const IndexName& name, const Share& seen, Moment now) {
    Kept& kept = kept_[name];
    if (seen == kept.share.known) return;
    if (!seen)
        gone(name, kept, now);
    else
        run_.violated(kept.share.known ? 2 : 5,
                      fmt::format("{} shows {} bytes that are not what was stored", name.text(),
                                  seen->size()));
}

void CollectionModel::settle(const IndexName& name, const Share& seen, Moment now) {
    Kept& kept = kept_[name];
    const bool attempted =
        seen && std::ranges::find(kept.share.unanswered, seen) != kept.share.unanswered.end();
    if (!attempted || seen == kept.share.known) {
        saw(name, seen, now);
    } else {
        if (kept.share.known) {
            // Changed, or freed and then stored anew: both may be.
            ++maybe_freed_[name.grid].shares;
            maybe_freed_[name.grid].bytes += kept.share.known->size();
        }
        kept.expires_s = 0;
        renewed(name, kept.attempted);
    }
    kept.share.settle(seen);
}

void CollectionModel::asked(GridId grid, CollectionKind kind, std::int64_t before_s, Moment now) {
    orders_[grid].push_back({.kind = kind, .before_s = before_s, .asked_s = now.elapsed_s});
}

void CollectionModel::refused(GridId grid) {
    orders_[grid].pop_back();
}

void CollectionModel::ended(GridId grid, CollectionKind kind, Moment now) {
    for (Order& order : orders_[grid])
        if (order.kind == kind) order.ended_s = std::min(order.ended_s, now.elapsed_s);
}

// Whether some order could have marked it a day ago or earlier, in the state in which it went.
bool CollectionModel::may_be_gone(const IndexName& name, const Kept& kept, Moment now) const {
    const auto orders = orders_.find(name.grid);
    if (orders == orders_.end()) return false;
    return std::ranges::any_of(orders->second, [&](const Order& order) {
        const std::int64_t marked = std::max({order.asked_s, kept.touched_s, confirmed_s_});
        const std::int64_t freed = std::min(now.elapsed_s, order.ended_s);
        const bool expired = order.kind == CollectionKind::expiry
                                 ? kept.expires_s < wall_top_s_ - storage::kBetweenPassesS
                                 : kept.expires_s < order.before_s + storage::kLeaseSeconds;
        return expired && freed - marked >= storage::kBetweenPassesS;
    });
}

void CollectionModel::gone(const IndexName& name, Kept& kept, Moment now) {
    if (!may_be_gone(name, kept, now))
        run_.violated(5, fmt::format("{} is gone, renewed or changed {} s ago", name.text(),
                                     now.elapsed_s - kept.touched_s));
    ++freed_[name.grid].shares;
    freed_[name.grid].bytes += kept.share.known->size();
    kept.share.known.reset();
    kept.expires_s = 0;
}

void CollectionModel::compare_record(GridId grid, const Freed& record, const Freed& by_day) {
    const Freed& sure = freed_[grid];
    const Freed& maybe = maybe_freed_[grid];
    for (const Freed* told : {&record, &by_day})
        if (told->shares < sure.shares || told->shares > sure.shares + maybe.shares ||
            told->bytes < sure.bytes || told->bytes > sure.bytes + maybe.bytes)
            run_.violated(
                5, fmt::format("grid {}: {} shares of {} bytes are recorded as freed, "
                               "but {} of {} are gone",
                               grid.value, told->shares, told->bytes, sure.shares, sure.bytes));
}

}  // namespace s4::simulation
