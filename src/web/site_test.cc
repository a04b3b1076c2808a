#include "web/site.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <regex>

#include "base/log.h"
#include "codec/url.h"
#include "rt/asio/backend.h"
#include "service/world_test.h"
#include "web/limits.h"

namespace s4::web {
namespace {

using billing::State;
using proto::http1::Method;
using testing::HasSubstr;
using testing::Not;

// A browser, as far as the site can tell: it keeps the cookie, and fills and sends the forms that
// it was given.
class Browser {
  public:
    Browser(service::World& world, Site& site) : world_(world), site_(site) {}

    Answer get(std::string_view target, Method method = Method::get) {
        Request request = make(method, target);
        return answer(request);
    }
    Answer post(std::string_view target, const codec::url::FormFields& fields) {
        Request request = make(Method::post, target);
        request.head.fields.add("Content-Type", "application/x-www-form-urlencoded");
        for (const auto& [name, value] : extra) request.head.fields.add(name, value);
        request.body = codec::url::write_form(fields);
        return answer(request);
    }
    Answer answer(const Request& request) {
        Answer out = world_.run(site_.answer(world_.ctx(), request));
        for (const auto& [name, value] : out.fields)
            if (name == "Set-Cookie") cookie = value.substr(0, value.find(';'));
        return out;
    }
    Request make(Method method, std::string_view target) {
        Request request;
        request.head.method = method;
        request.head.target = target;
        request.head.fields.add("Host", "s4.example.org");
        if (!cookie.empty()) request.head.fields.add("Cookie", cookie);
        request.client_address = "192.0.2.1";
        return request;
    }

    std::string cookie;
    codec::url::FormFields extra;  // header lines of a POST

  private:
    service::World& world_;
    Site& site_;
};

std::string field(const Answer& answer, std::string_view name) {
    for (const auto& [key, value] : answer.fields)
        if (key == name) return value;
    return {};
}

// The value of the page's hidden input of that name.
std::string hidden(const Answer& page, const std::string& name) {
    std::smatch found;
    const std::regex wanted("name=\"" + name + "\" value=\"([^\"]*)\"");
    return std::regex_search(page.body, found, wanted) ? found[1].str() : "";
}

class SiteTest : public testing::Test {
  protected:
    SiteTest() { make({}); }

    void make(SiteOptions options) {
        site_ = *Site::create({world_.clock(), world_.random(), world_.service(), world_.care(),
                               world_.payments(), world_.master()},
                              options);
        browser_ = std::make_unique<Browser>(world_, *site_);
    }

    codec::url::FormFields form(const Answer& page, std::string email = "ada@example.org") {
        return {{"form", hidden(page, "form")}, {"email", std::move(email)}, {"plan", "m"}};
    }
    // Signs up and returns the page's path.
    std::string sign_up() {
        const Answer sent = browser_->post("/sign-up", form(browser_->get("/sign-up")));
        EXPECT_EQ(sent.status, 303) << sent.body;
        return field(sent, "Location");
    }
    Answer pay(const std::string& path, const std::string& outcome = "paid") {
        return browser_->post(
            path + "/pay", {{"token", hidden(browser_->get(path), "token")}, {"outcome", outcome}});
    }
    std::string ready() {
        const std::string path = sign_up();
        EXPECT_EQ(pay(path).status, 303);
        world_.run_jobs();
        return path;
    }
    State state() { return world_.run(world_.service().list(world_.ctx(), {}, 1))->front().state; }
    std::size_t sign_ups() {
        return world_.run(world_.service().list(world_.ctx(), {}, 100))->size();
    }

