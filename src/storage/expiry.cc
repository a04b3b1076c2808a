#include "storage/expiry.h"

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "base/metrics.h"

namespace s4::storage {
namespace {

using tables::LeasePlace;
using tables::LeaseState;
using tables::Mark;

// What a step knows of the leases around it. It reads each index once, and not too many rows.
class Leases {
  public:
    Leases(sql::Reader& db, GridId grid) : db_(db), grid_(grid) {}

    bool exhausted() const { return rows_ >= kStepLeasesMax; }
    // Nothing when the share has none.
    Result<std::optional<LeaseState>> of(const StorageIndex& index, ShareNumber share) {
        if (!loaded_ || index_ != index) {
            states_ = TRY(tables::lease_states(db_, {grid_, index}));
            index_ = index;
            loaded_ = true;
            for (const auto& [number, state] : states_)
                rows_ += static_cast<std::size_t>(state.leases);
        }
        const auto at = states_.find(share);
        return at == states_.end() ? std::nullopt : std::optional(at->second);
    }

  private:
    sql::Reader& db_;
    GridId grid_;
    bool loaded_ = false;
    StorageIndex index_;
    std::map<ShareNumber, LeaseState> states_;
    std::size_t rows_ = 0;
};

// A stretch of the leases that expire before a cutoff.
struct Page {
    LeasePlace next;   // where the next one begins
    bool last = true;  // there is no next one
};

// Calls `use(share's row, its leases)` for each share in it whose newest lease expires before the
// cutoff: each once in a whole pass, at its newest lease.
template <typename Use>
Result<Page> each_unrenewed(sql::Reader& db, GridId grid, UnixSeconds cutoff,
                            const LeasePlace& after, std::size_t limit, Use use) {
    Page page{after, true};
    const std::vector<LeasePlace> found =
        TRY(tables::leases_before(db, grid, cutoff, after, limit));
    Leases leases(db, grid);
    for (const LeasePlace& place : found) {
        if (leases.exhausted()) {
            page.last = false;
            return page;
        }
        page.next = place;
        const auto state = TRY(leases.of(place.index, place.share));
        if (!state || state->newest != place.expires) continue;
        const IndexKey key{grid, place.index};
        const IndexRows rows = TRY(tables::load_index(db, key));
        if (const ShareRow* row = find_share(rows, place.share)) TRY(use(key, *row, *state));
    }
    page.last = found.size() < limit;
    return page;
}

Result<void> set_in_tx(sql::Transaction& tx, GridId grid, Switch to, const std::string& by,
                       UnixSeconds now) {
    const auto active = TRY(tables::active_order(tx, grid, CollectionKind::expiry));
    if (to == Switch::off) return active ? tables::end_order(tx, active->id, by, now) : ok();
    if (active) return ok();
    CollectionOrder order;
    order.grid = grid;
    order.kind = CollectionKind::expiry;
    order.asked_by = by;
    order.asked = now;
    TRY(tables::insert_order(tx, order));
    return ok();
}

}  // namespace

rt::Task<Result<void>> Expiry::set_expiry(const rt::Context& ctx, GridId grid, Switch to,
                                          std::string by) {
    const UnixSeconds now = core_.now_s();
    CO_TRY(co_await core_.db.write(
        ctx, [&](sql::Transaction& tx) { return set_in_tx(tx, grid, to, by, now); }));
    look_at_all();
    log::info("storage", "expiry of leases was switched",
              {{"grid", grid.value}, {"on", to == Switch::on}, {"by", by}});
    co_return ok();
}

rt::Task<Result<FreeEstimate>> Expiry::estimate(const rt::Context& ctx, GridId grid,
                                                UnixSeconds before) {
    struct Step {
        FreeEstimate found;
        Page page;
    };
    FreeEstimate out;
    LeasePlace place;
    for (bool last = false; !last;) {
        const Step step = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<Step> {
            Step made;
            made.page = TRY(each_unrenewed(
                db, grid, before + kLeaseSeconds, place, kEstimateStepRows,
                [&](const IndexKey&, const ShareRow& row, const LeaseState&) -> Result<void> {
                    ++made.found.shares;
                    made.found.data_bytes += row.length;
                    return ok();
                }));
            return made;
        }));
        out.shares += step.found.shares;
        out.data_bytes += step.found.data_bytes;
        place = step.page.next;
        last = step.page.last;
    }
    co_return out;
}

