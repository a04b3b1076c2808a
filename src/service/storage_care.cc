#include "service/storage_care.h"

#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "base/metrics.h"
#include "billing/subscription.h"
#include "service/limits.h"

namespace s4::service {
namespace {

constexpr std::int64_t kDayS = 24 * 3600;
constexpr std::array kLevels{80, 95, 100};
constexpr int kLeaveBelowPoints = 5;

// Rounded: the last share that fits rarely fills a quota to its last byte.
std::uint64_t percent(std::uint64_t used, std::uint64_t quota) {
    if (quota == 0) return 100;
    return static_cast<std::uint64_t>(
        (static_cast<double>(used) * 100.0 / static_cast<double>(quota)) + 0.5);
}

NoticeKind notice_of(int level) {
    if (level == 80) return NoticeKind::quota_80;
    return level == 95 ? NoticeKind::quota_95 : NoticeKind::quota_full;
}

}  // namespace

int quota_level(int level_before, std::uint64_t used_bytes, std::uint64_t quota_bytes) {
    const std::uint64_t now = percent(used_bytes, quota_bytes);
    int level = 0;
    for (const int each : kLevels) {
        const int least = each <= level_before ? each - kLeaveBelowPoints : each;
        if (now >= static_cast<std::uint64_t>(least)) level = each;
    }
    return level;
}

rt::Task<Result<StorageView>> StorageCare::view(const rt::Context& ctx,
                                                SubscriptionId subscription) {
    const Place place = CO_TRY(co_await place_of(ctx, subscription));
    StorageView out;
    out.now = runtime_.reactor.unix_s();
    out.quota_bytes = place.quota_bytes;
    out.used_bytes = CO_TRY(co_await storage_.used_bytes(ctx, place.grid));
    out.figures = CO_TRY(co_await storage_.figures(ctx, place.grid));
    out.days =
        CO_TRY(co_await storage_.days(ctx, place.grid, out.now / kDayS - kUsageDaysShown + 1));
    out.advisories = CO_TRY(co_await storage_.advisories(ctx, place.grid, kAdvisoriesShown));
    out.collection = CO_TRY(co_await storage_.collection(ctx, place.grid));
    co_return out;
}

rt::Task<Result<void>> StorageCare::set_expiry(const rt::Context& ctx, SubscriptionId subscription,
                                               storage::Switch to, Actor actor) {
    const Place place = CO_TRY(co_await place_of(ctx, subscription));
    CO_TRY(co_await storage_.set_expiry(ctx, place.grid, to, std::string(to_string(actor))));
    co_return co_await record(ctx, subscription, actor, "expiry",
                              to == storage::Switch::on ? "on" : "off");
}

rt::Task<Result<storage::FreeEstimate>> StorageCare::estimate(const rt::Context& ctx,
                                                              SubscriptionId subscription,
                                                              UnixSeconds before) {
    const Place place = CO_TRY(co_await place_of(ctx, subscription));
    co_return co_await storage_.estimate(ctx, place.grid, before);
}

rt::Task<Result<void>> StorageCare::free_unrenewed(const rt::Context& ctx,
                                                   SubscriptionId subscription, UnixSeconds before,
                                                   Actor actor) {
    const Place place = CO_TRY(co_await place_of(ctx, subscription));
    CO_TRY(
        co_await storage_.free_unrenewed(ctx, place.grid, before, std::string(to_string(actor))));
    co_return co_await record(ctx, subscription, actor, "free_unrenewed",
                              fmt::format("not renewed since {}", before));
}

rt::Task<Result<void>> StorageCare::stop_freeing(const rt::Context& ctx,
                                                 SubscriptionId subscription, Actor actor) {
    const Place place = CO_TRY(co_await place_of(ctx, subscription));
    CO_TRY(co_await storage_.stop_freeing(ctx, place.grid, std::string(to_string(actor))));
    co_return co_await record(ctx, subscription, actor, "stop_freeing", "");
}

rt::Task<Result<void>> StorageCare::usage_changed(const rt::Context& ctx, GridId grid,
                                                  std::uint64_t used_bytes) {
    struct Crossed {
        SubscriptionId subscription;
        int from = 0;
        int to = 0;
    };
    const UnixSeconds now = runtime_.reactor.unix_s();
    const auto decide = [&](auto& db) -> Result<Crossed> {
        Crossed out;
        const auto subscription = TRY(subscription_of_grid(db, grid));
        if (!subscription) return out;  // a grid without a subscription has nobody to warn
        out.subscription = *subscription;
        out.from = TRY(load_quota_level(db, *subscription));
        out.to = quota_level(out.from, used_bytes, TRY(quota_of(db, *subscription)));
        return out;
    };
    const Crossed seen = CO_TRY(co_await database_.read(
        ctx, [&](sql::Reader& db) -> Result<Crossed> { return decide(db); }));
    if (seen.from == seen.to) co_return ok();
    const Crossed crossed =
        CO_TRY(co_await database_.write(ctx, [&](sql::Transaction& tx) -> Result<Crossed> {
            const Crossed made = TRY(decide(tx));
            if (made.from == made.to) return made;
            TRY(put_quota_level(tx, made.subscription, made.to));
            if (made.to > made.from)
                TRY(insert_notice(tx, made.subscription, notice_of(made.to), now));
            return made;
        }));
    if (crossed.to <= crossed.from) co_return ok();
    static metrics::Counter& warnings =
        metrics::counter("s4_service_quota_warnings_total", "Customers warned of a full quota");
    warnings.add();
    log::warning("service", "a customer's quota is nearly or wholly used",
                 {{"subscription", crossed.subscription.value},
                  {"percent", crossed.to},
                  {"used_bytes", used_bytes}});
    co_return ok();
}

rt::Task<Result<StorageCare::Place>> StorageCare::place_of(const rt::Context& ctx,
                                                           SubscriptionId subscription) {
    co_return co_await database_.read(ctx, [&](sql::Reader& db) -> Result<Place> {
        const SignUpRow row = TRY(load_sign_up(db, subscription));
        if (!row.grid || row.shown == 0)
            return fail(ErrorKind::conflict, "service.no_grid",
                        fmt::format("subscription {} has no grid yet", subscription.value));
        return Place {
            *row.grid, TRY(quota_of(db, subscription))
        };
    });
}

Result<std::uint64_t> StorageCare::quota_of(sql::Reader& db, SubscriptionId subscription) const {
    const billing::Plan* plan = plans_.find(TRY(billing::load_subscription(db, subscription)).plan);
    return plan == nullptr ? plans_.suggested().quota_bytes : plan->quota_bytes;
}

rt::Task<Result<void>> StorageCare::record(const rt::Context& ctx, SubscriptionId subscription,
                                           Actor actor, std::string_view action,
                                           std::string detail) {
    const UnixSeconds now = runtime_.reactor.unix_s();
    co_return co_await database_.write(ctx, [&](sql::Transaction& tx) {
        return audit(tx, actor, action, subscription, detail, now);
    });
}

}  // namespace s4::service
