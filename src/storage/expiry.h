// Expiry: frees what no client renews, if the customer asked for it (invariant 5). Engine::expiry()
// gives it; it lives as long as the engine, on its reactor.
//
// An order stands for what was asked: `expiry` stays until it is switched off, `once` ends when it
// is through. Each works in two passes. The first marks: each share whose leases all expire before
// the order's cutoff, with the state its leases and data were in. The second, kBetweenPassesS later
// at least, deletes what is marked and still in that state; a renewal, a new lease or a write in
// between spares the share. Each step is one short transaction; where a step stopped is kept in
// memory, and found again from the marks after a restart. A share without any lease stays.
//
// Nothing is collected in a frozen grid, nor while the clock is not to be trusted (clock_guard.h).
// What was deleted is in the order's row, day by day in storage_collected, and in the log.
#pragma once

#include <map>
#include <string>

#include "base/result.h"
#include "rt/context.h"
#include "rt/task.h"
#include "storage/clock_guard.h"
#include "storage/collection.h"
#include "storage/core.h"

namespace s4::storage {

class Expiry {
  public:
    explicit Expiry(Core& core) : core_(core), clock_(core) {}

    // Repeating it changes nothing. `by` is who asked, for the record.
    rt::Task<Result<void>> set_expiry(const rt::Context& ctx, GridId grid, Switch to,
                                      std::string by);
    // Of what would go if no client renewed anything from now on; counted in steps.
    rt::Task<Result<FreeEstimate>> estimate(const rt::Context& ctx, GridId grid,
                                            UnixSeconds before);
    // Fails with storage.invalid_date (in the future), storage.collection_under_way.
    rt::Task<Result<CollectionId>> free_unrenewed(const rt::Context& ctx, GridId grid,
                                                  UnixSeconds before, std::string by);
    // Ends a `once` that is under way; what it marked stays.
    rt::Task<Result<void>> stop_freeing(const rt::Context& ctx, GridId grid, std::string by);
    rt::Task<Result<CollectionStatus>> status(const rt::Context& ctx, GridId grid);

    // At start, so that the time is noted from the first minute on.
    rt::Task<Result<void>> look_at_clock(const rt::Context& ctx);
    // The operator says that the clock is right now. Marks made before begin anew.
    rt::Task<Result<void>> confirm_clock(const rt::Context& ctx);
    std::string clock_problem() const { return clock_.problem(); }

    // One step of the next order that has something to do. The engine runs them by itself.
    rt::Task<Result<ExpiryReport>> step(const rt::Context& ctx);
    // So that the next steps look at every order, whenever it was looked at last.
    void look_at_all() {
        looks_.clear();
        quiet_until_ = {};
    }

  private:
    struct Look {
        bool marking = true;
        tables::LeasePlace place;  // of the first pass
        Instant next{};            // when nothing is to be done before
    };

    rt::Task<Result<ExpiryReport>> step_of(const rt::Context& ctx, const CollectionOrder& order,
                                           Look& look);
    rt::Task<Result<ExpiryReport>> sweep(const rt::Context& ctx, const CollectionOrder& order);
    rt::Task<Result<ExpiryReport>> mark(const rt::Context& ctx, const CollectionOrder& order,
                                        Look& look);
    rt::Task<Result<ExpiryReport>> free(const rt::Context& ctx, const CollectionOrder& order,
                                        Look& look, std::vector<tables::Mark> due);
    void tell(const CollectionOrder& order, const ExpiryReport& report);

    Core& core_;
    ClockGuard clock_;
    CollectionId last_;  // the order of the last step
    std::map<CollectionId, Look> looks_;
    Instant quiet_until_{};  // no order has anything to do before
};

}  // namespace s4::storage