rt::Task<Result<CollectionId>> Expiry::free_unrenewed(const rt::Context& ctx, GridId grid,
                                                      UnixSeconds before, std::string by) {
    const UnixSeconds now = core_.now_s();
    if (before > now)
        co_return fail(ErrorKind::invalid, "storage.invalid_date",
                       "the date lies in the future; give today or an earlier day");
    const CollectionId id =
        CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<CollectionId> {
            if (TRY(tables::active_order(tx, grid, CollectionKind::once)))
                return fail(ErrorKind::conflict, "storage.collection_under_way",
                            "space is being freed already; wait until that has ended, or stop it");
            CollectionOrder order;
            order.grid = grid;
            order.kind = CollectionKind::once;
            order.before = before;
            order.asked_by = by;
            order.asked = now;
            return tables::insert_order(tx, order);
        }));
    look_at_all();
    log::info("storage", "what is not renewed will be freed",
              {{"grid", grid.value}, {"collection", id.value}, {"before", before}, {"by", by}});
    co_return id;
}

rt::Task<Result<void>> Expiry::stop_freeing(const rt::Context& ctx, GridId grid, std::string by) {
    const UnixSeconds now = core_.now_s();
    CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        const auto active = TRY(tables::active_order(tx, grid, CollectionKind::once));
        return active ? tables::end_order(tx, active->id, by, now) : ok();
    }));
    look_at_all();
    co_return ok();
}

rt::Task<Result<CollectionStatus>> Expiry::status(const rt::Context& ctx, GridId grid) {
    CollectionStatus out =
        CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) -> Result<CollectionStatus> {
            CollectionStatus found;
            found.expiry = TRY(tables::active_order(db, grid, CollectionKind::expiry));
            found.once = TRY(tables::active_order(db, grid, CollectionKind::once));
            found.past = TRY(tables::orders_of(db, grid, kOrdersShown));
            std::erase_if(found.past, [](const CollectionOrder& o) { return o.ended == 0; });
            return found;
        }));
    out.clock_problem = clock_.problem();
    co_return out;
}

rt::Task<Result<void>> Expiry::look_at_clock(const rt::Context& ctx) {
    CO_TRY(co_await clock_.check(ctx));
    co_return ok();
}

rt::Task<Result<void>> Expiry::confirm_clock(const rt::Context& ctx) {
    CO_TRY(co_await clock_.confirm(ctx));
    look_at_all();
    co_return ok();
}

rt::Task<Result<ExpiryReport>> Expiry::step(const rt::Context& ctx) {
    ExpiryReport report;
    if (!CO_TRY(co_await clock_.check(ctx))) co_return report;
    if (core_.now() < quiet_until_) co_return report;
    // A round of all orders that finds nothing to do ends the step.
    bool from_first = !last_;
    for (;;) {
        const auto order = CO_TRY(co_await core_.db.read(
            ctx, [&](sql::Reader& db) { return tables::next_order(db, last_); }));
        if (!order) {
            last_ = {};
            if (from_first) {
                quiet_until_ = core_.now() + kLookAtOrderEvery;
                for (const auto& [id, look] : looks_)
                    quiet_until_ = std::min(quiet_until_, look.next);
                co_return report;
            }
            from_first = true;
            continue;
        }
        last_ = order->id;
        Look look = looks_[order->id];  // look_at_all() may be called while the step waits
        if (core_.now() < look.next) continue;
        report = CO_TRY(co_await step_of(ctx, *order, look));
        tell(*order, report);
        if (!report.more) {
            look = {};
            look.next = core_.now() + kLookAtOrderEvery;
        }
        looks_[order->id] = look;
        if (report.more || report.marked != 0) {
            last_ = {order->id.value - 1};  // the same again
            report.more = true;
            co_return report;
        }
        const auto left = CO_TRY(co_await core_.db.read(
            ctx, [&](sql::Reader& db) { return tables::load_order(db, order->id); }));
        if (!left || left->swept) looks_.erase(order->id);
    }
}

