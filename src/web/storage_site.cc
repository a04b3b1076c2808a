// The part of Site that serves the pages about storage: what is used, what is freed.
#include "codec/url.h"
#include "web/format.h"
#include "web/site.h"
#include "web/storage_pages.h"

namespace s4::web {

using storage::Switch;

namespace {

constexpr std::string_view kNoStore = "no-store";

std::string_view field_of(const codec::url::FormFields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (key == name) return value;
    return {};
}

}  // namespace

rt::Task<Answer> Site::show_storage(const rt::Context& ctx, SubscriptionId id,
                                    const Secret& capability, std::string_view since,
                                    std::string_view problem) {
    const auto view = co_await with_.care.view(ctx, id);
    if (!view) co_return failure(view.error());
    Answer out = render(
        "storage.html", "Your storage",
        storage_page(*view, page_path(capability), forms_.page_token(capability), since, problem),
        problem.empty() ? 200 : 422);
    out.set("Cache-Control", kNoStore);
    co_return out;
}

rt::Task<Answer> Site::show_expiry(const rt::Context& ctx, SubscriptionId id,
                                   const Secret& capability) {
    const auto view = co_await with_.care.view(ctx, id);
    if (!view) co_return failure(view.error());
    const auto estimate =
        co_await with_.care.estimate(ctx, id, with_.reactor.unix_s() - storage::kLeaseSeconds);
    if (!estimate) co_return failure(estimate.error());
    Answer out = render("expiry.html", "Expiry",
                        expiry_page(view->collection.expiry.has_value(), *estimate,
                                    page_path(capability), forms_.page_token(capability)),
                        200);
    out.set("Cache-Control", kNoStore);
    co_return out;
}

rt::Task<Answer> Site::show_free(const rt::Context& ctx, SubscriptionId id,
                                 const Secret& capability, std::string_view query) {
    const auto fields = codec::url::parse_form(query);
    const std::string since(fields ? field_of(*fields, "since") : "");
    const auto date = parse_date(since);
    if (!date || *date > with_.reactor.unix_s())
        co_return co_await show_storage(
            ctx, id, capability, since,
            date ? "This day is still to come. Give today or an earlier one."
                 : "This is no date. Write the year, the month and the day: 2026-01-31.");
    const auto estimate = co_await with_.care.estimate(ctx, id, *date);
    if (!estimate) co_return failure(estimate.error());
    Answer out = render(
        "free.html", "Free what was not renewed?",
        free_page(*date, *estimate, page_path(capability), forms_.page_token(capability)), 200);
    out.set("Cache-Control", kNoStore);
    co_return out;
}

// The token was checked.
rt::Task<Answer> Site::change_storage(const rt::Context& ctx, SubscriptionId id,
                                      const Target& target, const codec::url::FormFields& fields) {
    Result<void> done = ok();
    if (target.action == Action::expiry) {
        const std::string_view to = field_of(fields, "to");
        if (to != "on" && to != "off")
            co_return error_page(400, "Neither on nor off",
                                 "Nothing was done. Open your page again and use its own buttons.");
        done = co_await with_.care.set_expiry(ctx, id, to == "on" ? Switch::on : Switch::off,
                                              service::Actor::customer);
    } else if (target.action == Action::free) {
        const auto date = parse_date(field_of(fields, "since"));
        if (!date)
            co_return error_page(400, "This is no date",
                                 "Nothing was done. Open your page again and use its own form.");
        done = co_await with_.care.free_unrenewed(ctx, id, *date, service::Actor::customer);
        // Sent twice: the page tells how it stands.
        if (!done && done.error().is("storage.collection_under_way")) done = ok();
        if (!done && done.error().is("storage.invalid_date"))
            co_return error_page(422, "This day is still to come", done.error().message());
    } else {
        done = co_await with_.care.stop_freeing(ctx, id, service::Actor::customer);
    }
    if (!done) co_return failure(done.error());
    co_return redirect(page_path(target.capability) + "/storage");
}

}  // namespace s4::web
