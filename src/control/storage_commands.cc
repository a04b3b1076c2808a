#include "control/storage_commands.h"

#include <fmt/format.h>

#include <utility>

#include "control/check_command.h"
#include "control/limits.h"

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
                                       {"care", CO_TRY(co_await describe_care(ctx, engine_))}});
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
