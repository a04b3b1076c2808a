#include "web/site.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/base32.h"
#include "codec/hex.h"
#include "codec/url.h"
#include "crypto/hash.h"
#include "web/embedded.h"
#include "web/limits.h"

namespace s4::web {

using billing::PaymentStatus;
using proto::http1::Method;
using service::Stage;

namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kNoStore = "no-store";

// Scripts only where there is one; nothing inline, nothing from elsewhere, no frames.
constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'";

bool is_capability(std::string_view text) {
    return text.size() == codec::base32::encoded_size(service::kCapabilityBytes) &&
           codec::base32::is_alphabet(text);
}

bool is_read(Method method) {
    return method == Method::get || method == Method::head;
}

std::string_view field_of(const codec::url::FormFields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (key == name) return value;
    return {};
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// The address that the nearest proxy saw: the last one it appended.
std::string forwarded_for(const proto::http1::Fields& fields, const std::string& peer) {
    std::string_view list;
    for (std::size_t i = 0; i < fields.size(); ++i)
        if (proto::http1::same_name(fields[i].name, "X-Forwarded-For")) list = fields[i].value;
    if (list.empty() || list.size() > kForwardedBytesMax) return peer;
    const auto comma = list.rfind(',');
    return std::string(trimmed(comma == std::string_view::npos ? list : list.substr(comma + 1)));
}

metrics::Counter& requests(int status) {
    static constexpr const char* kName = "s4_web_requests_total";
    static constexpr const char* kHelp = "Requests to the site by class of status";
    static metrics::Counter& good = metrics::counter(kName, kHelp, {{"status", "2xx"}});
    static metrics::Counter& moved = metrics::counter(kName, kHelp, {{"status", "3xx"}});
    static metrics::Counter& wrong = metrics::counter(kName, kHelp, {{"status", "4xx"}});
    static metrics::Counter& failed = metrics::counter(kName, kHelp, {{"status", "5xx"}});
    if (status < 300) return good;
    if (status < 400) return moved;
    return status < 500 ? wrong : failed;
}

}  // namespace

Answer Site::redirect(std::string_view to) {
    Answer out;
    out.status = 303;
    out.set("Location", to);
    out.set("Cache-Control", kNoStore);
    return out;
}

Result<std::unique_ptr<Site>> Site::create(SiteDependencies dependencies, SiteOptions options) {
    Forms forms = TRY(Forms::create(dependencies.master));
    return std::unique_ptr<Site>(new Site(dependencies, std::move(options), std::move(forms)));
}

Site::Site(SiteDependencies dependencies, SiteOptions options, Forms forms)
    : with_(dependencies), options_(std::move(options)), forms_(std::move(forms)) {
    const auto embed = [&](std::string_view name, std::string_view type) {
        const std::string_view content = embedded_file(name);
        const crypto::Digest256 digest = crypto::sha256(as_bytes(content));
        assets_.push_back(
            {fmt::format("/assets/{}-{}", codec::hex::encode(ByteView(digest).first(6)), name),
             type, content});
        return assets_.back().path;
    };
    css_path_ = embed("site.css", "text/css; charset=utf-8");
    js_path_ = embed("copy.js", "text/javascript; charset=utf-8");
    icon_path_ = embed("favicon.svg", "image/svg+xml");
}

std::string Site::page_path(const Secret& capability) {
    return fmt::format("/s/{}", capability.reveal_text());
}

rt::Task<void> Site::handle(const rt::Context& ctx, wire::HttpRequest& request,
                            wire::HttpResponse& response) {
    Request asked;
    asked.head = request.head();
    asked.client_address = options_.behind_proxy
                               ? forwarded_for(asked.head.fields, request.peer().host)
                               : request.peer().host;
    if (asked.head.method == Method::post) {
        Result<ByteBuffer> body = co_await request.read_body(ctx, kFormBodyBytesMax);
        if (body) {
            asked.body = to_string(*body);
        } else if (body.error().kind() == ErrorKind::too_large) {
            asked.body_too_large = true;
        } else {
            co_return;
        }
    }
    const Answer given = co_await answer(ctx, asked);
    response.status(given.status);
    for (const auto& [name, value] : given.fields) response.field(name, value);
    (void)co_await response.send(ctx, as_bytes(given.body));
}

std::optional<Site::Action> Site::action_of(std::string_view path) {
    if (path.empty()) return Action::show;
    if (path == "/pay") return Action::pay;
    if (path == "/cancel") return Action::cancel;
    if (path == "/client") return Action::client;
    if (path == kGridsyncFile) return Action::gridsync;
    if (path == "/storage") return Action::storage;
    if (path == "/storage/expiry") return Action::expiry;
    if (path == "/storage/free") return Action::free;
    if (path == "/storage/stop") return Action::stop;
    return std::nullopt;
}

// The methods of a page's actions: what only shows is never posted to, and what only does is never
// read.
std::string_view Site::methods_of(Action action) {
    switch (action) {
        case Action::show:
        case Action::gridsync:
        case Action::storage:
            return "GET, HEAD";
        case Action::client:
        case Action::stop:
            return "POST";
        case Action::pay:
        case Action::cancel:
        case Action::expiry:
        case Action::free:
            return "GET, HEAD, POST";
    }
    UNREACHABLE("an action is one of the enum's");
}

rt::Task<Answer> Site::answer(const rt::Context& ctx, const Request& request) {
    Target target;
    const std::string_view path = request.head.path();
    if (path == "/") {
        target.route = Target::Route::landing;
    } else if (path == "/sign-up") {
        target.route = Target::Route::sign_up;
    } else if (path == "/robots.txt") {
        target.route = Target::Route::robots;
    } else if (path.starts_with("/assets/") || path == "/favicon.ico") {
        target.route = Target::Route::asset;
    } else if (path.starts_with("/s/")) {
        std::string_view rest = path.substr(3);
        const auto slash = rest.find('/');
        const auto action =
            action_of(slash == std::string_view::npos ? std::string_view() : rest.substr(slash));
        rest = rest.substr(0, slash);
        if (is_capability(rest) && action) {
            target.route = Target::Route::page;
            target.capability = Secret(as_bytes(rest));
            target.action = *action;
        }
    }
    Answer out = co_await route(ctx, request, target);
    out.set("X-Content-Type-Options", "nosniff");
    out.set("Referrer-Policy", "no-referrer");
    out.set("Content-Security-Policy", kPolicy);
    out.set("Cross-Origin-Opener-Policy", "same-origin");
    out.set("Cross-Origin-Resource-Policy", "same-origin");
    if (options_.https) out.set("Strict-Transport-Security", "max-age=31536000");
    if (target.route == Target::Route::page) out.set("X-Robots-Tag", "noindex, nofollow");
    requests(out.status).add();
    co_return out;
}

rt::Task<Answer> Site::route(const rt::Context& ctx, const Request& request, const Target& target) {
    const Method method = request.head.method;
    const bool reads = is_read(method);
    switch (target.route) {
        case Target::Route::landing:
            co_return reads ? landing() : method_not_allowed("GET, HEAD");
        case Target::Route::sign_up: {
            if (method == Method::post) co_return co_await sign_up(ctx, request);
            if (!reads) co_return method_not_allowed("GET, HEAD, POST");
            const auto query = codec::url::parse_form(request.head.query());
            co_return sign_up_form(request, "", query ? field_of(*query, "plan") : "", {}, 200);
        }
        case Target::Route::page:
            co_return co_await page(ctx, request, target);
        case Target::Route::asset:
            co_return reads ? asset(request.head.path()) : method_not_allowed("GET, HEAD");
        case Target::Route::robots: {
            if (!reads) co_return method_not_allowed("GET, HEAD");
            Answer out;
            out.set("Content-Type", "text/plain; charset=utf-8");
            out.body = "User-agent: *\nDisallow: /s/\n";
            co_return out;
        }
        case Target::Route::none:
            co_return error_page(404, "There is no such page",
                                 "The address may be cut short or misspelt. If it is the address "
                                 "of your subscription, look for the whole of it.");
    }
    UNREACHABLE("a route is one of the enum's");
}

Answer Site::landing() {
    const service::Service& service = with_.service;
    Answer out = render("landing.html", "Storage that cannot read your files",
                        landing_page(service.plans(), service.options().sign_up_open), 200);
    out.set("Cache-Control", "no-cache");
    return out;
}

Answer Site::sign_up_form(const Request& request, std::string_view email, std::string_view plan,
                          const SignUpProblems& problems, int status) {
    if (!with_.service.options().sign_up_open)
        return error_page(403, "Sign-ups are closed",
                          "No new grids are made at the moment. Existing subscriptions go on.");
    std::optional<std::string> cookie = cookie_of(request);
    const bool fresh = !cookie.has_value();
    if (fresh) cookie = Forms::new_cookie(with_.random);
    const std::string token = forms_.visitor_token(with_.random, *cookie, with_.reactor.unix_s());
    Answer out =
        render("sign_up.html", problems.any() ? "Please look again: get a grid" : "Get a grid",
               sign_up_page(with_.service.plans(), token, email, plan, problems), status);
    out.set("Cache-Control", kNoStore);
    if (fresh)
        out.set("Set-Cookie",
                fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}", cookie_name(),
                            *cookie, kFormSecondsMax, options_.https ? "; Secure" : ""));
    return out;
}