    rt::asio::Backend backend_{1};
    service::World world_{backend_};
    std::unique_ptr<Site> site_;
    std::unique_ptr<Browser> browser_;
};

TEST_F(SiteTest, TheLandingPageShowsThePlansAndTheWayIn) {
    const Answer page = browser_->get("/");
    EXPECT_EQ(page.status, 200);
    EXPECT_THAT(page.body, HasSubstr("50 GB"));
    EXPECT_THAT(page.body, HasSubstr("14.90 EUR a month"));
    EXPECT_THAT(page.body, HasSubstr("href=\"/sign-up?plan=m\""));
    EXPECT_THAT(page.body, HasSubstr("Test mode"));
    EXPECT_THAT(page.body, HasSubstr("<html lang=\"en\">"));
    EXPECT_THAT(page.body, HasSubstr("href=\"#content\""));
}

TEST_F(SiteTest, EveryAnswerForbidsWhatThePagesDoNotNeed) {
    const std::string path = ready();
    for (const std::string& target :
         {std::string("/"), std::string("/sign-up"), std::string("/nowhere"), path,
          std::string("/robots.txt"), path + "/cancel", std::string("/favicon.ico"),
          path + "/storage", path + "/storage/expiry"}) {
        const Answer page = browser_->get(target);
        const std::string policy = field(page, "Content-Security-Policy");
        EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
        EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
        EXPECT_THAT(policy, HasSubstr("form-action 'self'"));
        EXPECT_THAT(policy, HasSubstr("base-uri 'none'"));
        EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
        EXPECT_EQ(field(page, "Referrer-Policy"), "no-referrer");
        EXPECT_EQ(field(page, "X-Content-Type-Options"), "nosniff");
        EXPECT_THAT(page.body, Not(HasSubstr(" style=")));
    }
}

TEST_F(SiteTest, ASignUpGoesFromFormToPaymentToProgressToTheGrid) {
    const std::string path = sign_up();
    EXPECT_THAT(path, testing::MatchesRegex("/s/[a-z2-7]{32}"));

    const Answer payment = browser_->get(path);
    EXPECT_EQ(payment.status, 200);
    EXPECT_THAT(payment.body, HasSubstr("This is test mode."));
    EXPECT_THAT(payment.body, HasSubstr("6.90 EUR"));
    EXPECT_THAT(payment.body, Not(HasSubstr("pb://")));

    EXPECT_EQ(field(pay(path), "Location"), path);
    const Answer progress = browser_->get(path);
    EXPECT_EQ(field(progress, "Refresh"), "1");
    EXPECT_THAT(progress.body, HasSubstr("Your grid is being made"));
    EXPECT_THAT(progress.body, Not(HasSubstr("pb://")));

    world_.run_jobs();
    world_.usage.bytes = 125'000'000'000;
    const Answer grid = browser_->get(path);
    EXPECT_EQ(field(grid, "Refresh"), "");
    EXPECT_THAT(grid.body, HasSubstr("tahoe create-client"));
    EXPECT_THAT(grid.body, HasSubstr("--shares-needed=1 --shares-happy=1 --shares-total=1"));
    EXPECT_THAT(grid.body, HasSubstr("tahoe-lafs&gt;=1.19"));
    EXPECT_THAT(grid.body, HasSubstr("125 GB"));
    EXPECT_THAT(grid.body, HasSubstr("125,000,000,000 of 250,000,000,000 bytes"));
    EXPECT_THAT(grid.body, HasSubstr("value=\"500\""));
    EXPECT_THAT(grid.body, HasSubstr("ada@example.org"));
    EXPECT_THAT(grid.body, HasSubstr("id=\"introducer-furl\">pb://"));
    EXPECT_THAT(grid.body, HasSubstr("#v=1"));
}

TEST_F(SiteTest, PagesOfACapabilityAreNotKeptAnywhere) {
    const std::string path = ready();
    for (const std::string& target : {path, path + "/cancel"}) {
        const Answer page = browser_->get(target);
        EXPECT_EQ(field(page, "Cache-Control"), "no-store") << target;
        EXPECT_THAT(field(page, "X-Robots-Tag"), HasSubstr("noindex"));
    }
    EXPECT_THAT(browser_->get("/robots.txt").body, HasSubstr("Disallow: /s/"));
}

TEST_F(SiteTest, NoLogLineHasACapabilityOrAnAddress) {
    std::string all;
    log::set_sink([&](log::Level, std::string_view line) { all += line; });
    log::set_level(log::Level::debug);
    const std::string path = ready();
    const Answer grid = browser_->get(path);
    browser_->get(path + "x");
    log::set_level(log::Level::info);
    log::set_sink({});
    EXPECT_THAT(all, HasSubstr("sign-up begun"));
    EXPECT_THAT(all, Not(HasSubstr(path.substr(3))));
    EXPECT_THAT(all, Not(HasSubstr("pb://")));
    EXPECT_THAT(all, Not(HasSubstr("192.0.2.1")));
}

TEST_F(SiteTest, WhatAVisitorTypesNeverBecomesMarkup) {
    auto fields = form(browser_->get("/sign-up"), "\"><script>alert(1)</script>@example.org");
    fields[2].second = "<b>m";
    const Answer page = browser_->post("/sign-up", fields);
    EXPECT_EQ(page.status, 422);
    EXPECT_THAT(page.body, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(page.body, Not(HasSubstr("<b>m")));
    EXPECT_THAT(page.body, HasSubstr("&quot;&gt;&lt;script&gt;"));
}

TEST_F(SiteTest, AWrongAddressIsNamedAtItsFieldAndKept) {
    const Answer page =
        browser_->post("/sign-up", form(browser_->get("/sign-up"), "ada at example"));
    EXPECT_EQ(page.status, 422);
    EXPECT_THAT(page.body, HasSubstr("role=\"alert\""));
    EXPECT_THAT(page.body, HasSubstr("<a href=\"#email\">"));
    EXPECT_THAT(page.body, HasSubstr("value=\"ada at example\""));
    EXPECT_THAT(page.body, HasSubstr("aria-invalid=\"true\""));
    EXPECT_THAT(page.body, HasSubstr("value=\"m\" checked"));
    EXPECT_EQ(sign_ups(), 0u);
}

TEST_F(SiteTest, TheSameFormSentTwiceLeadsToTheSamePage) {
    const auto fields = form(browser_->get("/sign-up"));
    const Answer first = browser_->post("/sign-up", fields);
    const Answer second = browser_->post("/sign-up", fields);
    EXPECT_EQ(field(first, "Location"), field(second, "Location"));
    EXPECT_EQ(sign_ups(), 1u);
}

TEST_F(SiteTest, AFormFromElsewhereDoesNothing) {
    const Answer page = browser_->get("/sign-up");
    auto fields = form(page);
    Browser other(world_, *site_);
    EXPECT_EQ(other.post("/sign-up", fields).status, 403) << "no cookie";
    other.get("/sign-up");
    EXPECT_EQ(other.post("/sign-up", fields).status, 403) << "another's cookie";
    auto forged = fields;
    forged[0].second = "";
    EXPECT_EQ(browser_->post("/sign-up", forged).status, 403);
    forged[0].second = fields[0].second.substr(0, fields[0].second.size() - 2) + "AA";
    EXPECT_EQ(browser_->post("/sign-up", forged).status, 403);
    browser_->extra = {{"Sec-Fetch-Site", "cross-site"}};
    EXPECT_EQ(browser_->post("/sign-up", fields).status, 403);
    browser_->extra = {{"Origin", "https://evil.example"}};
    EXPECT_EQ(browser_->post("/sign-up", fields).status, 403);
    EXPECT_EQ(sign_ups(), 0u);
    browser_->extra = {{"Sec-Fetch-Site", "same-origin"}, {"Origin", "null"}};
    EXPECT_EQ(browser_->post("/sign-up", fields).status, 303) << "as browsers send it";
}

TEST_F(SiteTest, AFormThatStoodOpenTooLongIsOfferedAgainWithItsValues) {
    const auto fields = form(browser_->get("/sign-up"));
    world_.clock().advance_s(kFormSecondsMax + 1);
    const Answer late = browser_->post("/sign-up", fields);
    EXPECT_EQ(late.status, 403);
    EXPECT_THAT(late.body, HasSubstr("stood open for more than a day"));
    EXPECT_THAT(late.body, HasSubstr("value=\"ada@example.org\""));
    EXPECT_EQ(browser_->post("/sign-up", form(late)).status, 303);
}

TEST_F(SiteTest, PayingAndCancellingNeedThePagesOwnToken) {
    const std::string path = sign_up();
    EXPECT_EQ(browser_->post(path + "/pay", {{"outcome", "paid"}}).status, 403);
    EXPECT_EQ(browser_->post(path + "/cancel", {{"token", "AAAAAAAAAAAAAAAAAAAAAA"}}).status, 403);
    EXPECT_EQ(state(), State::pending);
    const std::string token = hidden(browser_->get(path), "token");
    EXPECT_EQ(browser_->post(path + "/pay", {{"token", token}, {"outcome", "gold"}}).status, 400);
    EXPECT_EQ(state(), State::pending);
}

TEST_F(SiteTest, ADeclinedPaymentSaysSoAndCanBeTriedAgain) {
    const std::string path = sign_up();
    EXPECT_EQ(pay(path, "declined").status, 303);
    EXPECT_THAT(browser_->get(path).body, HasSubstr("The payment did not go through"));
    EXPECT_EQ(pay(path).status, 303);
    EXPECT_EQ(state(), State::active);
    EXPECT_EQ(pay(path).status, 403) << "the progress page has no form to pay by";
}

TEST_F(SiteTest, ADelayedCheckIsSaidAndLookedAtLessOften) {
    world_.check.failures_left = 100;
    const std::string path = sign_up();
    pay(path);
    for (int i = 0; i < 4; ++i) {
        world_.run_jobs();
        world_.clock().advance_s(10);
    }
    const Answer page = browser_->get(path);
    EXPECT_THAT(page.body, HasSubstr("Your grid is being checked"));
    EXPECT_EQ(field(page, "Refresh"), "10");
    EXPECT_THAT(page.body, Not(HasSubstr("pb://")));
}

TEST_F(SiteTest, CancellingAsksFirstThenStopsWritingAndCanBeUndone) {
    const std::string path = ready();
    const Answer question = browser_->get(path + "/cancel");
    EXPECT_THAT(question.body, HasSubstr("readable for 60 days"));
    EXPECT_EQ(state(), State::active);
    const Answer done = browser_->post(path + "/cancel", {{"token", hidden(question, "token")}});
    EXPECT_EQ(done.status, 303);
    EXPECT_EQ(state(), State::cancelled);
    const Answer page = browser_->get(path);
    EXPECT_THAT(page.body, HasSubstr("Readable until"));
    EXPECT_THAT(page.body, HasSubstr(path + "/pay"));
    EXPECT_THAT(page.body, HasSubstr("pb://"));
    EXPECT_THAT(page.body, Not(HasSubstr(path + "/cancel")));
    const Answer again = browser_->get(path + "/pay");
    EXPECT_EQ(
        browser_->post(path + "/pay", {{"token", hidden(again, "token")}, {"outcome", "paid"}})
            .status,
        303);
    EXPECT_EQ(state(), State::active);
}

std::size_t nurls_announced(service::World& world, GridId grid) {
    const auto all = world.run(world.introducer().announcements(world.ctx(), grid));
    EXPECT_EQ(all->size(), 1U);
    const codec::json::Value* nurls = all->front()->content.find("anonymous-storage-NURLs");
    return nurls == nullptr ? 0 : nurls->as_array()->size();
}

TEST_F(SiteTest, WhoUsesGridsyncGetsItsFileAndAGridThatAnnouncesFoolscapAlone) {
    const std::string path = ready();
    const auto row = world_.run(world_.service().list(world_.ctx(), {}, 1))->front();
    const GridId grid = *world_.run(world_.service().overview(world_.ctx(), row.id))->grid;
    const Answer before = browser_->get(path);
    EXPECT_THAT(before.body, HasSubstr("value=\"tahoe\" checked"));
    EXPECT_THAT(before.body, Not(HasSubstr("gridsync.json")));
    EXPECT_EQ(nurls_announced(world_, grid), 1U);

    const auto choose = [&](const char* client) {
        return browser_->post(path + "/client", {{"token", hidden(browser_->get(path), "token")},
                                                 {"client", client}});
    };
    EXPECT_EQ(field(choose("gridsync"), "Location"), path);
    world_.run_jobs();
    EXPECT_EQ(nurls_announced(world_, grid), 0U);
    const Answer page = browser_->get(path);
    EXPECT_THAT(page.body, HasSubstr("value=\"gridsync\" checked"));
    EXPECT_THAT(page.body, HasSubstr("href=\"" + path + "/gridsync.json\""));

    const Answer file = browser_->get(path + "/gridsync.json");
    EXPECT_EQ(field(file, "Content-Type"), "application/json");
    EXPECT_EQ(field(file, "Cache-Control"), "no-store");
    EXPECT_THAT(field(file, "Content-Disposition"), HasSubstr("filename=\"s4-1.json\""));
    const auto settings = codec::json::parse(file.body);
    ASSERT_TRUE(settings) << file.body;
    const auto shown = world_.run(world_.service().overview(world_.ctx(), row.id));
    EXPECT_EQ(*settings->find("introducer")->as_string(),
              shown->addresses->introducer_furl.reveal_text());
    for (const char* key : {"shares-needed", "shares-happy", "shares-total"})
        EXPECT_EQ(settings->find(key)->as_int64(), 1);
    EXPECT_LE(settings->find("version")->as_int64(), 2);

    EXPECT_EQ(choose("tahoe").status, 303);
    world_.run_jobs();
    EXPECT_EQ(nurls_announced(world_, grid), 1U);
}

TEST_F(SiteTest, AClientIsChosenOnlyByThePagesOwnForm) {
    const std::string path = ready();
    EXPECT_EQ(browser_->post(path + "/client", {{"client", "gridsync"}}).status, 403);
    EXPECT_EQ(browser_
                  ->post(path + "/client",
                         {{"token", hidden(browser_->get(path), "token")}, {"client", "netscape"}})
                  .status,
              400);
    EXPECT_EQ(browser_->get(path + "/client").status, 405);
    EXPECT_EQ(browser_->post(path + "/gridsync.json", {}).status, 405);
    EXPECT_THAT(browser_->get(path).body, HasSubstr("value=\"tahoe\" checked"));
}

TEST_F(SiteTest, BeforeThereIsAGridItsFileLeadsToThePage) {
    const std::string path = sign_up();
    const Answer page = browser_->get(path);
    EXPECT_EQ(field(browser_->get(path + "/gridsync.json"), "Location"), path);
    EXPECT_EQ(field(browser_->post(path + "/client",
                                   {{"token", hidden(page, "token")}, {"client", "gridsync"}}),
                    "Location"),
              path);
}

TEST_F(SiteTest, AnEndedSignUpSaysSo) {
    const std::string path = sign_up();
    world_.clock().advance_s(25 * 3600);
    world_.run_jobs();
    EXPECT_EQ(browser_->get(path).status, 410);
    EXPECT_THAT(browser_->get(path).body, HasSubstr("has ended"));
    EXPECT_EQ(field(browser_->get(path + "/pay"), "Location"), path);
}

TEST_F(SiteTest, TooManySignUpsFromOneAddressAreToldToWait) {
    for (std::size_t i = 0; i < service::kSignUpsPerAddress; ++i) sign_up();
    const Answer refused = browser_->post("/sign-up", form(browser_->get("/sign-up")));
    EXPECT_EQ(refused.status, 429);
    EXPECT_THAT(refused.body, HasSubstr("Too many sign-ups came from your network address"));
    EXPECT_THAT(refused.body, HasSubstr("value=\"ada@example.org\""));
    EXPECT_EQ(field(refused, "Retry-After"), "3600");
}

TEST_F(SiteTest, ClosedSignUpIsSaidOnEveryWayIn) {
    world_.options.sign_up_open = false;
    const auto fields = form(browser_->get("/sign-up"));
    world_.restart();
    const std::string cookie = browser_->cookie;
    make({});
    browser_->cookie = cookie;
    EXPECT_THAT(browser_->get("/").body, HasSubstr("sign-ups are closed"));
    EXPECT_THAT(browser_->get("/").body, Not(HasSubstr("href=\"/sign-up")));
    EXPECT_EQ(browser_->get("/sign-up").status, 403);
    EXPECT_EQ(browser_->post("/sign-up", fields).status, 403);
    EXPECT_EQ(sign_ups(), 0u);
}

TEST_F(SiteTest, WrongRequestsGetAStatusAndASentence) {
    const std::string path = sign_up();
    EXPECT_EQ(browser_->get("/nowhere").status, 404);
    EXPECT_EQ(browser_->get("/s/").status, 404);
    EXPECT_EQ(browser_->get(path + "/steal").status, 404);
    EXPECT_EQ(browser_->get(path + "a").status, 404);
    EXPECT_EQ(browser_->get("/s/" + std::string(32, 'a')).status, 404);
    EXPECT_THAT(browser_->get("/nowhere").body, HasSubstr("There is no such page"));

    const Answer put = browser_->get("/", Method::put);
    EXPECT_EQ(put.status, 405);
    EXPECT_EQ(field(put, "Allow"), "GET, HEAD");
    EXPECT_EQ(field(browser_->get("/sign-up", Method::delete_), "Allow"), "GET, HEAD, POST");
    EXPECT_EQ(browser_->get(path, Method::post).status, 405);
    EXPECT_EQ(browser_->get("/", Method::head).status, 200);

    Request large = browser_->make(Method::post, "/sign-up");
    large.body_too_large = true;
    EXPECT_EQ(browser_->answer(large).status, 413);
    Request json = browser_->make(Method::post, "/sign-up");
    json.head.fields.add("Content-Type", "application/json");
    EXPECT_EQ(browser_->answer(json).status, 415);
    Request broken = browser_->make(Method::post, "/sign-up");
    broken.head.fields.add("Content-Type", "application/x-www-form-urlencoded");
    broken.body = "email=%zz";
    EXPECT_EQ(browser_->answer(broken).status, 400);
}

TEST_F(SiteTest, AssetsAreNamedByTheirContentAndKept) {
    const Answer page = browser_->get("/");
    std::smatch found;
    ASSERT_TRUE(std::regex_search(page.body, found, std::regex("href=\"(/assets/[^\"]*\\.css)\"")));
    const Answer css = browser_->get(found[1].str());
    EXPECT_EQ(css.status, 200);
    EXPECT_EQ(field(css, "Content-Type"), "text/css; charset=utf-8");
    EXPECT_THAT(field(css, "Cache-Control"), HasSubstr("immutable"));
    EXPECT_THAT(css.body, HasSubstr("prefers-color-scheme: dark"));
    EXPECT_EQ(browser_->get("/assets/other.css").status, 404);
    EXPECT_EQ(field(browser_->get("/favicon.ico"), "Content-Type"), "image/svg+xml");
}

TEST_F(SiteTest, BehindTlsTheCookieIsBoundToItAndBrowsersAreToldToStay) {
    make({.https = true});
    const Answer page = browser_->get("/sign-up");
    EXPECT_THAT(field(page, "Set-Cookie"), testing::StartsWith("__Host-s4_form="));
    EXPECT_THAT(field(page, "Set-Cookie"), HasSubstr("; HttpOnly; SameSite=Lax; Secure"));
    EXPECT_THAT(field(page, "Strict-Transport-Security"), HasSubstr("max-age="));
    EXPECT_EQ(browser_->post("/sign-up", form(page)).status, 303);
}

// -- storage --

TEST_F(SiteTest, TheStoragePageShowsUsageOverTimeWithItsTable) {
    const std::string path = ready();
    const std::int64_t today = world_.clock().unix_s() / 86'400;
    world_.usage.bytes = 100'000'000'000;
    world_.storage.by_day = {{today - 200, 1, 1'000'000'000}, {today - 10, 2, 50'000'000'000}};
    world_.storage.held.immutable = {1234, 90'000'000'000};
    world_.storage.held.mutable_ = {56, 10'000'000'000};
    world_.storage.held.leases_by_age = {7, 8, 9, 1010};
    world_.storage.held.advisories = 1;
    storage::Advisory report;
    report.at = world_.clock().unix_s();
    report.reason = "<b>hash</b> tree is wrong";
    world_.storage.reports = {report};
    EXPECT_THAT(browser_->get(path).body, HasSubstr("href=\"" + path + "/storage\""));
    const Answer page = browser_->get(path + "/storage");
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(field(page, "Cache-Control"), "no-store");
    EXPECT_THAT(page.body, HasSubstr("<span id=\"left\">150 GB</span>"));
    EXPECT_THAT(page.body, HasSubstr("role=\"img\""));
    EXPECT_THAT(page.body, testing::ContainsRegex("class=\"line\" d=\"M62.0 [0-9.]+H[0-9.]+V"));
    EXPECT_THAT(page.body, testing::ContainsRegex("class=\"quota-line\""));
    EXPECT_THAT(page.body, HasSubstr("<td>1,234</td><td>90 GB</td>"));
    EXPECT_THAT(page.body, HasSubstr("More than 90 days</th><td>1,010</td>"));
    EXPECT_THAT(page.body, HasSubstr("&lt;b&gt;hash&lt;/b&gt;"));
    EXPECT_THAT(page.body, Not(HasSubstr(" style=")));
    EXPECT_THAT(page.body, Not(HasSubstr("<script>")));
    EXPECT_THAT(page.body, Not(HasSubstr("role=\"status\"")));
    EXPECT_EQ(browser_->post(path + "/storage", {}).status, 405);
}

TEST_F(SiteTest, AFullQuotaIsToldOnBothPages) {
    const std::string path = ready();
    world_.usage.bytes = 230'000'000'000;
    EXPECT_THAT(browser_->get(path).body, HasSubstr("230 GB of 250 GB are used"));
    world_.usage.bytes = 249'999'000'000;
    EXPECT_THAT(browser_->get(path).body, HasSubstr("Your space is used up"));
    EXPECT_THAT(browser_->get(path + "/storage").body, HasSubstr("Your space is used up"));
}

TEST_F(SiteTest, ExpiryIsSwitchedAfterTheCustomerSawWhatItMeans) {
    const std::string path = ready();
    world_.storage.unrenewed = {3, 1'000'000};
    EXPECT_THAT(browser_->get(path + "/storage").body, HasSubstr("Switched off"));
    const Answer asked = browser_->get(path + "/storage/expiry");
    EXPECT_THAT(asked.body, HasSubstr("3 shares (1"));
    EXPECT_FALSE(world_.storage.status.expiry);
    EXPECT_EQ(browser_->post(path + "/storage/expiry", {{"to", "on"}}).status, 403);
    EXPECT_FALSE(world_.storage.status.expiry);
    const Answer sent = browser_->post(
        path + "/storage/expiry", {{"token", hidden(asked, "token")}, {"to", hidden(asked, "to")}});
    EXPECT_EQ(field(sent, "Location"), path + "/storage");
    ASSERT_TRUE(world_.storage.status.expiry);
    EXPECT_EQ(world_.storage.status.expiry->asked_by, "customer");
    const Answer off = browser_->get(path + "/storage/expiry");
    EXPECT_EQ(hidden(off, "to"), "off");
    browser_->post(path + "/storage/expiry", {{"token", hidden(off, "token")}, {"to", "off"}});
    EXPECT_FALSE(world_.storage.status.expiry);
    EXPECT_EQ(
        browser_->post(path + "/storage/expiry", {{"token", hidden(off, "token")}, {"to", "maybe"}})
            .status,
        400);
}

TEST_F(SiteTest, WhatWasNotRenewedIsFreedAfterADryRun) {
    const std::string path = ready();
    world_.storage.unrenewed = {12, 5'000'000};
    const Answer dry = browser_->get(path + "/storage/free?since=2026-01-31");
    EXPECT_THAT(dry.body, HasSubstr("12 shares (5 MB) were not renewed since 31 January 2026"));
    EXPECT_EQ(world_.storage.estimated_before, 1'769'817'600);
    EXPECT_FALSE(world_.storage.status.once);
    const codec::url::FormFields confirmed = {{"token", hidden(dry, "token")},
                                              {"since", hidden(dry, "since")}};
    EXPECT_EQ(browser_->post(path + "/storage/free", {{"since", "2026-01-31"}}).status, 403);
    EXPECT_EQ(field(browser_->post(path + "/storage/free", confirmed), "Location"),
              path + "/storage");
    ASSERT_TRUE(world_.storage.status.once);
    EXPECT_EQ(world_.storage.status.once->before, 1'769'817'600);
    // Sent twice.
    EXPECT_EQ(browser_->post(path + "/storage/free", confirmed).status, 303);
    const Answer page = browser_->get(path + "/storage");
    EXPECT_THAT(page.body, HasSubstr("since 31 January 2026 is being freed"));
    EXPECT_THAT(page.body, Not(HasSubstr("type=\"date\"")));
    browser_->post(path + "/storage/stop", {{"token", hidden(page, "token")}});
    EXPECT_FALSE(world_.storage.status.once);
    const auto log = world_.run(world_.service().audit_log(world_.ctx(), {1})).value();
    EXPECT_EQ(log.back().action, "stop_freeing");
    EXPECT_EQ(log.back().actor, "customer");
}

TEST_F(SiteTest, ADateThatIsNoneOrStillToComeIsRefused) {
    const std::string path = ready();
    for (const char* date : {"", "tomorrow", "2026-02-30", "2999-01-01"}) {
        const Answer page = browser_->get(path + "/storage/free?since=" + date);
        EXPECT_EQ(page.status, 422) << date;
        EXPECT_THAT(page.body, HasSubstr("aria-invalid=\"true\""));
        EXPECT_THAT(page.body, HasSubstr("value=\"" + std::string(date) + "\""));
    }
}

TEST_F(SiteTest, WithoutAGridThereIsNoStoragePage) {
    const std::string path = sign_up();
    EXPECT_THAT(browser_->get(path + "/storage").body, Not(HasSubstr("Over time")));
}

TEST_F(SiteTest, ThePlanOfTheLinkIsChosenAndAForeignOneIsNot) {
    EXPECT_THAT(browser_->get("/sign-up?plan=l").body, HasSubstr("value=\"l\" checked"));
    EXPECT_THAT(browser_->get("/sign-up?plan=%3Cb%3E").body, HasSubstr("value=\"s\" checked"));
    EXPECT_EQ(browser_->get("/sign-up?%zz").status, 200);
}

}  // namespace
}  // namespace s4::web
