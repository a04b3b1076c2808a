#include "control/commands.h"

#include <fmt/format.h>

#include "billing/plans.h"
#include "tenants/policy.h"

namespace s4::control {

namespace json = codec::json;

namespace {

json::Object describe(const service::Overview& view) {
    json::Object out{
        {"subscription", view.subscription.id.value},
        {"email", view.subscription.email},
        {"plan", view.subscription.plan},
        {"state", to_string(view.subscription.state)},
        {"stage", to_string(view.stage)},
        {"created", view.subscription.created},
        {"used_bytes", view.used_bytes},
        {"quota_bytes", view.plan.quota_bytes},
        {"limits", json::Object{{"connections", view.limits.connections},
                                {"requests", view.limits.requests},
                                {"bytes_per_second", view.limits.bytes_per_second},
                                {"unfinished_uploads", view.limits.unfinished_uploads}}}};
    if (view.grid) out.emplace_back("transports", tenants::to_string(view.transports));
    if (!view.addresses) return out;
    // Whoever may open the control socket is the operator, who is shown what the customer is shown.
    json::Array nurls;
    for (const Secret& nurl : view.addresses->nurls) nurls.emplace_back(nurl.reveal_text());
    out.emplace_back("introducer_furl", view.addresses->introducer_furl.reveal_text());
    out.emplace_back("storage_furl", view.addresses->storage_furl.reveal_text());
    out.emplace_back("nurls", std::move(nurls));
    return out;
}

Result<SubscriptionId> subscription_of(const Request& request) {
    return SubscriptionId {
        TRY(request.number("subscription"))
    };
}

}  // namespace

rt::Task<Result<json::Value>> Commands::run(const rt::Context& ctx, Request request, Tell tell) {
    if (request.command == "status") co_return json::Value(with_.status);
    if (request.command == "subscription.list") co_return co_await list(ctx, request);
    if (request.command == "subscription.show") co_return co_await show(ctx, request);
    if (request.command == "subscription.create") co_return co_await create(ctx, request);
    if (request.command == "subscription.link") co_return co_await link(ctx, request);
    if (request.command == "subscription.cancel") co_return co_await cancel(ctx, request);
    if (request.command == "subscription.transports") co_return co_await transports(ctx, request);
    if (request.command == "storage.import-tahoe")
        co_return co_await tahoe_.import_node(ctx, request, tell);
    if (request.command == "storage.export-tahoe")
        co_return co_await tahoe_.export_grid(ctx, request, tell);
    if (request.command.starts_with("storage."))
        co_return co_await storage_.run(ctx, request, tell);
    if (request.command == "backup") co_return co_await copy(ctx, request, tell);
    co_return unknown_command(request);
}

rt::Task<Result<json::Value>> Commands::list(const rt::Context& ctx, const Request& request) {
    const SubscriptionId after {
        CO_TRY(request.number("after"))
    };
    const auto rows = CO_TRY(co_await with_.service.list(ctx, after, kSubscriptionsPerPage));
    json::Array subscriptions;
    for (const billing::Subscription& row : rows) {
        service::Overview view = CO_TRY(co_await with_.service.overview(ctx, row.id));
        view.addresses.reset();  // a list shows no addresses
        subscriptions.emplace_back(describe(view));
    }
    const bool more = rows.size() == static_cast<std::size_t>(kSubscriptionsPerPage);
    co_return json::Value(
        json::Object{{"subscriptions", std::move(subscriptions)}, {"more", more}});
}

rt::Task<Result<json::Value>> Commands::show(const rt::Context& ctx, const Request& request) {
    const SubscriptionId id = CO_TRY(subscription_of(request));
    const service::Overview view = CO_TRY(co_await with_.service.overview(ctx, id));
    co_return json::Value(describe(view));
}

rt::Task<Result<json::Value>> Commands::create(const rt::Context& ctx, const Request& request) {
    std::string email = CO_TRY(request.text("email"));
    std::string plan = request.optional_text("plan").value_or(with_.service.plans().suggested().id);
    const service::SignUp made =
        CO_TRY(co_await with_.service.create_subscription(ctx, std::move(email), std::move(plan)));
    const service::Overview view = CO_TRY(co_await with_.service.overview(ctx, made.subscription));
    json::Object out = describe(view);
    out.emplace_back("page", with_.page_url(made.capability));
    co_return json::Value(std::move(out));
}

rt::Task<Result<json::Value>> Commands::link(const rt::Context& ctx, const Request& request) {
    const SubscriptionId id = CO_TRY(subscription_of(request));
    const Secret capability = CO_TRY(co_await with_.service.replace_page(ctx, id));
    co_return json::Value(
        json::Object{{"subscription", id.value}, {"page", with_.page_url(capability)}});
}

rt::Task<Result<json::Value>> Commands::cancel(const rt::Context& ctx, const Request& request) {
    const SubscriptionId id = CO_TRY(subscription_of(request));
    const service::Overview view =
        CO_TRY(co_await with_.service.cancel(ctx, id, service::Actor::operator_));
    co_return json::Value(describe(view));
}

rt::Task<Result<json::Value>> Commands::transports(const rt::Context& ctx, const Request& request) {
    const SubscriptionId id = CO_TRY(subscription_of(request));
    const auto transports = tenants::parse_transports(CO_TRY(request.text("transports")));
    if (!transports)
        co_return fail(ErrorKind::invalid, "control.bad_request",
                       "\"transports\" is \"both\" or \"foolscap\"");
    const service::Overview view = CO_TRY(
        co_await with_.service.set_transports(ctx, id, *transports, service::Actor::operator_));
    co_return json::Value(describe(view));
}

rt::Task<Result<json::Value>> Commands::copy(const rt::Context& ctx, const Request& request,
                                             Tell& tell) {
    std::string directory = CO_TRY(request.text("directory"));
    if (!directory.starts_with('/'))
        co_return fail(ErrorKind::invalid, "control.bad_request",
                       "backup takes an absolute \"directory\"");
    const CopyProgress progress = [&tell](const CopyReport& report) {
        tell(fmt::format("{} blobs, {} copied ({})", report.blobs, report.copied,
                         billing::format_bytes(report.copied_bytes)));
    };
    const CopyReport report = CO_TRY(co_await backup(ctx, with_.backup, std::move(directory),
                                                     request.flag("with_key"), progress));
    co_return json::Value(json::Object{
        {"blobs", report.blobs}, {"copied", report.copied}, {"bytes", report.copied_bytes}});
}

}  // namespace s4::control