rt::Task<Answer> Site::sign_up(const rt::Context& ctx, const Request& request) {
    if (auto refused = refuse_post(request)) co_return std::move(*refused);
    const auto fields = codec::url::parse_form(request.body);
    if (!fields)
        co_return error_page(400, "This is no form",
                             "What was sent could not be read. Please use the form's own button.");
    const std::string email(field_of(*fields, "email"));
    const std::string plan(field_of(*fields, "plan"));
    SignUpProblems problems;
    auto nonce = forms_.check_visitor_token(field_of(*fields, "form"), cookie_of(request),
                                            with_.reactor.unix_s());
    if (!nonce) {
        problems.form = nonce.error().message();
        co_return sign_up_form(request, email, plan, problems, 403);
    }
    const Result<service::SignUp> begun = co_await with_.service.begin_sign_up(
        ctx, {std::move(*nonce), email, plan, request.client_address});
    if (begun) co_return redirect(page_path(begun->capability));

    const Error& error = begun.error();
    if (error.is("email.invalid")) problems.email = error.message();
    if (error.is("plan.unknown")) problems.plan = error.message();
    if (problems.any()) co_return sign_up_form(request, email, plan, problems, 422);
    if (error.is("service.too_many_sign_ups")) {
        problems.form = error.message();
        Answer out = sign_up_form(request, email, plan, problems, 429);
        out.set("Retry-After", fmt::format("{}", kTooManyRetryS));
        co_return out;
    }
    if (error.is("service.sign_up_closed"))
        co_return error_page(403, "Sign-ups are closed", error.message());
    co_return failure(error);
}

