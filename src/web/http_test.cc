// Site and Admin behind the real HTTP server, on loopback.
#include <gmock/gmock.h>

#include "proto/tls/engine.h"
#include "rt/asio/backend.h"
#include "rt/scope.h"
#include "service/world_test.h"
#include "web/admin.h"
#include "web/limits.h"
#include "web/site.h"
#include "wire/http_client.h"

namespace s4::web {
namespace {

using proto::http1::Method;
using testing::HasSubstr;

class WebHttpTest : public testing::Test {
  protected:
    // Serves `handler`, makes the call, and gives its answer.
    wire::HttpAnswer call(wire::HttpHandler& handler, wire::HttpCall call) {
        std::optional<wire::HttpAnswer> out;
        backend_.run(exchange(handler, std::move(call), out));
        return std::move(*out);
    }
    wire::HttpAnswer get(wire::HttpHandler& handler, std::string target,
                         Method method = Method::get) {
        return call(handler, {.method = method, .target = std::move(target)});
    }
    std::unique_ptr<Site> make_site(SiteOptions options) {
        return *Site::create({world_.clock(), world_.random(), world_.service(), world_.care(),
                              world_.payments(), world_.master()},
                             std::move(options));
    }
    static std::string text(const wire::HttpAnswer& answer) { return to_string(answer.body); }
    static std::string field(const wire::HttpAnswer& answer, std::string_view name) {
        return std::string(answer.head.fields.find(name).value_or(""));
    }

    rt::asio::Backend backend_{1};
    service::World world_{backend_};

  private:
    rt::Task<void> exchange(wire::HttpHandler& handler, wire::HttpCall call,
                            std::optional<wire::HttpAnswer>& out) {
        rt::Runtime& runtime = backend_.runtime();
        wire::HttpServer server(runtime.reactor, handler);
        auto listener = std::move(*runtime.network.listen({"127.0.0.1", 0}));
        rt::Context ctx;
        rt::Scope scope(ctx);
        scope.spawn(server.accept_all(scope.context(), *listener));
        {
            const auto tls = *proto::tls::Library::create();
            wire::HttpClient client(runtime.reactor, runtime.network, tls,
                                    {.endpoint = listener->local()});
            out.emplace(std::move(*co_await client.call(ctx, std::move(call))));
        }
        co_await server.drain(ctx);
        listener->close();
        scope.cancel();
        co_await scope.join();
    }
};

TEST_F(WebHttpTest, PagesTravelWithTheirHeadersAndHeadHasNoBody) {
    const auto site = make_site({});
    const wire::HttpAnswer page = get(*site, "/");
    EXPECT_EQ(page.head.status, 200);
    EXPECT_THAT(text(page), HasSubstr("Storage that cannot read your files"));
    EXPECT_THAT(field(page, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
    const wire::HttpAnswer head = get(*site, "/", Method::head);
    EXPECT_EQ(head.head.status, 200);
    EXPECT_TRUE(head.body.empty());
}

TEST_F(WebHttpTest, AFormThatIsTooLargeIsRefusedAtTheBoundAndNotBefore) {
    const auto site = make_site({});
    const auto post = [&](std::size_t size) {
        return call(*site, {.method = Method::post,
                            .target = "/sign-up",
                            .fields = {{"Content-Type", "application/x-www-form-urlencoded"}},
                            .body = ByteBuffer(size, 'a')})
            .head.status;
    };
    EXPECT_EQ(post(kFormBodyBytesMax), 403) << "read, and it has no token";
    EXPECT_EQ(post(kFormBodyBytesMax + 1), 413);
}

TEST_F(WebHttpTest, BehindAProxyTheLastForwardedAddressCountsElseThePeers) {
    const auto sign_up = [&](Site& site, const std::string& forwarded) {
        const wire::HttpAnswer form = get(site, "/sign-up");
        const std::string page = text(form);
        const auto at = page.find("name=\"form\" value=\"") + 19;
        const std::string cookie = field(form, "Set-Cookie");
        return call(site, {.method = Method::post,
                           .target = "/sign-up",
                           .fields = {{"Content-Type", "application/x-www-form-urlencoded"},
                                      {"Cookie", cookie.substr(0, cookie.find(';'))},
                                      {"X-Forwarded-For", forwarded}},
                           .body = to_buffer(as_bytes("plan=m&email=a%40example.org&form=" +
                                                      page.substr(at, page.find('"', at) - at)))})
            .head.status;
    };
    world_.options.sign_ups_per_address = 1;
    world_.restart();
    const auto proxied = make_site({.behind_proxy = true});
    EXPECT_EQ(sign_up(*proxied, "198.51.100.1"), 303);
    EXPECT_EQ(sign_up(*proxied, "198.51.100.9, 198.51.100.2"), 303);
    EXPECT_EQ(sign_up(*proxied, "198.51.100.9, 198.51.100.1"), 429)
        << "what a client writes in front does not count";
    const auto direct = make_site({});
    EXPECT_EQ(sign_up(*direct, "198.51.100.3"), 303);
    EXPECT_EQ(sign_up(*direct, "198.51.100.4"), 429) << "nobody may choose their address";
}

TEST_F(WebHttpTest, AdminTellsMetricsAndHealth) {
    Result<void> state = ok();
    Admin admin([&] { return state; });
    EXPECT_EQ(text(get(admin, "/healthz")), "ok\n");
    EXPECT_EQ(get(admin, "/readyz").head.status, 200);
    state = fail(ErrorKind::unavailable, "app.draining", "the server is stopping");
    EXPECT_EQ(get(admin, "/readyz").head.status, 503);
    EXPECT_EQ(text(get(admin, "/readyz")), "the server is stopping\n");
    EXPECT_EQ(get(admin, "/healthz").head.status, 200);
    EXPECT_EQ(get(admin, "/").head.status, 404);
    EXPECT_EQ(get(admin, "/metrics", Method::post).head.status, 405);

    get(*make_site({}), "/");
    const wire::HttpAnswer metrics = get(admin, "/metrics");
    EXPECT_THAT(field(metrics, "Content-Type"), testing::StartsWith("text/plain; version=0.0.4"));
    EXPECT_THAT(text(metrics), HasSubstr("s4_web_requests_total{status=\"2xx\"}"));
}

}  // namespace
}  // namespace s4::web