rt::Task<Result<ExpiryReport>> Expiry::step_of(const rt::Context& ctx, const CollectionOrder& order,
                                               Look& look) {
    if (order.ended != 0) co_return co_await sweep(ctx, order);
    const auto held = co_await core_.policies.hold(ctx, order.grid);
    if (!held && held.error().kind() != ErrorKind::not_found) co_return fail(held.error());
    const auto policy = core_.policies.policy(order.grid);
    if (!policy || policy->access == Access::frozen) co_return ExpiryReport{};

    const UnixSeconds until = core_.now_s() - kBetweenPassesS;
    auto due = CO_TRY(co_await core_.db.read(ctx, [&](sql::Reader& db) {
        return tables::marks_until(db, order.id, until, kFreeStepShares);
    }));
    if (!due.empty()) co_return co_await free(ctx, order, look, std::move(due));
    if (order.marked == 0 && look.marking) co_return co_await mark(ctx, order, look);
    if (order.kind == CollectionKind::expiry) co_return ExpiryReport{};
    // A second pass with nothing left to wait for.
    CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        if (!TRY(tables::marks_until(tx, order.id, INT64_MAX, 1)).empty()) return ok();
        TRY(tables::end_order(tx, order.id, "service", core_.now_s()));
        return tables::set_swept(tx, order.id);
    }));
    co_return ExpiryReport{};
}

// What an order marked that was ended by somebody.
rt::Task<Result<ExpiryReport>> Expiry::sweep(const rt::Context& ctx, const CollectionOrder& order) {
    ExpiryReport report;
    report.more = CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<bool> {
        const auto marks = TRY(tables::marks_until(tx, order.id, INT64_MAX, kMarkStepRows));
        for (const Mark& mark : marks) TRY(tables::delete_mark(tx, mark.key, mark.share));
        if (!marks.empty()) return true;
        TRY(tables::set_swept(tx, order.id));
        return false;
    }));
    co_return report;
}

rt::Task<Result<ExpiryReport>> Expiry::mark(const rt::Context& ctx, const CollectionOrder& order,
                                            Look& look) {
    struct Done {
        Page page;
        std::uint64_t marked = 0;
    };
    const UnixSeconds now = core_.now_s();
    const std::int64_t epoch = clock_.epoch();
    const Done done =
        CO_TRY(co_await core_.db.write(ctx, [&](sql::Transaction& tx) -> Result<Done> {
            Done made;
            const auto mark_one = [&](const IndexKey& key, const ShareRow& row,
                                      const LeaseState& leases) -> Result<void> {
                if (const auto old = TRY(tables::load_mark(tx, key, row.share))) {
                    const auto by = TRY(tables::load_order(tx, old->collection));
                    // Its turn comes with that order.
                    if (by && by->ended == 0 && old->epoch == epoch) return ok();
                }
                ++made.marked;
                return tables::put_mark(
                    tx, {key, row.share, order.id, now, epoch, leases, row.version});
            };
            made.page = TRY(each_unrenewed(tx, order.grid, order.cutoff(now), look.place,
                                           kMarkStepRows, mark_one));
            if (made.page.last && order.kind == CollectionKind::once)
                TRY(tables::set_marked(tx, order.id, now));
            return made;
        }));
    look.place = done.page.next;
    look.marking = !done.page.last;
    ExpiryReport report;
    report.marked = done.marked;
    report.more = look.marking;
    co_return report;
}