rt::Task<Answer> Site::page(const rt::Context& ctx, const Request& request, const Target& target) {
    const Method method = request.head.method;
    const std::string_view allowed = methods_of(target.action);
    const bool posts = method == Method::post && allowed.ends_with("POST");
    if (!posts && !(is_read(method) && allowed.starts_with("GET")))
        co_return method_not_allowed(allowed);
    const Result<SubscriptionId> id = co_await with_.service.find_page(ctx, target.capability);
    if (!id) co_return failure(id.error());
    if (posts) {
        if (auto refused = refuse_post(request)) co_return std::move(*refused);
        const auto fields = codec::url::parse_form(request.body);
        if (!fields || !forms_.is_page_token(target.capability, field_of(*fields, "token")))
            co_return error_page(403, "This form is not from this page",
                                 "Nothing was done. Open your page again and use its own button.");
        if (target.action == Action::pay)
            co_return co_await pay(ctx, *id, target.capability, field_of(*fields, "outcome"));
        if (target.action == Action::client)
            co_return co_await choose_client(ctx, *id, target.capability,
                                             field_of(*fields, "client"));
        if (target.action != Action::cancel)
            co_return co_await change_storage(ctx, *id, target, *fields);
        const auto cancelled = co_await with_.service.cancel(ctx, *id, service::Actor::customer);
        if (!cancelled) co_return failure(cancelled.error());
        co_return redirect(page_path(target.capability));
    }
    const Result<service::Overview> view = co_await with_.service.overview(ctx, *id);
    if (!view) co_return failure(view.error());
    const billing::State state = view->subscription.state;
    if (target.action == Action::cancel) {
        if (state == billing::State::cancelled || view->stage == Stage::ended)
            co_return redirect(page_path(target.capability));
        co_return show_cancel(*view, target.capability);
    }
    if (target.action == Action::pay) {
        if (state == billing::State::active || state == billing::State::purged)
            co_return redirect(page_path(target.capability));
        service::Overview unpaid = *view;
        unpaid.stage = Stage::unpaid;
        co_return show(unpaid, target.capability);
    }
    if (target.action == Action::gridsync) co_return gridsync_file(*view, target.capability);
    if (target.action == Action::show || view->stage != Stage::ready)
        co_return show(*view, target.capability);
    if (target.action == Action::expiry)
        co_return co_await show_expiry(ctx, *id, target.capability);
    if (target.action == Action::free)
        co_return co_await show_free(ctx, *id, target.capability, request.head.query());
    co_return co_await show_storage(ctx, *id, target.capability, "", "");
}

