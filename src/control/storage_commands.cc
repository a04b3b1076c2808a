#include "control/storage_commands.h"

#include <fmt/format.h>

#include <utility>

#include "control/check_command.h"
#include "control/limits.h"
#include "rt/reactor.h"
#include "storage/expiry.h"

namespace s4::control {

namespace json = codec::json;

namespace {

json::Object describe(const storage::KindFigures& kind) {
    return {{"shares", kind.shares}, {"bytes", kind.data_bytes}};
}

json::Array leases_of(const storage::GridFigures& figures) {
    json::Array out;
    for (std::size_t age = 0; age < figures.leases_by_age.size(); ++age) {
        json::Object entry;
        if (age < storage::kLeaseAgeDays.size())
            entry.emplace_back("days", storage::kLeaseAgeDays[age]);
        entry.emplace_back("count", figures.leases_by_age[age]);
        out.emplace_back(std::move(entry));
    }
    return out;
}

json::Value describe_shipped_log(const sql::Database& database) {
    const auto status = database.ship_status();
    if (!status) return {};
    json::Object out{
        {"directory", status->directory},
        {"behind_ms", std::chrono::duration_cast<std::chrono::milliseconds>(status->lag).count()},
        {"whole", status->whole}};
    if (!status->problem.empty()) out.emplace_back("problem", status->problem);
    return out;
}

}  // namespace

rt::Task<Result<json::Value>> StorageCommands::run(const rt::Context& ctx, const Request& request,
                                                   Tell& tell) {
    if (request.command == "storage.status") co_return co_await status(ctx, request, tell);
    if (request.command == "storage.check") {
        std::optional<GridId> grid;
        if (request.members.find("subscription") != nullptr)
            grid = CO_TRY(co_await subscription_of(ctx, request))
        .grid;
        co_return co_await run_check(ctx, engine_, request, grid, tell);
    }
    if (request.command == "storage.collect") co_return co_await collect(ctx, request, tell);
    co_return unknown_command(request);
}

rt::Task<Result<service::Overview>> StorageCommands::subscription_of(const rt::Context& ctx,
                                                                     const Request& request) {
    const SubscriptionId id {
        CO_TRY(request.number("subscription"))
    };
    service::Overview view = CO_TRY(co_await service_.overview(ctx, id));
    if (!view.grid)
        co_return fail(ErrorKind::not_found, "control.no_grid",
                       fmt::format("subscription {} has no grid yet", id.value));
    co_return view;
}

rt::Task<Result<json::Value>> StorageCommands::status(const rt::Context& ctx,
                                                      const Request& request, Tell& tell) {
    if (request.members.find("subscription") == nullptr)
        co_return co_await status_page(ctx, request, tell);
    const service::Overview view = CO_TRY(co_await subscription_of(ctx, request));
    json::Array grids;
    grids.push_back(CO_TRY(co_await status_of(ctx, view)));
    co_return json::Value(json::Object{{"grids", std::move(grids)}, {"more", false}});
}

rt::Task<Result<json::Value>> StorageCommands::status_page(const rt::Context& ctx,
                                                           const Request& request, Tell& tell) {
    SubscriptionId after {
        CO_TRY(request.number("after"))
    };
    const auto rows = CO_TRY(co_await service_.list(ctx, after, kSubscriptionsPerPage));
    json::Array grids;
    for (const billing::Subscription& row : rows) {
        after = row.id;
        tell(fmt::format("subscription {}", row.id.value));
        const service::Overview view = CO_TRY(co_await service_.overview(ctx, row.id));
        if (view.grid) grids.push_back(CO_TRY(co_await status_of(ctx, view)));
    }
    const bool more = rows.size() == static_cast<std::size_t>(kSubscriptionsPerPage);
    co_return json::Value(json::Object{{"grids", std::move(grids)},
                                       {"after", after.value},
                                       {"more", more},
                                       {"shipped_log", describe_shipped_log(database_)},
                                       {"care", CO_TRY(co_await describe_care(ctx, engine_))}});
}

rt::Task<Result<json::Value>> StorageCommands::collect(const rt::Context& ctx,
                                                       const Request& request, Tell& tell) {
    storage::Expiry& expiry = engine_.expiry();
    if (request.flag("confirm_clock")) CO_TRY(co_await expiry.confirm_clock(ctx));
    if (request.flag("dry_run")) {
        if (request.members.find("subscription") == nullptr)
            co_return co_await dry_run(ctx, {}, {INT64_MAX}, tell);
        const service::Overview view = CO_TRY(co_await subscription_of(ctx, request));
        const SubscriptionId id = view.subscription.id;
        co_return co_await dry_run(ctx, {id.value - 1}, id, tell);
    }
    expiry.look_at_all();
    storage::ExpiryReport sum;
    for (bool more = true; more;) {
        const storage::ExpiryReport step = CO_TRY(co_await expiry.step(ctx));
        sum.marked += step.marked;
        sum.spared += step.spared;
        sum.freed += step.freed;
        sum.freed_data_bytes += step.freed_data_bytes;
        tell(fmt::format("{} shares marked, {} deleted", sum.marked, sum.freed));
        more = step.more;
        if (more) (void)co_await rt::sleep(reactor_, ctx, kCollectStepPause);
    }
    json::Object out{{"marked", sum.marked},
                     {"spared", sum.spared},
                     {"freed", sum.freed},
                     {"bytes", sum.freed_data_bytes + sum.freed * storage::kShareOverheadBytes}};
    if (!expiry.clock_problem().empty()) out.emplace_back("clock_problem", expiry.clock_problem());
    co_return json::Value(std::move(out));
}

// What the orders in force would free if no client renewed anything from now on; of the
// subscriptions after `from` up to `to`.
rt::Task<Result<json::Value>> StorageCommands::dry_run(const rt::Context& ctx, SubscriptionId from,
                                                       SubscriptionId to, Tell& tell) {
    json::Array orders;
    for (bool more = true; more;) {
        const auto rows = CO_TRY(co_await service_.list(ctx, from, kSubscriptionsPerPage));
        more = rows.size() == static_cast<std::size_t>(kSubscriptionsPerPage);
        for (const billing::Subscription& row : rows) {
            from = row.id;
            if (row.id > to) break;
            const service::Overview view = CO_TRY(co_await service_.overview(ctx, row.id));
            if (!view.grid) continue;
            tell(fmt::format("subscription {}", row.id.value));
            const auto status = CO_TRY(co_await engine_.expiry().status(ctx, *view.grid));
            for (const auto& order : {status.expiry, status.once}) {
                if (!order) continue;
                const UnixSeconds since = order->cutoff(reactor_.unix_s()) - storage::kLeaseSeconds;
                const storage::FreeEstimate found =
                    CO_TRY(co_await engine_.expiry().estimate(ctx, *view.grid, since));
                orders.emplace_back(json::Object{
                    {"subscription", row.id.value},
                    {"kind", order->kind == storage::CollectionKind::expiry ? "expiry" : "once"},
                    {"asked_by", order->asked_by},
                    {"asked", order->asked},
                    {"not_renewed_since", since},
                    {"shares", found.shares},
                    {"bytes", found.freed_bytes()}});
            }
        }
        more = more && from < to;
    }
    co_return json::Value(json::Object{{"dry_run", std::move(orders)}});
}

rt::Task<Result<json::Value>> StorageCommands::status_of(const rt::Context& ctx,
                                                         const service::Overview& view) {
    const storage::Usage usage = CO_TRY(co_await engine_.usage(ctx, *view.grid));
    const storage::GridFigures figures = CO_TRY(co_await engine_.figures(ctx, *view.grid));
    co_return json::Value(
        json::Object{{"subscription", view.subscription.id.value},
                     {"email", view.subscription.email},
                     {"state", to_string(view.subscription.state)},
                     {"grid", view.grid->value},
                     {"used_bytes", usage.used_bytes()},
                     {"reserved_bytes", usage.reserved_bytes},
                     {"quota_bytes", view.plan.quota_bytes},
                     {"immutable", describe(figures.immutable)},
                     {"mutable", describe(figures.mutable_)},
                     {"leases", leases_of(figures)},
                     {"last_activity",
                      figures.last_activity ? json::Value(*figures.last_activity) : json::Value()},
                     {"advisories", figures.advisories}});
}

}  // namespace s4::control