rt::Task<Result<ExpiryReport>> Expiry::free(const rt::Context& ctx, const CollectionOrder& order,
                                            Look& look, std::vector<Mark> due) {
    struct Done {
        ExpiryReport report;
        bool anew = false;
        std::optional<UsageRow> used;
    };
    const UnixSeconds now = core_.now_s();
    const std::int64_t epoch = clock_.epoch();
    std::vector<std::unique_ptr<IndexCache::Writing>> writing;
    for (const Mark& mark : due)
        writing.push_back(std::make_unique<IndexCache::Writing>(core_.indexes, mark.key));
    const auto decide = [&](sql::Transaction& tx) -> Result<Done> {
        Done made;
        const auto current = TRY(tables::load_order(tx, order.id));
        if (!current || current->ended != 0) return made;
        Leases leases(tx, order.grid);
        for (const Mark& seen : due) {
            if (leases.exhausted()) break;
            const auto mark = TRY(tables::load_mark(tx, seen.key, seen.share));
            if (!mark || mark->collection != order.id) continue;
            TRY(tables::delete_mark(tx, mark->key, mark->share));
            const IndexRows rows = TRY(tables::load_index(tx, mark->key));
            const ShareRow* row = find_share(rows, mark->share);
            const auto state = TRY(leases.of(mark->key.index, mark->share));
            const bool blind = core_.options.planted_bugs.second_pass_blind;
            const bool untouched =
                row != nullptr && state && mark->epoch == epoch &&
                (blind || (*state == mark->leases && row->version == mark->version &&
                           state->newest < current->cutoff(now)));
            if (!untouched) {
                ++made.report.spared;
                made.anew = made.anew || mark->epoch != epoch;
                continue;
            }
            TRY(tables::delete_share(tx, mark->key, *row, now));
            if (rows.size() == 1 && row->kind == ShareKind::mutable_)
                TRY(tables::delete_slot(tx, mark->key));
            ++made.report.freed;
            made.report.freed_data_bytes += row->length;
        }
        const ExpiryReport& report = made.report;
        // What another epoch marked is marked again: the first pass is not through.
        if (made.anew) TRY(tables::set_marked(tx, order.id, 0));
        if (report.freed == 0) return made;
        TRY(tables::add_freed(tx, order.id, now, report.freed, report.freed_data_bytes));
        made.used =
            TRY(tables::change_usage(tx, order.grid, -static_cast<std::int64_t>(report.freed),
                                     -static_cast<std::int64_t>(report.freed_data_bytes)));
        return made;
    };
    auto done = co_await core_.db.write(ctx, decide);
    if (!done) co_return fail(core_.alarm(std::move(done).error()));
    if (done->used) core_.accounts.learn(order.grid, *done->used);
    if (done->anew) {
        look.marking = true;
        look.place = {};
    }
    ExpiryReport report = done->report;
    report.more = true;
    co_return report;
}

void Expiry::tell(const CollectionOrder& order, const ExpiryReport& report) {
    static metrics::Counter& shares =
        metrics::counter("s4_storage_collected_shares_total", "Shares freed that nobody renewed");
    static metrics::Counter& bytes = metrics::counter("s4_storage_collected_bytes_total",
                                                      "Data bytes freed that nobody renewed");
    if (report.freed == 0) return;
    shares.add(static_cast<double>(report.freed));
    bytes.add(static_cast<double>(report.freed_data_bytes));
    log::info("storage", "shares that nobody renewed were deleted",
              {{"grid", order.grid.value},
               {"collection", order.id.value},
               {"asked_by", order.asked_by},
               {"shares", report.freed},
               {"bytes", report.freed_data_bytes}});
}

}  // namespace s4::storage
