// HttpServer and HttpClient on loopback, in the clear and inside TLS.
#include <gtest/gtest.h>

#include "crypto/random.h"
#include "proto/http1/serializer.h"
#include "rt/asio/backend.h"
#include "rt/scope.h"
#include "wire/http_client.h"
#include "wire/http_server.h"
#include "wire/tls_stream.h"

namespace s4::wire {
namespace {

using proto::http1::Method;

ByteBuffer pattern(std::size_t size) {
    ByteBuffer out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 131 + i / 251);
    return out;
}

// Answers by path: what each test needs of a handler.
class Handler final : public HttpHandler {
  public:
    int calls = 0;
    std::size_t largest_piece = 0;

    rt::Task<void> handle(const rt::Context& ctx, HttpRequest& request,
                          HttpResponse& response) override {
        ++calls;
        const std::string_view path = request.head().path();
        if (path == "/hello") {
            (void)co_await response.status(200)
                .field("Content-Type", "text/plain")
                .send(ctx, as_bytes("hello"));
        } else if (path == "/echo") {
            co_await echo(ctx, request, response);
        } else if (path == "/count") {
            co_await count(ctx, request, response);
        } else if (path == "/refuse") {
            (void)co_await response.status(409).send(ctx, as_bytes("no"));
        } else if (path == "/empty") {
            (void)co_await response.status(204).send(ctx);
        } else if (path == "/limited") {
            const auto body = co_await request.read_body(ctx, 10);
            (void)co_await response.status(body ? 200 : 413).send(ctx);
        } else if (path == "/stream") {
            co_await stream(ctx, response);
        } else if (path == "/bye") {
            (void)co_await response.status(200).close_after().send(ctx);
        }  // anything else: no answer at all
    }

  private:
    rt::Task<void> echo(const rt::Context& ctx, HttpRequest& request, HttpResponse& response) {
        auto body = co_await request.read_body(ctx, 64 * kMiB);
        if (body) (void)co_await response.status(200).send(ctx, *body);
    }

    rt::Task<void> count(const rt::Context& ctx, HttpRequest& request, HttpResponse& response) {
        std::size_t total = 0;
        for (;;) {
            const auto piece = co_await request.next_piece(ctx);
            if (!piece) co_return;
            if (piece->empty()) break;
            largest_piece = std::max(largest_piece, piece->size());
            total += piece->size();
        }
        (void)co_await response.status(200).send(ctx, as_bytes(std::to_string(total)));
    }

