// What strangers and grids may take of the front door, and how the grids share it.
#include <array>

#include "gate/gate_world_test.h"
#include "gate/limits.h"
#include "wire/tls_stream.h"

namespace s4::gate {
namespace {

// A peer that has sent its request and takes an answer as fast as it comes; before each write, how
// often another grid had come up.
class Taker final : public rt::Stream {
  public:
    struct Write {
        std::size_t bytes;
        int others_came_up;
    };
    Taker(std::string request, const int& others, std::vector<Write>& writes)
        : request_(std::move(request)), others_(others), writes_(writes) {}

    rt::Task<Result<std::size_t>> read_some(const rt::Context&, MutByteView into) override {
        const std::size_t n = std::min(into.size(), request_.size());
        std::copy_n(request_.begin(), n, into.begin());
        request_.erase(0, n);
        co_return n;
    }
    rt::Task<Result<void>> write(const rt::Context&, std::span<const ByteView> parts) override {
        std::size_t bytes = 0;
        for (const ByteView part : parts) bytes += part.size();
        writes_.push_back({bytes, others_});
        co_return ok();
    }
    rt::Task<Result<void>> shutdown_write(const rt::Context&) override { co_return ok(); }
    void abort() override {}
    rt::Endpoint peer() const override { return {"127.0.0.1", 1}; }

  private:
    std::string request_;
    const int& others_;
    std::vector<Write>& writes_;
};

class GateLimitsTest : public GateTest {
  protected:
    rt::Task<void> read_one(std::size_t connection, gbs::ClientRequest request,
                            std::optional<wire::HttpAnswer>& out) {
        auto answer = co_await clients_[connection]->call(ctx_, {.method = request.method,
                                                                 .target = request.target,
                                                                 .fields = request.fields,
                                                                 .body = {}});
        if (answer) out = *std::move(answer);
    }
    rt::Task<void> read_at_once(const Customer& who, gbs::StorageIndex index,
                                std::span<std::optional<wire::HttpAnswer>> answers) {
        rt::Scope scope(ctx_);
        for (std::optional<wire::HttpAnswer>& answer : answers)
            scope.spawn(read_one(add_connection(),
                                 who.client.read(Route::immutable_read, index, 0, std::nullopt),
                                 answer));
        co_await scope.join();
    }
    // The other grid wants to come up all the time.
    rt::Task<void> come_up_while(GridId grid, const bool& serving, int& times) {
        while (serving && co_await turnstile_.pass(ctx_, grid)) ++times;
    }
    rt::Task<void> serve_beside(GridId other, std::string request,
                                std::vector<Taker::Write>& writes) {
        int times = 0;
        bool serving = true;
        rt::Scope scope(ctx_);
        scope.spawn(come_up_while(other, serving, times));
        wire::HttpServer server(rt_.reactor, *handler_);
        co_await server.serve(ctx_, std::make_unique<Taker>(std::move(request), times, writes));
        serving = false;
        co_await scope.join();
    }
    rt::Task<void> keep_sent(rt::Stream& stream, std::string bytes) {
        (void)co_await stream.write_all(ctx_, as_bytes(bytes));
    }
    // A connection that has sent so much of a request, and no more.
    rt::Task<std::unique_ptr<wire::TlsStream>> stalled(const gbs::ClientRequest& request,
                                                       std::size_t body_bytes) {
        auto engine = proto::tls::Engine::client(
            tls_, nullptr,
            proto::tls::PeerPolicy::pinned_key(service_.certificate.spki_hash_bytes()));
        auto stream = *co_await wire::TlsStream::handshake(
            ctx_, rt_.reactor, *co_await rt_.network.connect(ctx_, listener_->local()),
            *std::move(engine));
        std::string head = fmt::format("PATCH {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n",
                                       request.target, request.body.size());
        for (const auto& [name, value] : request.fields) head += name + ": " + value + "\r\n";
        (void)co_await stream->write_all(ctx_, as_bytes(head + "\r\n"));
        (void)co_await stream->write_all(ctx_, ByteView(request.body).first(body_bytes));
        co_return stream;
    }
    // Sends bytes in the clear and returns all that comes back until the end.
    rt::Task<std::string> exchange(std::string bytes) {
        auto stream = std::move(*co_await rt_.network.connect(ctx_, listener_->local()));
        (void)co_await stream->write_all(ctx_, as_bytes(bytes));
        ByteBuffer room(4096);
        std::string all;
        for (;;) {
            const auto got = co_await stream->read_some(ctx_, room);
            if (!got || *got == 0) co_return all;
            all += as_text(ByteView(room).first(*got));
        }
    }
};

TEST_F(GateLimitsTest, policy_decides_what_a_grid_may_do) {
    const Customer a = customer();
    const auto si = index_of(1);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, 3}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, text("abc"))), 201);

    tenants::Policy policy;
    policy.state = tenants::GridState::read_only;
    set_policy(a, policy);
    EXPECT_EQ(status(a, a.client.read(Route::immutable_read, si, 0, std::nullopt)), 200);
    EXPECT_EQ(status(a, a.client.add_lease(si, lease_)), 204);
    EXPECT_EQ(status(a, a.client.add_lease(si, lease2_)), 507);
    const auto answer = send(a, a.client.allocate(index_of(2), lease_, upload_, {{0}, 3}));
    EXPECT_EQ(must(gbs::read_allocate(answer.head, answer.body)), (gbs::AllocateAnswer{{}, {}}));

    policy.state = tenants::GridState::frozen;
    set_policy(a, policy);
    EXPECT_EQ(status(a, a.client.read(Route::immutable_read, si, 0, std::nullopt)), 503);

    policy.state = tenants::GridState::closed;
    set_policy(a, policy);
    EXPECT_EQ(status(a, a.client.version()), 401);
}

