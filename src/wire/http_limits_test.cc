// The HTTP server's time limits, in virtual time, and its correctness over a network that cuts and
// delays as it likes.
#include <gtest/gtest.h>

#include "rt/scope.h"
#include "rt/sim/world.h"
#include "wire/http_client.h"
#include "wire/http_server.h"

namespace s4::wire {
namespace {

using namespace std::chrono_literals;

const rt::Endpoint kAddress{"server", 80};

class Handler final : public HttpHandler {
  public:
    rt::Task<void> handle(const rt::Context& ctx, HttpRequest& request,
                          HttpResponse& response) override {
        const auto body = co_await request.read_body(ctx, kMiB);
        if (!body) co_return;
        if (request.head().path() == "/much") {
            response.status(200).begin_chunked();
            for (int i = 0; i < 100; ++i)
                if (!co_await response.write(ctx, ByteBuffer(64 * 1024))) co_return;
            (void)co_await response.end(ctx);
            co_return;
        }
        (void)co_await response.status(200).send(ctx, *body);
    }
};

// What a peer does: lines to send, each after a pause; then it only waits (or does not even read).
struct Habits {
    std::vector<std::pair<Duration, std::string>> says;
    bool reads = true;
};

struct Outcome {
    std::string received;
    Instant ended{};
    bool done = false;
};

rt::Task<void> keep_reading(const rt::Context& ctx, rt::Runtime& rt, rt::Stream& stream,
                            Outcome& out) {
    ByteBuffer room(4096);
    for (;;) {
        const auto got = co_await stream.read_some(ctx, room);
        if (!got || *got == 0) break;
        out.received += as_text(ByteView(room).first(*got));
    }
    out.ended = rt.reactor.now();
    out.done = true;
}

rt::Task<void> behave(const rt::Context& ctx, rt::Runtime& rt, Habits habits, Outcome& out) {
    auto stream = co_await rt.network.connect(ctx, kAddress);
    if (!stream) co_return;
    rt::Scope reading(ctx);
    if (habits.reads) reading.spawn(keep_reading(reading.context(), rt, **stream, out));
    for (const auto& [pause, line] : habits.says) {
        if (!co_await rt::sleep(rt.reactor, ctx, pause)) break;
        if (!co_await (*stream)->write_all(ctx, as_bytes(line))) break;
    }
    if (!habits.reads) (void)co_await rt::sleep(rt.reactor, ctx, 10min);
    co_await reading.join();
}

rt::Task<void> serve(const rt::Context& ctx, HttpServer& server, rt::Listener& listener) {
    co_await server.accept_all(ctx, listener);
}

class HttpLimits : public testing::Test {
  protected:
    rt::sim::World world_{1, {}};
    rt::sim::Process& server_process_ = world_.machine("server").boot();
    rt::sim::Process& client_process_ = world_.machine("client").boot();
    Handler handler_;
    std::unique_ptr<HttpServer> server_;
    std::unique_ptr<rt::Listener> listener_;
    Outcome outcomes_[3];  // written until the world has ended

    void start(const HttpServerLimits& limits = {}) {
        server_ = std::make_unique<HttpServer>(server_process_.runtime().reactor, handler_, limits);
        listener_ = std::move(*server_process_.runtime().network.listen(kAddress));
        server_process_.spawn(serve(server_process_.context(), *server_, *listener_));
    }
    void TearDown() override {
        world_.end();
        listener_.reset();
        server_.reset();
    }

