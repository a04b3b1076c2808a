// Site: the public web site. It turns requests into calls of service and what service says into
// pages.
//
//   Site site(...);  wire::HttpServer server(reactor, site);
//
// Made at start once the site's own address is known; lives as long as the process, on its
// reactor; what it is given outlives it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "billing/test_payments.h"
#include "codec/url.h"
#include "crypto/random.h"
#include "rt/reactor.h"
#include "service/service.h"
#include "service/storage_care.h"
#include "web/exchange.h"
#include "web/forms.h"
#include "web/pages.h"
#include "web/templates.h"
#include "wire/http_server.h"

namespace s4::web {

struct SiteOptions {
    bool https = false;         // browsers reach the site by TLS, here or at the proxy
    bool behind_proxy = false;  // the client's address is the last of X-Forwarded-For
    std::string contact = {};   // the operator's e-mail address; may be empty
};

struct SiteDependencies {
    rt::Reactor& reactor;
    crypto::Random& random;
    service::Service& service;
    service::StorageCare& care;
    billing::TestPayments& payments;
    const crypto::MasterKey& master;
};

class Site final : public wire::HttpHandler {
  public:
    static Result<std::unique_ptr<Site>> create(SiteDependencies dependencies, SiteOptions options);

    rt::Task<void> handle(const rt::Context& ctx, wire::HttpRequest& request,
                          wire::HttpResponse& response) override;

    // The same without a connection.
    rt::Task<Answer> answer(const rt::Context& ctx, const Request& request);

    // The path of a subscription's page, which holds its capability.
    static std::string page_path(const Secret& capability);

  private:
    struct Asset {
        std::string path;  // with a hash of the content, so that it may be kept for ever
        std::string_view type;
        std::string_view content;
    };
    enum class Action : std::uint8_t {
        show,
        pay,
        cancel,
        client,
        gridsync,
        storage,
        expiry,
        free,
        stop,
    };
    // Of what follows the capability in a path; nothing if there is no such page.
    static std::optional<Action> action_of(std::string_view path);
    static std::string_view methods_of(Action action);

    // Where a request goes. Names are what logs and metrics say; paths are not, since they may hold
    // a capability.
    struct Target {
        enum class Route : std::uint8_t { landing, sign_up, page, asset, robots, none };
        Route route = Route::none;
        Action action = Action::show;
        Secret capability;
    };

    Site(SiteDependencies dependencies, SiteOptions options, Forms forms);

    rt::Task<Answer> route(const rt::Context& ctx, const Request& request, const Target& target);
    Answer landing();
    Answer sign_up_form(const Request& request, std::string_view email, std::string_view plan,
                        const SignUpProblems& problems, int status);
    rt::Task<Answer> sign_up(const rt::Context& ctx, const Request& request);
    rt::Task<Answer> page(const rt::Context& ctx, const Request& request, const Target& target);
    Answer show(const service::Overview& view, const Secret& capability);
    // POST to the page's /client: which client the customer uses.
    rt::Task<Answer> choose_client(const rt::Context& ctx, SubscriptionId subscription,
                                   const Secret& capability, std::string_view client);
    // The file that Gridsync joins the grid with.
    Answer gridsync_file(const service::Overview& view, const Secret& capability);
    Answer show_cancel(const service::Overview& view, const Secret& capability);
    rt::Task<Answer> pay(const rt::Context& ctx, SubscriptionId subscription,
                         const Secret& capability, std::string_view outcome);

    // storage_site.cc
    rt::Task<Answer> show_storage(const rt::Context& ctx, SubscriptionId id,
                                  const Secret& capability, std::string_view since,
                                  std::string_view problem);
    rt::Task<Answer> show_expiry(const rt::Context& ctx, SubscriptionId id,
                                 const Secret& capability);
    rt::Task<Answer> show_free(const rt::Context& ctx, SubscriptionId id, const Secret& capability,
                               std::string_view query);
    rt::Task<Answer> change_storage(const rt::Context& ctx, SubscriptionId id, const Target& target,
                                    const codec::url::FormFields& fields);

    static Answer redirect(std::string_view to);
    Answer asset(std::string_view path);
    Answer render(std::string_view page, std::string_view title, const Object& data, int status);
    Answer error_page(int status, std::string_view title, std::string_view text);
    Answer failure(const Error& error);
    Answer method_not_allowed(std::string_view allowed);
    // A POST that a page of another site made a browser send, or whose body is no form; nothing if
    // it is fine.
    std::optional<Answer> refuse_post(const Request& request);
    std::string_view cookie_name() const;
    std::optional<std::string> cookie_of(const Request& request) const;

    SiteDependencies with_;
    SiteOptions options_;
    Forms forms_;
    Templates templates_;
    std::vector<Asset> assets_;
    std::string css_path_;
    std::string js_path_;
    std::string icon_path_;
};

}  // namespace s4::web