TEST_F(GateLimitsTest, a_grid_has_as_many_connections_as_its_policy_says) {
    tenants::Policy policy;
    policy.connections_max = 2;
    const Customer a = customer(policy);
    EXPECT_EQ(send(a.connection, a.client.version()).head.status, 200);
    EXPECT_EQ(send(add_connection(), a.client.version()).head.status, 200);
    const auto refused = send(add_connection(), a.client.version());
    EXPECT_EQ(refused.head.status, 503);
    EXPECT_EQ(refused.head.fields.find("Connection"), "close");
    EXPECT_EQ(seats_.of_grid(a.grid), 2);
    EXPECT_EQ(send(a.connection, a.client.version()).head.status, 200);
}

TEST_F(GateLimitsTest, a_grid_s_requests_beyond_its_limit_wait_for_each_other) {
    tenants::Policy policy;
    policy.requests_max = 1;
    policy.bytes_per_s = 64 * kMiB;
    const Customer a = customer(policy);
    const auto si = index_of(4);
    const ByteBuffer whole = pattern(kMiB);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, whole.size()}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, whole)), 201);
    std::array<std::optional<wire::HttpAnswer>, 5> answers;
    backend_.run(read_at_once(a, si, answers));
    for (const auto& answer : answers) {
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->head.status, 200);
        EXPECT_TRUE(equal(answer->body, whole));
    }
    EXPECT_EQ(turnstile_.meters(), 1);
}

