// StorageCare: the use cases about what a customer stores: what they see of it, what they may have
// freed, and when they are warned that their quota runs out. What is stored is asked through
// GridStorage (needs.h).
//
// Lives as long as the process, on its reactor; the dependencies outlive it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "billing/plans.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "service/needs.h"
#include "service/records.h"
#include "sql/database.h"
#include "storage/collection.h"
#include "storage/figures.h"

namespace s4::service {

// What the customer's page tells of their storage.
struct StorageView {
    std::uint64_t used_bytes = 0;
    std::uint64_t quota_bytes = 0;
    storage::GridFigures figures;
    std::vector<storage::UsageDay> days;  // the oldest first; may begin before kUsageDaysShown
    std::vector<storage::Advisory> advisories;
    storage::CollectionStatus collection;
    UnixSeconds now = 0;
};

// How full a quota is, as its customer is warned of it: 0, 80, 95 or 100.
int quota_level(int level_before, std::uint64_t used_bytes, std::uint64_t quota_bytes);

class StorageCare {
  public:
    StorageCare(rt::Runtime& runtime, sql::Database& database, const billing::Plans& plans,
                GridStorage& storage)
        : runtime_(runtime), database_(database), plans_(plans), storage_(storage) {}

    // Errors of all: subscription.unknown, service.no_grid (conflict: it is not made yet, or gone),
    // and what GridStorage says.
    rt::Task<Result<StorageView>> view(const rt::Context& ctx, SubscriptionId subscription);
    rt::Task<Result<void>> set_expiry(const rt::Context& ctx, SubscriptionId subscription,
                                      storage::Switch to, Actor actor);
    rt::Task<Result<storage::FreeEstimate>> estimate(const rt::Context& ctx,
                                                     SubscriptionId subscription,
                                                     UnixSeconds before);
    rt::Task<Result<void>> free_unrenewed(const rt::Context& ctx, SubscriptionId subscription,
                                          UnixSeconds before, Actor actor);
    rt::Task<Result<void>> stop_freeing(const rt::Context& ctx, SubscriptionId subscription,
                                        Actor actor);

    // Warns once at each of 80, 95 and 100 percent: in the log, and by a notice for the customer's
    // mail. A level is left when the usage has fallen five points below it.
    rt::Task<Result<void>> usage_changed(const rt::Context& ctx, GridId grid,
                                         std::uint64_t used_bytes);

  private:
    struct Place {
        GridId grid;
        std::uint64_t quota_bytes = 0;
    };
    rt::Task<Result<Place>> place_of(const rt::Context& ctx, SubscriptionId subscription);
    Result<std::uint64_t> quota_of(sql::Reader& db, SubscriptionId subscription) const;
    rt::Task<Result<void>> record(const rt::Context& ctx, SubscriptionId subscription, Actor actor,
                                  std::string_view action, std::string detail);

    rt::Runtime& runtime_;
    sql::Database& database_;
    const billing::Plans& plans_;
    GridStorage& storage_;
};

}  // namespace s4::service