rt::Task<Answer> Site::choose_client(const rt::Context& ctx, SubscriptionId subscription,
                                     const Secret& capability, std::string_view client) {
    if (client != kTahoe && client != kGridsync)
        co_return error_page(400, "There is no such client",
                             "Nothing was done. Open your page again and use its own buttons.");
    const auto changed = co_await with_.service.set_transports(
        ctx, subscription,
        client == kGridsync ? tenants::Transports::foolscap_only : tenants::Transports::both,
        service::Actor::customer);
    // Without a grid there is nothing to choose yet: the page says how it stands.
    if (!changed && changed.error().kind() != ErrorKind::conflict)
        co_return failure(changed.error());
    co_return redirect(page_path(capability));
}

Answer Site::gridsync_file(const service::Overview& view, const Secret& capability) {
    if (view.stage != Stage::ready) return redirect(page_path(capability));
    Answer out;
    out.set("Content-Type", "application/json");
    out.set("Content-Disposition",
            fmt::format("attachment; filename=\"{}.json\"", nickname_of(view.subscription.id)));
    out.set("Cache-Control", kNoStore);
    out.body = codec::json::to_text(codec::json::Value(gridsync_settings(view)));
    return out;
}

Answer Site::show(const service::Overview& view, const Secret& capability) {
    const std::string path = page_path(capability);
    Answer out;
    switch (view.stage) {
        case Stage::unpaid:
            out = render(
                "pay.html", "Payment",
                pay_page(view, path, forms_.page_token(capability), with_.service.test_mode()),
                200);
            break;
        case Stage::making:
        case Stage::checking:
            out =
                render("progress.html", "Your grid is on its way", progress_page(view, path), 200);
            out.set("Refresh",
                    fmt::format("{}", view.delayed ? kDelayedRefreshS : kProgressRefreshS));
            break;
        case Stage::ready:
            out = render(
                "subscription.html", "Your grid",
                subscription_page(view, path, forms_.page_token(capability), options_.contact),
                200);
            break;
        case Stage::ended:
            out = render("ended.html", "Ended", ended_page(with_.service.options().sign_up_open),
                         410);
            break;
    }
    out.set("Cache-Control", kNoStore);
    return out;
}

Answer Site::show_cancel(const service::Overview& view, const Secret& capability) {
    Answer out = render("cancel.html", "Cancel the subscription?",
                        cancel_page(view, page_path(capability), forms_.page_token(capability),
                                    with_.reactor.unix_s()),
                        200);
    out.set("Cache-Control", kNoStore);
    return out;
}

rt::Task<Answer> Site::pay(const rt::Context& ctx, SubscriptionId subscription,
                           const Secret& capability, std::string_view outcome) {
    if (outcome != "paid" && outcome != "declined")
        co_return error_page(400, "This is no way to pay",
                             "Nothing was done. Open your page again and use its own buttons.");
    const auto begun = co_await with_.service.begin_payment(ctx, subscription);
    if (!begun) {
        // Paid in another window meanwhile: the page says how it stands.
        if (begun.error().kind() == ErrorKind::conflict) co_return redirect(page_path(capability));
        co_return failure(begun.error());
    }
    const auto decided = co_await with_.payments.decide(
        ctx, begun->reference, outcome == "paid" ? PaymentStatus::paid : PaymentStatus::declined);
    if (!decided) co_return failure(decided.error());
    const auto settled = co_await with_.service.settle(ctx, begun->reference);
    if (!settled) co_return failure(settled.error());
    co_return redirect(page_path(capability));
}

Answer Site::asset(std::string_view path) {
    if (path == "/favicon.ico") path = icon_path_;
    const auto at = std::ranges::find(assets_, path, &Asset::path);
    if (at == assets_.end())
        return error_page(404, "There is no such file",
                          "Open the first page and start from there.");
    Answer out;
    out.set("Content-Type", at->type);
    out.set("Cache-Control", "public, max-age=31536000, immutable");
    out.body = at->content;
    return out;
}