TEST_F(GateLimitsTest, a_client_that_stalls_keeps_no_turn_from_its_own_grid) {
    tenants::Policy policy;
    policy.requests_max = 1;
    const Customer a = customer(policy);
    const auto si = index_of(5);
    const ByteBuffer whole = pattern(300'000);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0, 1}, whole.size()}));
    std::optional<std::unique_ptr<wire::TlsStream>> half;
    backend_.run(keep(stalled(a.client.write(si, 0, upload_, 0, whole), whole.size() / 2), half));
    EXPECT_EQ(status(a, a.client.write(si, 1, upload_, 0, whole)), 201);
    EXPECT_EQ(status(a, a.client.version()), 200);
    run(keep_sent(**half, to_string(ByteView(whole).subspan(whole.size() / 2))));
    std::optional<Result<std::size_t>> got;
    ByteBuffer room(4096);
    backend_.run(keep((*half)->read_some(ctx_, room), got));
    ASSERT_TRUE(*got);
    EXPECT_TRUE(as_text(room).starts_with("HTTP/1.1 201"));
}

TEST_F(GateLimitsTest, other_grids_come_up_while_a_fast_peer_takes_a_large_share) {
    const Customer a = customer();
    const Customer b = customer();
    const auto si = index_of(6);
    const ByteBuffer whole = pattern(kMiB);
    (void)send(a, a.client.allocate(si, lease_, upload_, {{0}, whole.size()}));
    EXPECT_EQ(status(a, a.client.write(si, 0, upload_, 0, whole)), 201);
    const auto read = a.client.read(Route::immutable_read, si, 0, std::nullopt);
    std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n", read.target);
    for (const auto& [name, value] : read.fields) request += name + ": " + value + "\r\n";
    std::vector<Taker::Write> writes;
    run(serve_beside(b.grid, request + "\r\n", writes));
    ASSERT_GE(writes.size(), kMiB / kSendBytesMax);
    for (std::size_t i = 1; i < writes.size(); ++i) {
        EXPECT_LE(writes[i].bytes, kSendBytesMax);
        EXPECT_GT(writes[i].others_came_up, writes[i - 1].others_came_up) << "before write " << i;
    }
}

TEST_F(GateLimitsTest, surplus_pooled_connections_end_with_a_version_answer) {
    const Customer a = customer();
    for (std::size_t i = 0; i < kPooledConnectionsPerHostMax; ++i)
        EXPECT_FALSE(send(add_connection(), a.client.version()).head.fields.find("Connection"));
    EXPECT_EQ(send(add_connection(), a.client.version()).head.fields.find("Connection"), "close");
}

TEST_F(GateLimitsTest, the_first_bytes_decide) {
    EXPECT_EQ(run(exchange("GET /id/abc HTTP/1.1\r\n\r\n")), "");
    EXPECT_EQ(foolscap_.opening, "GET /id/abc HTTP/1.1\r\n\r\n");
    foolscap_.opening.clear();
    for (const char* other :
         {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n", "GET /idx", "\n"})
        EXPECT_EQ(run(exchange(other)), "") << other;
    EXPECT_EQ(foolscap_.opening, "");
    const std::string alert = run(exchange(std::string("\x16\x03\x01\0\x05hello", 10)));
    EXPECT_TRUE(alert.empty() || alert[0] == 0x15) << "at most a TLS alert";
    EXPECT_EQ(door_->https_connections(), 0);
}

TEST_F(GateLimitsTest, a_client_gets_through_a_flood_of_half_open_connections) {
    const Customer a = customer();
    std::vector<std::unique_ptr<rt::Stream>> halves;
    std::optional<Result<std::unique_ptr<rt::Stream>>> half;
    for (std::size_t i = 0; i <= kStrangersPerHostMax; ++i) {
        half.reset();
        backend_.run(keep(rt_.network.connect(ctx_, listener_->local()), half));
        halves.push_back(std::move(half->value()));
        run(keep_sent(*halves.back(), "\x16"));
    }
    EXPECT_EQ(status(a, a.client.version()), 200);
    EXPECT_LE(door_->strangers(), kStrangersPerHostMax);
    std::optional<Result<std::size_t>> got;
    std::array<std::uint8_t, 1> room;
    backend_.run(keep(halves.front()->read_some(ctx_, room), got));
    EXPECT_TRUE(!*got || **got == 0) << "the oldest was closed";
}

TEST(Seats, count_by_grid_and_host) {
    Seats seats;
    const GridId grid{1};
    auto first = seats.take(grid, "a", 2);
    auto second = seats.take(grid, "b", 2);
    EXPECT_FALSE(seats.take(grid, "c", 2));
    EXPECT_TRUE(seats.take(GridId{2}, "c", 2));
    EXPECT_EQ(seats.of_host(grid, "a"), 1);
    first.reset();
    EXPECT_EQ(seats.of_host(grid, "a"), 0);
    EXPECT_TRUE(seats.take(grid, "c", 2));
    EXPECT_EQ(seats.grids(), 1);
    second.reset();
    EXPECT_EQ(seats.grids(), 0);
}

}  // namespace
}  // namespace s4::gate