    rt::Task<void> stream(const rt::Context& ctx, HttpResponse& response) {
        response.status(200).begin_chunked();
        for (int i = 0; i < 5; ++i)
            if (!co_await response.write(ctx, pattern(100'000))) co_return;
        (void)co_await response.end(ctx);
    }
};

class HttpTest : public testing::Test {
  protected:
    rt::asio::Backend backend_{1};
    rt::Runtime& rt_ = backend_.runtime();
    crypto::SystemRandom random_;
    crypto::TlsIdentity identity_ = crypto::TlsIdentity::generate(random_, 0);
    proto::tls::Library tls_ = *proto::tls::Library::create();
    Handler handler_;
    HttpServer server_{rt_.reactor, handler_};
    rt::Context ctx_;

    // What a test does while the server accepts; `at` is its address.
    using Script = rt::Task<void> (*)(HttpTest&, const rt::Endpoint& at);

    void serve(Script script, bool inside_tls = false) {
        backend_.run(run(script, inside_tls));
        EXPECT_EQ(server_.connections(), 0);
    }

    HttpOrigin plain(const rt::Endpoint& at) { return {.endpoint = at}; }
    HttpOrigin pinned(const rt::Endpoint& at) {
        return {.endpoint = at,
                .tls = proto::tls::PeerPolicy::pinned_key(identity_.certificate.spki_hash_bytes())};
    }

    rt::Task<void> accept_tls(const rt::Context& ctx, rt::Scope& scope, rt::Listener& listener) {
        for (;;) {
            auto accepted = co_await listener.accept(ctx);
            if (!accepted) co_return;
            scope.spawn(serve_tls(ctx, std::move(*accepted)));
        }
    }

    rt::Task<void> serve_tls(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream) {
        auto engine =
            proto::tls::Engine::server(tls_, identity_, proto::tls::PeerPolicy::anonymous());
        auto inside =
            co_await TlsStream::handshake(ctx, rt_.reactor, std::move(stream), std::move(*engine));
        if (inside) co_await server_.serve(ctx, std::move(*inside));
    }

    rt::Task<void> run(Script script, bool inside_tls) {
        auto listener = std::move(*rt_.network.listen({"127.0.0.1", 0}));
        rt::Scope scope(ctx_);
        scope.spawn(inside_tls ? accept_tls(scope.context(), scope, *listener)
                               : server_.accept_all(scope.context(), *listener));
        co_await script(*this, listener->local());
        co_await server_.drain(ctx_);
        listener->close();
        scope.cancel();
        co_await scope.join();
    }

  public:
    // Sends `bytes` as they are and returns everything until the server closes.
    rt::Task<std::string> raw(const rt::Endpoint& at, std::string bytes) {
        auto stream = std::move(*co_await rt_.network.connect(ctx_, at));
        EXPECT_TRUE(co_await stream->write_all(ctx_, as_bytes(bytes)));
        ByteBuffer room(4096);
        std::string all;
        for (;;) {
            const auto got = co_await stream->read_some(ctx_, room);
            if (!got || *got == 0) co_return all;
            all += as_text(ByteView(room).first(*got));
        }
    }

    Handler& handler() { return handler_; }
    HttpServer& server() { return server_; }
    rt::Runtime& runtime() { return rt_; }
    const proto::tls::Library& tls() const { return tls_; }
    const rt::Context& ctx() const { return ctx_; }
    HttpOrigin plain_origin(const rt::Endpoint& at) { return plain(at); }
    HttpOrigin pinned_origin(const rt::Endpoint& at) { return pinned(at); }
};

rt::Task<void> call_twice(HttpTest& test, const rt::Endpoint& at) {
    HttpClient client(test.runtime().reactor, test.runtime().network, test.tls(),
                      test.plain_origin(at));
    for (int i = 0; i < 2; ++i) {
        const auto answer = co_await client.call(test.ctx(), {.target = "/hello"});
        EXPECT_TRUE(answer) << answer.error().to_string();
        EXPECT_EQ(to_string(answer->body), "hello");
        EXPECT_EQ(answer->head.fields.find("Content-Length"), "5");
        EXPECT_EQ(client.idle_connections(), 1);
        EXPECT_EQ(test.server().connections(), 1);
    }
    const auto bye = co_await client.call(test.ctx(), {.target = "/bye"});
    EXPECT_EQ(bye->head.fields.find("Connection"), "close");
    EXPECT_EQ(client.idle_connections(), 0);
}
TEST_F(HttpTest, keeps_a_connection_for_the_next_call) {
    serve(call_twice);
}

rt::Task<void> send_large(HttpTest& test, const rt::Endpoint& at, HttpOrigin origin) {
    (void)at;
    HttpClient client(test.runtime().reactor, test.runtime().network, test.tls(),
                      std::move(origin));
    const ByteBuffer body = pattern(5 * kMiB + 17);
    const auto echoed =
        co_await client.call(test.ctx(), {.method = Method::post, .target = "/echo", .body = body});
    EXPECT_TRUE(echoed) << echoed.error().to_string();
    EXPECT_TRUE(equal(echoed->body, body));
    const auto counted =
        co_await client.call(test.ctx(), {.method = Method::put, .target = "/count", .body = body});
    EXPECT_EQ(to_string(counted->body), std::to_string(body.size()));
    EXPECT_LE(test.handler().largest_piece, kHttpReadBytesMax);
    const auto streamed = co_await client.call(test.ctx(), {.target = "/stream"});
    EXPECT_TRUE(streamed) << streamed.error().to_string();
    EXPECT_EQ(streamed->body.size(), 500'000);
    EXPECT_EQ(test.server().connections(), 1);
}
[[clang::coro_wrapper]] rt::Task<void> send_large_plain(HttpTest& test, const rt::Endpoint& at) {
    return send_large(test, at, test.plain_origin(at));
}
[[clang::coro_wrapper]] rt::Task<void> send_large_tls(HttpTest& test, const rt::Endpoint& at) {
    return send_large(test, at, test.pinned_origin(at));
}
TEST_F(HttpTest, bodies_stream_both_ways) {
    serve(send_large_plain);
}
TEST_F(HttpTest, bodies_stream_both_ways_inside_tls) {
    serve(send_large_tls, true);
}

rt::Task<void> refuse_and_go_on(HttpTest& test, const rt::Endpoint& at) {
    HttpClient client(test.runtime().reactor, test.runtime().network, test.tls(),
                      test.plain_origin(at));
    const auto refused = co_await client.call(
        test.ctx(), {.method = Method::post, .target = "/refuse", .body = pattern(kMiB)});
    EXPECT_EQ(refused->head.status, 409);
    EXPECT_EQ(client.idle_connections(), 1) << "what was left of the body has been dropped";
    const auto limited = co_await client.call(
        test.ctx(), {.method = Method::post, .target = "/limited", .body = pattern(11)});
    EXPECT_EQ(limited->head.status, 413);
    const auto within = co_await client.call(
        test.ctx(), {.method = Method::post, .target = "/limited", .body = pattern(10)});
    EXPECT_EQ(within->head.status, 200);
    const auto huge = co_await client.call(
        test.ctx(), {.method = Method::post,
                     .target = "/refuse",
                     .body = pattern(HttpServerLimits().unread_body_bytes_max + kMiB)});
    EXPECT_TRUE(huge) << huge.error().to_string();
    EXPECT_EQ(huge->head.fields.find("Connection"), "close");
    const auto silent = co_await client.call(test.ctx(), {.target = "/nothing"});
    EXPECT_EQ(silent->head.status, 500);
}
TEST_F(HttpTest, answers_before_the_body_was_read) {
    serve(refuse_and_go_on);
}

rt::Task<void> speak_raw(HttpTest& test, const rt::Endpoint& at) {
    EXPECT_EQ(co_await test.raw(at, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: "
              "close\r\n\r\n");
    EXPECT_EQ(co_await test.raw(at, "GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(co_await test.raw(at,
                                "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                "0\r\nConnection: close\r\n\r\n"),
              "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    EXPECT_EQ(co_await test.raw(at,
                                "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                                "GET /hello HTTP/1.0\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: "
              "close\r\n\r\nhello");
    EXPECT_EQ(co_await test.raw(at,
                                "POST /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
                                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n5");
    const std::string garbage = co_await test.raw(at, "\x16\x03\x01\x02 garbage\r\n\r\n");
    EXPECT_TRUE(garbage.starts_with("HTTP/1.1 400 Bad Request\r\n")) << garbage;
    const std::string long_head =
        co_await test.raw(at, "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(long_head.starts_with("HTTP/1.1 4")) << long_head;
}
TEST_F(HttpTest, writes_heads_as_the_protocol_says) {
    serve(speak_raw);
}

rt::Task<void> wait_for_continue(HttpTest& test, const rt::Endpoint& at) {
    auto stream = std::move(*co_await test.runtime().network.connect(test.ctx(), at));
    EXPECT_TRUE(co_await stream->write_all(
        test.ctx(), as_bytes("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: "
                             "100-continue\r\n\r\n")));
    ByteBuffer room(4096);
    std::size_t got = *co_await stream->read_some(test.ctx(), room);
    EXPECT_EQ(as_text(ByteView(room).first(got)), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_TRUE(co_await stream->write_all(test.ctx(), as_bytes("abc")));
    got = *co_await stream->read_some(test.ctx(), room);
    EXPECT_TRUE(as_text(ByteView(room).first(got)).ends_with("\r\n\r\n3"));
}
TEST_F(HttpTest, asks_for_a_body_that_waits_to_be_asked) {
    serve(wait_for_continue);
}

rt::Task<void> wrong_pin(HttpTest& test, const rt::Endpoint& at) {
    HttpOrigin origin = test.pinned_origin(at);
    origin.tls->spki_hash->front() ^= 1;
    HttpClient client(test.runtime().reactor, test.runtime().network, test.tls(), origin);
    const auto answer = co_await client.call(test.ctx(), {.target = "/hello"});
    EXPECT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), "tls.peer_certificate");
    EXPECT_EQ(test.handler().calls, 0);
}
TEST_F(HttpTest, a_client_sends_nothing_to_a_server_with_another_key) {
    serve(wrong_pin, true);
}

rt::Task<void> reconnect(HttpTest& test, const rt::Endpoint& at) {
    HttpClient client(test.runtime().reactor, test.runtime().network, test.tls(),
                      test.plain_origin(at));
    EXPECT_TRUE(co_await client.call(test.ctx(), {.target = "/hello"}));
    EXPECT_EQ(client.idle_connections(), 1);
    // The server closes the pooled connection behind the client's back.
    const rt::Context soon = test.ctx().until(test.runtime().reactor.now());
    co_await test.server().drain(soon);
    EXPECT_EQ(test.server().connections(), 0);
    const auto answer = co_await client.call(test.ctx(), {.target = "/hello"});
    EXPECT_FALSE(answer) << "a draining server takes no new connection";
    EXPECT_EQ(test.handler().calls, 1);
}
TEST_F(HttpTest, drain_ends_idle_connections) {
    serve(reconnect);
}

}  // namespace
}  // namespace s4::wire