Answer Site::render(std::string_view page, std::string_view title, const Object& data, int status) {
    Object layout = {{"title", title},
                     {"css_path", css_path_},
                     {"copy_js_path", js_path_},
                     {"favicon_path", icon_path_},
                     {"copy_buttons", page == "subscription.html"},
                     {"test_mode", with_.service.test_mode()},
                     {"contact", options_.contact.empty() ? codec::json::Value(false)
                                                          : codec::json::Value(options_.contact)}};
    Answer out;
    out.status = status;
    out.set("Content-Type", kHtml);
    out.body = templates_.render(page, data, std::move(layout));
    return out;
}

Answer Site::error_page(int status, std::string_view title, std::string_view text) {
    Answer out = render("error.html", title,
                        {{"status", fmt::format("{}", status)},
                         {"title", title},
                         {"text", text},
                         {"link_path", "/"},
                         {"link_text", "To the first page"}},
                        status);
    out.set("Cache-Control", kNoStore);
    return out;
}

Answer Site::failure(const Error& error) {
    if (error.kind() == ErrorKind::not_found)
        return error_page(404, "There is no such page",
                          "The address may be cut short or misspelt, or it was replaced by a new "
                          "one. If you lost it, the operator can give you a new one.");
    log::error("web", "a request failed", {{"error", error}});
    if (!error.retry_makes_sense() && error.kind() != ErrorKind::no_space)
        return error_page(500, "Something went wrong",
                          "It is our fault, and the operator has been told. Nothing you did is "
                          "lost; please try again in a while.");
    Answer out = error_page(503, "Not at the moment",
                            "The service cannot do this right now. Please try again in a moment.");
    out.set("Retry-After", fmt::format("{}", kUnavailableRetryS));
    return out;
}

Answer Site::method_not_allowed(std::string_view allowed) {
    Answer out = error_page(405, "This cannot be done here",
                            "The page exists, but not for this kind of request.");
    out.set("Allow", allowed);
    return out;
}

std::optional<Answer> Site::refuse_post(const Request& request) {
    const proto::http1::Fields& fields = request.head.fields;
    // Our pages send no referrer, so browsers send "Origin: null" from them; Sec-Fetch-Site tells
    // where the form was. Old browsers send neither, and the tokens alone must do.
    const auto site = fields.find("Sec-Fetch-Site");
    const auto origin = fields.find("Origin");
    const auto host = fields.find("Host");
    const bool other_site = site && *site != "same-origin" && *site != "none";
    const bool other_origin = origin && *origin != "null" && host &&
                              *origin != fmt::format("http://{}", *host) &&
                              *origin != fmt::format("https://{}", *host);
    if (other_site || other_origin)
        return error_page(403, "This form is from another site",
                          "Nothing was done. Please start from the first page.");
    if (request.body_too_large)
        return error_page(413, "That is too much",
                          "The form is larger than any of ours. Please use the page's own form.");
    const auto type = fields.find("Content-Type");
    if (!type || !type->starts_with("application/x-www-form-urlencoded"))
        return error_page(415, "This is no form",
                          "Only forms are taken here (application/x-www-form-urlencoded).");
    return std::nullopt;
}

// The prefix makes browsers refuse the cookie from anything but this very host over TLS.
std::string_view Site::cookie_name() const {
    return options_.https ? "__Host-s4_form" : "s4_form";
}

std::optional<std::string> Site::cookie_of(const Request& request) const {
    const proto::http1::Fields& fields = request.head.fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!proto::http1::same_name(fields[i].name, "Cookie")) continue;
        std::string_view rest = fields[i].value;
        if (rest.size() > kCookieBytesMax) return std::nullopt;
        while (!rest.empty()) {
            const auto end = rest.find(';');
            const std::string_view pair = trimmed(rest.substr(0, end));
            rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
            const auto equals = pair.find('=');
            if (equals == std::string_view::npos || pair.substr(0, equals) != cookie_name())
                continue;
            const std::string_view value = pair.substr(equals + 1);
            if (Forms::is_cookie(value)) return std::string(value);
        }
    }
    return std::nullopt;
}

}  // namespace s4::web