    // How long the server kept the connection of a peer with these habits.
    Duration kept(const Habits& habits, Outcome& out) {
        const Instant begun = world_.now();
        client_process_.spawn(
            behave(client_process_.context(), client_process_.runtime(), habits, out));
        EXPECT_TRUE(world_.run_until([&] { return out.done; }, 30min));
        return out.ended - begun;
    }
    Duration kept(const Habits& habits) {
        Outcome out;
        return kept(habits, out);
    }
};

// A limit may be exceeded by a sweep's interval, and closing takes a goodbye.
void expect_about(Duration took, Duration limit) {
    EXPECT_GE(took, limit);
    EXPECT_LE(took, limit + kHttpSweepInterval + kHttpGoodbyeTime + 1s);
}

TEST_F(HttpLimits, a_silent_connection_is_closed_when_a_head_should_have_come) {
    start();
    expect_about(kept({}), HttpServerLimits().head_time_max);
}

TEST_F(HttpLimits, a_head_that_comes_in_drops_is_not_waited_for_longer) {
    start();
    Habits drops;
    for (const char c : std::string("GET / HTTP/1.1\r\nHost: abcdefghijklmnopqrstuvwxyz"))
        drops.says.emplace_back(1s, std::string(1, c));
    expect_about(kept(drops), 1s + HttpServerLimits().head_time_max);
}

TEST_F(HttpLimits, an_idle_connection_is_kept_as_long_as_tahoe_s_client_keeps_it) {
    start();
    Outcome out;
    const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const Duration took = kept({.says = {{0s, request}, {240s, request}}}, out);
    expect_about(took, 240s + HttpServerLimits().idle_time_max);
    EXPECT_EQ(out.received.size(),
              2 * std::string("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").size());
}

TEST_F(HttpLimits, a_body_that_stops_coming_ends_the_connection) {
    start();
    const std::string head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
    expect_about(kept({.says = {{0s, head + "abc"}, {50s, "def"}}}),
                 50s + HttpServerLimits().body_silence_max);
}

TEST_F(HttpLimits, a_peer_that_reads_nothing_is_given_up) {
    start();
    client_process_.spawn(behave(
        client_process_.context(), client_process_.runtime(),
        {.says = {{0s, "GET /much HTTP/1.1\r\nHost: x\r\n\r\n"}}, .reads = false}, outcomes_[0]));
    world_.run_for(1s);
    EXPECT_EQ(server_->connections(), 1);
    world_.run_for(HttpServerLimits().write_time_max - 2s);
    EXPECT_EQ(server_->connections(), 1);
    world_.run_for(8s);
    EXPECT_EQ(server_->connections(), 0);
}

TEST_F(HttpLimits, one_connection_too_many_is_closed_at_once) {
    HttpServerLimits limits;
    limits.connections_max = 2;
    start(limits);
    for (int i = 0; i < 2; ++i)
        client_process_.spawn(
            behave(client_process_.context(), client_process_.runtime(), {}, outcomes_[i]));
    world_.run_for(1s);
    EXPECT_EQ(server_->connections(), 2);
    EXPECT_LE(kept({}, outcomes_[2]), 1s);
    EXPECT_EQ(server_->connections(), 2);
}

// Calls with bodies of many sizes; every answer that comes is the right one.
rt::Task<void> call_many(const rt::Context& ctx, HttpClient& client, int& right, int& failed) {
    for (const std::size_t size : {0UL, 1UL, 4095UL, 4096UL, 70'000UL, 300'000UL}) {
        ByteBuffer body(size);
        for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<std::uint8_t>(i * 7 + size);
        const auto answer = co_await client.call(
            ctx, {.method = proto::http1::Method::post, .target = "/", .fields = {}, .body = body});
        const bool is_right = answer && equal(answer->body, body);
        EXPECT_TRUE(!answer || is_right) << "an answer is whole or none";
        ++(is_right ? right : failed);
    }
}

TEST(HttpOnABadNetwork, every_answer_that_comes_is_the_right_one) {
    int right = 0;
    int failed = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        rt::sim::World world(seed, {.partial_read_chance = 0.7,
                                    .reset_chance = seed % 2 ? 0.0 : 0.5,
                                    .reset_within = 100ms});
        rt::sim::Process& there = world.machine("server").boot();
        rt::sim::Process& here = world.machine("client").boot();
        Handler handler;
        HttpServer server(there.runtime().reactor, handler);
        auto listener = std::move(*there.runtime().network.listen(kAddress));
        there.spawn(serve(there.context(), server, *listener));
        const proto::tls::Library tls = *proto::tls::Library::create();
        HttpClient client(here.runtime().reactor, here.runtime().network, tls,
                          {.endpoint = kAddress});
        int right_now = 0;
        int failed_now = 0;
        here.spawn(call_many(here.context(), client, right_now, failed_now));
        EXPECT_TRUE(world.run_until([&] { return right_now + failed_now == 6; }, 10min));
        if (seed % 2) EXPECT_EQ(failed_now, 0);
        right += right_now;
        failed += failed_now;
        world.end();
    }
    EXPECT_GT(right, 120);
    EXPECT_GT(failed, 0) << "the network is not bad enough for this test to mean anything";
}

}  // namespace
}  // namespace s4::wire
