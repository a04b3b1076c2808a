// The Foolscap pumps against each other on loopback, in both roles, inside TLS and without.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/random.h"
#include "proto/foolscap/message_writer.h"
#include "proto/tls/engine.h"
#include "rt/asio/backend.h"
#include "rt/scope.h"
#include "wire/foolscap_negotiation.h"

namespace s4::wire {
namespace {

namespace pf = proto::foolscap;
using pf::Arguments;
using pf::Failure;
using pf::Value;
using ::testing::HasSubstr;

constexpr std::string_view kSwissnum = "ejefscp4whezvluw5gxdb62jeibdwqib";

// What happened to the service's objects, seen from outside.
struct Record {
    int services = 0;
    int lost = 0;
    int writers_gone = 0;
    std::uint64_t streamed = 0;
    std::uint64_t supplied = 0;
    int supplies = 0;  // that are there
    std::vector<std::string> order;
};

// Takes one large byte string a call and keeps its length.
class Writer final : public RemoteObject {
  public:
    explicit Writer(Record& record) : record_(record) {}
    ~Writer() override { ++record_.writers_gone; }
    std::string interface_name() const override { return "RIWriter"; }
    pf::ArgumentMode argument_mode(std::string_view method) const override {
        return method == "write" ? pf::ArgumentMode::streamed : pf::ArgumentMode::refused;
    }
    rt::Task<Answer> call(const rt::Context&, std::string, Arguments arguments) override {
        const auto* streamed = arguments.positional.at(0).as_streamed();
        co_return Value::boolean(streamed != nullptr && streamed->size == record_.streamed);
    }
    rt::Task<void> stream_began(const rt::Context&, pf::StreamBegan) override { co_return; }
    rt::Task<void> stream_piece(const rt::Context&, pf::StreamId, ByteView bytes) override {
        record_.streamed += bytes.size();
        co_return;
    }

  private:
    Record& record_;
};

// Bytes none of which may change places with its neighbours.
ByteBuffer pattern(std::size_t size) {
    ByteBuffer out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i % 251);
    return out;
}

// Gives so many bytes in pieces, and keeps count.
class CountingSupply final : public ByteSupply {
  public:
    CountingSupply(Record& record, std::uint64_t fails_after, bool first_is_at_hand)
        : record_(record), fails_after_(fails_after), first_is_at_hand_(first_is_at_hand) {
        ++record_.supplies;
    }
    ~CountingSupply() override { --record_.supplies; }
    static constexpr std::size_t kPieceBytes = 100'000;

    rt::Task<Result<ByteView>> next(const rt::Context&) override {
        if (given_ >= fails_after_) co_return fail(ErrorKind::io, "test.broken", "broken");
        co_return give();
    }
    ByteView at_hand() override { return given_ == 0 && first_is_at_hand_ ? give() : ByteView(); }

  private:
    ByteView give() {
        given_ += kPieceBytes;
        record_.supplied += kPieceBytes;
        return piece_;
    }

    Record& record_;
    std::uint64_t fails_after_;
    bool first_is_at_hand_;
    std::uint64_t given_ = 0;
    const ByteBuffer piece_ = pattern(kPieceBytes);
};

class Service final : public RemoteObject {
  public:
    Service(FoolscapConnection& connection, Record& record)
        : connection_(connection), record_(record) {
        ++record_.services;
    }
    std::string interface_name() const override { return "RIService"; }
    pf::ArgumentMode argument_mode(std::string_view method) const override {
        return method == "missing" ? pf::ArgumentMode::refused : pf::ArgumentMode::whole;
    }
    rt::Task<Answer> call(const rt::Context& ctx, std::string method,
                          Arguments arguments) override {
        record_.order.push_back(method);
        if (method == "echo") co_return Value::tuple(arguments.positional);
        if (method == "read") {
            const auto pieces = *arguments.positional.at(0).as_u64();
            const auto whole = *arguments.positional.at(1).as_u64();
            co_return pf::SuppliedBytes{
                std::make_shared<CountingSupply>(record_, whole * CountingSupply::kPieceBytes,
                                                 pieces % 2 != 0),
                pieces * CountingSupply::kPieceBytes};
        }
        if (method == "make") co_return connection_.add(std::make_unique<Writer>(record_));
        if (method == "wait a little") {
            (void)co_await rt::sleep(connection_.reactor(), ctx, std::chrono::milliseconds(5));
            co_return Value::none();
        }
        if (method == "hang") {
            (void)co_await rt::sleep(connection_.reactor(), ctx, std::chrono::hours(1));
            co_return Value::none();
        }
        if (method == "call back") {
            auto answer = co_await connection_.call(ctx, *arguments.positional.at(0).as_remote(),
                                                    "greet", {});
            if (!answer) co_return std::unexpected(Failure::make("test.Lost", "lost"));
            co_return std::get<Value>(*std::move(answer));
        }
        if (method == "push") {
            Arguments large{.positional = {Value::bytes(std::string(50'000, 'p'))}, .keyword = {}};
            (void)co_await connection_.call(ctx, *arguments.positional.at(0).as_remote(), "take",
                                            std::move(large));
            co_return Value::none();
        }
        if (method == "tell") {
            const ByteBuffer news = pf::prepare_arguments(
                {.positional = {Value::bytes(std::string(1000, 'n'))}, .keyword = {}});
            for (int i = 0; i < 100; ++i)
                connection_.tell(*arguments.positional.at(0).as_remote(), "news", news);
            co_return Value::none();
        }
        co_return bad_argument("method", "no such thing");
    }
    void connection_lost() override { ++record_.lost; }

  private:
    FoolscapConnection& connection_;
    Record& record_;
};

class ServiceTub final : public FoolscapTub {
  public:
    ServiceTub(crypto::TlsIdentity identity, crypto::Random& random, Record& record)
        : FoolscapTub(std::move(identity), random), record_(record) {}
    std::unique_ptr<RemoteObject> open(FoolscapConnection& connection,
                                       std::string_view swissnum) override {
        if (swissnum != kSwissnum) return nullptr;
        return std::make_unique<Service>(connection, record_);
    }

  private:
    Record& record_;
};

// The peer's side of "call back" and "tell".
class Listener final : public RemoteObject {
  public:
    explicit Listener(int& news) : news_(news) {}
    std::string interface_name() const override { return ""; }
    pf::ArgumentMode argument_mode(std::string_view) const override {
        return pf::ArgumentMode::whole;
    }
    rt::Task<Answer> call(const rt::Context&, std::string method, Arguments) override {
        if (method == "news") ++news_;
        co_return Value::bytes(method);
    }

  private:
    int& news_;
};

// Two identities, the first with the larger tub id.
std::pair<crypto::TlsIdentity, crypto::TlsIdentity> ordered(crypto::Random& random) {
    auto a = crypto::TlsIdentity::generate(random, 0);
    auto b = crypto::TlsIdentity::generate(random, 0);
    if (a.certificate.tub_id() < b.certificate.tub_id()) std::swap(a, b);
    return {std::move(a), std::move(b)};
}

struct Shape {
    const char* name;
    bool server_is_master;
    bool with_tls;
};

class Foolscap : public testing::TestWithParam<Shape>, private FoolscapHost {
  public:
    Foolscap() {
        auto [high, low] = ordered(random_);
        if (!GetParam().server_is_master) std::swap(high, low);
        server_.emplace(std::move(high), random_, record_);
        client_tub_.emplace(std::move(low), random_);
        if (GetParam().with_tls) {
            security_ = std::make_unique<FoolscapTls>(rt_.reactor, tls_);
        } else {
            security_ = std::make_unique<FoolscapPlaintext>();
        }
    }

    // Runs `body` with a port that serves, and a connected client that holds the service.
    void run(rt::Task<void> (Foolscap::*body)()) { backend_.run(with_server(body)); }

    rt::Task<void> with_server(rt::Task<void> (Foolscap::*body)()) {
        auto listener = rt_.network.listen({"127.0.0.1", 0});
        CHECK(listener, "a port for the test");
        furl_.tub_id = server_->tub_id();
        furl_.name = kSwissnum;
        furl_.hints = {pf::format_tcp_hint({"127.0.0.1", (*listener)->local().port})};
        rt::Scope scope{rt::Context{}};
        scope.spawn(accept_all(scope, **listener));
        client_ = co_await connect();
        if (client_ != nullptr) {
            const auto service = co_await client_->connection().get_reference(ctx_, furl_.name);
            EXPECT_TRUE(service);
            if (service) service_ = *service;
            co_await (this->*body)();
            co_await client_->close();
        }
        (*listener)->close();
        server_->close_all();
        co_await scope.join();
    }
    rt::Task<void> accept_all(rt::Scope& scope, rt::Listener& listener) {
        while (true) {
            auto stream = co_await listener.accept(scope.context());
            if (!stream) co_return;
            scope.spawn(serve_foolscap(scope.context(), rt_.reactor, *security_, *this,
                                       *std::move(stream), {}, limits_));
        }
    }
    rt::Task<std::unique_ptr<FoolscapClient>> connect() {
        auto client = co_await FoolscapClient::connect(ctx_, rt_, *security_, *client_tub_, furl_,
                                                       client_limits_);
        EXPECT_TRUE(client) << client.error().to_string();
        if (!client) co_return nullptr;
        co_return *std::move(client);
    }
    rt::Task<Result<FoolscapConnection::Outcome>> call(std::string method,
                                                       std::vector<Value> arguments = {}) {
        co_return co_await client_->connection().call(
            ctx_, service_, std::move(method), {.positional = std::move(arguments), .keyword = {}});
    }
    static Value value(const Result<FoolscapConnection::Outcome>& outcome) {
        if (!outcome || !std::holds_alternative<Value>(*outcome)) {
            ADD_FAILURE() << "the call did not bring a value";
            return Value::none();
        }
        return std::get<Value>(*outcome);
    }

    // FoolscapHost
    class Visit final : public FoolscapVisit {
      public:
        explicit Visit(Foolscap& host) : host_(host) { ++host_.inside_; }
        ~Visit() override { --host_.inside_; }
        FoolscapTub& tub() override { return *host_.server_; }

      private:
        Foolscap& host_;
    };
    rt::Task<Result<std::unique_ptr<FoolscapVisit>>> enter(const rt::Context&, std::string tub_id,
                                                           rt::Endpoint) override {
        if (full_) co_return fail(ErrorKind::unavailable, "test.full", "too many connections");
        if (tub_id != server_->tub_id())
            co_return fail(ErrorKind::not_found, "test.no_tub", "no such tub");
        co_return std::make_unique<Visit>(*this);
    }

    rt::Task<void> echoes();
    rt::Task<void> finds_once();
    rt::Task<void> fails();
    rt::Task<void> streams();
    rt::Task<void> drops_objects();
    rt::Task<void> supplies();
    rt::Task<void> breaks_off();
    rt::Task<void> lags();
    rt::Task<void> leaves();
    rt::Task<void> read_one(std::int64_t pieces, std::optional<std::size_t>& size);
    rt::Task<void> push(Value to);
    rt::Task<void> until_supplied(std::uint64_t bytes);
    rt::Task<void> calls_back();
    rt::Task<void> tells();
    rt::Task<void> cancels();
    rt::Task<void> loses();
    rt::Task<void> replaces();
    rt::Task<void> refuses();
    rt::Task<void> pipelines();
    rt::Task<void> notices();
    rt::Task<void> finishes();

    rt::asio::Backend backend_{1};
    rt::Runtime& rt_ = backend_.runtime();
    crypto::SystemRandom random_;
    proto::tls::Library tls_ = *proto::tls::Library::create();
    std::unique_ptr<FoolscapSecurity> security_;
    Record record_;
    std::optional<ServiceTub> server_;
    std::optional<ClientTub> client_tub_;
    FoolscapLimits limits_;
    FoolscapLimits client_limits_;
    pf::Furl furl_;
    rt::Context ctx_;
    bool full_ = false;
    int inside_ = 0;
    std::unique_ptr<FoolscapClient> client_;
    pf::RemoteReference service_;
};

rt::Task<void> Foolscap::echoes() {
    EXPECT_EQ(service_.interface_name, "RIService");
    const std::vector<Value> values{Value::bytes(std::string(1'000'000, 'x')), Value::integer(-5),
                                    Value::text("\xc3\xa9"), Value::none()};
    const auto outcome = co_await call("echo", values);
    EXPECT_EQ(value(outcome), Value::tuple(values));
    EXPECT_EQ(inside_, 1);
    EXPECT_EQ(server_->connections(), 1u);
}
TEST_P(Foolscap, CarriesCallsAndAnswers) {
    run(&Foolscap::echoes);
}

rt::Task<void> Foolscap::finds_once() {
    const auto again = co_await client_->connection().get_reference(ctx_, furl_.name);
    EXPECT_TRUE(again);
    EXPECT_EQ(*again, service_);
    EXPECT_EQ(record_.services, 1);
    const auto unknown = co_await client_->connection().get_reference(ctx_, "other");
    EXPECT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message(), HasSubstr("name starting with 'ot'"));
}
TEST_P(Foolscap, FindsTheObjectOfASwissnumOnce) {
    run(&Foolscap::finds_once);
}

rt::Task<void> Foolscap::fails() {
    const auto refused = co_await call("missing");
    EXPECT_THAT(std::get<Failure>(*refused).value,
                HasSubstr("method 'missing' not defined in RIService"));
    const auto bad = co_await call("whatever");
    EXPECT_EQ(std::get<Failure>(*bad).value, "Violation (method=): ('no such thing',)");
    EXPECT_FALSE(client_->connection().closed());
}
TEST_P(Foolscap, CarriesFailures) {
    run(&Foolscap::fails);
}

rt::Task<void> Foolscap::streams() {
    const auto made = co_await call("make");
    const pf::RemoteReference writer = *value(made).as_remote();
    const auto written = co_await client_->connection().call(
        ctx_, writer, "write",
        {.positional = {Value::bytes(std::string(20'000'000, 'x'))}, .keyword = {}});
    EXPECT_EQ(value(written), Value::boolean(true));
    EXPECT_EQ(record_.streamed, 20'000'000u);
}
TEST_P(Foolscap, StreamsWhatIsLargerThanAnyLimit) {
    run(&Foolscap::streams);
}

// ---- answers whose bytes are supplied while they are sent

rt::Task<void> Foolscap::read_one(std::int64_t pieces, std::optional<std::size_t>& size) {
    const auto answer = co_await call("read", {Value::integer(pieces), Value::integer(pieces)});
    if (!answer) co_return;
    const Value read = value(answer);
    size = read.as_bytes()->size();
    const ByteBuffer piece = pattern(CountingSupply::kPieceBytes);
    for (ByteView rest = *read.as_bytes(); !rest.empty(); rest = rest.subspan(piece.size()))
        EXPECT_TRUE(rest.size() >= piece.size() && equal(rest.first(piece.size()), piece));
}

rt::Task<void> Foolscap::supplies() {
    constexpr std::size_t kPiece = CountingSupply::kPieceBytes;
    std::optional<std::size_t> large;
    co_await read_one(300, large);
    EXPECT_EQ(large, 300 * kPiece);
    rt::Scope scope(ctx_);
    std::array<std::optional<std::size_t>, 20> sizes;
    for (std::size_t i = 0; i < sizes.size(); ++i)
        scope.spawn(read_one(static_cast<std::int64_t>(1 + i % 7), sizes[i]));
    co_await scope.join();
    for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(sizes[i], (1 + i % 7) * kPiece);
    EXPECT_EQ(value(co_await call("echo")), Value::tuple({}));
    EXPECT_EQ(record_.supplies, 0);
}
// Those of an odd number of pieces have the first at hand, and leave in one write with what stands
// beside it.
TEST_P(Foolscap, LargeAnswersAreSuppliedWhileTheyAreSent) {
    client_limits_.broker.message_bytes_max = 64 * kMiB;
    run(&Foolscap::supplies);
}

rt::Task<void> Foolscap::breaks_off() {
    const auto answer = co_await call("read", {Value::integer(5), Value::integer(2)});
    EXPECT_FALSE(answer);
    EXPECT_EQ(answer.error().kind(), ErrorKind::closed);
}
TEST_P(Foolscap, AnAnswerThatBreaksOffEndsTheConnection) {
    run(&Foolscap::breaks_off);
}

// Keeps its connection from reading until it is told to go on.
class Stubborn final : public RemoteObject {
  public:
    explicit Stubborn(rt::Event& go_on) : go_on_(go_on) {}
    std::string interface_name() const override { return ""; }
    pf::ArgumentMode argument_mode(std::string_view) const override {
        return pf::ArgumentMode::streamed;
    }
    rt::Task<Answer> call(const rt::Context&, std::string, Arguments) override {
        co_return Value::none();
    }
    rt::Task<void> stream_began(const rt::Context& ctx, pf::StreamBegan) override {
        (void)co_await go_on_.wait(ctx);
    }
    rt::Task<void> stream_piece(const rt::Context&, pf::StreamId, ByteView) override { co_return; }

  private:
    rt::Event& go_on_;
};

rt::Task<void> Foolscap::push(Value to) {
    (void)co_await call("push", {std::move(to)});
}

rt::Task<void> Foolscap::until_supplied(std::uint64_t bytes) {
    while (record_.supplied < bytes)
        (void)co_await rt::sleep(rt_.reactor, ctx_, std::chrono::milliseconds(1));
}

rt::Task<void> Foolscap::lags() {
    rt::Event go_on(rt_.reactor);
    const Value mine = client_->connection().add(std::make_unique<Stubborn>(go_on));
    rt::Scope scope(ctx_);
    scope.spawn(push(mine));
    std::optional<std::size_t> size;
    scope.spawn(read_one(600, size));
    co_await until_supplied(CountingSupply::kPieceBytes);
    EXPECT_LE(server_->find(pf::ConnectionId{1})->unsent_bytes(), kFoolscapPieceBytesMax)
        << "what the peer does not take is not read";
    EXPECT_LT(record_.supplied, 600 * CountingSupply::kPieceBytes);
    go_on.set();
    co_await scope.join();
    EXPECT_EQ(size, 600 * CountingSupply::kPieceBytes);
}
TEST_P(Foolscap, ASlowReadersAnswersAreNotHeld) {
    client_limits_.broker.message_bytes_max = 64 * kMiB;
    run(&Foolscap::lags);
}

rt::Task<void> Foolscap::leaves() {
    rt::Event go_on(rt_.reactor);
    const Value mine = client_->connection().add(std::make_unique<Stubborn>(go_on));
    rt::Scope scope(ctx_);
    scope.spawn(push(mine));
    std::optional<std::size_t> size;
    for (int i = 0; i < 4; ++i) scope.spawn(read_one(600, size));
    co_await until_supplied(CountingSupply::kPieceBytes);
    client_->connection().close("it left");
    co_await scope.join();
    EXPECT_FALSE(size);
    while (server_->connections() > 0)
        (void)co_await rt::sleep(rt_.reactor, ctx_, std::chrono::milliseconds(1));
    EXPECT_EQ(record_.supplies, 0);
}
TEST_P(Foolscap, APeerThatLeavesInTheMiddleOfAnAnswerLeavesNothing) {
    run(&Foolscap::leaves);
}

rt::Task<void> Foolscap::drops_objects() {
    const auto made = co_await call("make");
    const pf::RemoteReference writer = *value(made).as_remote();
    EXPECT_EQ(writer.interface_name, "RIWriter");
    client_->connection().release(writer);
    (void)co_await call("echo");
    EXPECT_EQ(record_.writers_gone, 1);
    // Even the service stays usable by name after its reference was given back.
    client_->connection().release(service_);
    service_ = *co_await client_->connection().get_reference(ctx_, furl_.name);
    EXPECT_EQ(value(co_await call("echo")), Value::tuple({}));
    EXPECT_EQ(record_.services, 1);
}
TEST_P(Foolscap, DropsObjectsThatThePeerReleased) {
    run(&Foolscap::drops_objects);
}

rt::Task<void> Foolscap::calls_back() {
    int news = 0;
    const Value mine = client_->connection().add(std::make_unique<Listener>(news));
    EXPECT_EQ(value(co_await call("call back", {mine})), Value::bytes("greet"));
}
TEST_P(Foolscap, CallsBackDuringACall) {
    run(&Foolscap::calls_back);
}

rt::Task<void> Foolscap::tells() {
    int news = 0;
    const Value mine = client_->connection().add(std::make_unique<Listener>(news));
    (void)co_await call("tell", {mine});
    (void)co_await call("echo");
    EXPECT_EQ(news, 100);
}
TEST_P(Foolscap, TellsWithoutWaiting) {
    run(&Foolscap::tells);
}

rt::Task<void> Foolscap::cancels() {
    const rt::Context brief = ctx_.until(rt_.reactor.now() + std::chrono::milliseconds(20));
    const auto hung = co_await client_->connection().call(brief, service_, "hang", {});
    EXPECT_FALSE(hung);
    EXPECT_EQ(hung.error().kind(), ErrorKind::timeout);
    EXPECT_EQ(value(co_await call("echo")), Value::tuple({}));
}
TEST_P(Foolscap, ACallMayBeGivenUp) {
    run(&Foolscap::cancels);
}

rt::Task<void> Foolscap::loses() {
    rt::Scope scope(ctx_);
    Result<FoolscapConnection::Outcome> outcome = FoolscapConnection::Outcome{};
    struct Body {
        static rt::Task<void> hang(Foolscap& self, Result<FoolscapConnection::Outcome>& outcome) {
            outcome = co_await self.call("hang");
        }
    };
    scope.spawn(Body::hang(*this, outcome));
    (void)co_await call("echo");  // by now the other is running at the server
    server_->close_all();
    EXPECT_EQ(record_.lost, 1);
    co_await scope.join();
    EXPECT_FALSE(outcome);
    EXPECT_EQ(outcome.error().kind(), ErrorKind::closed);
}
TEST_P(Foolscap, LosingTheConnectionFailsItsCallsAndTellsItsObjects) {
    run(&Foolscap::loses);
}

// The client opens a second connection, as if its first had died silently.
rt::Task<void> Foolscap::replaces() {
    auto second = co_await FoolscapClient::connect(ctx_, rt_, *security_, *client_tub_, furl_,
                                                   client_limits_);
    if (!GetParam().server_is_master) {
        // A connector that is master refuses it while its first is alive.
        EXPECT_FALSE(second);
        EXPECT_EQ(second.error().code(), "negotiation.duplicate");
        co_return;
    }
    EXPECT_TRUE(second);
    EXPECT_TRUE(client_->connection().closed());
    const auto service = co_await (*second)->connection().get_reference(ctx_, furl_.name);
    EXPECT_TRUE(service);
    EXPECT_EQ(record_.lost, 1);  // the old one's objects, before the new one's began
    EXPECT_EQ(record_.services, 2);
    EXPECT_EQ(server_->connections(), 1u);
    co_await (*second)->close();
}
TEST_P(Foolscap, ANewConnectionOfTheSameTubReplacesTheOld) {
    run(&Foolscap::replaces);
}

rt::Task<void> Foolscap::refuses() {
    full_ = true;
    crypto::TlsIdentity stranger = crypto::TlsIdentity::generate(random_, 0);
    ClientTub tub(std::move(stranger), random_);
    const auto full =
        co_await FoolscapClient::connect(ctx_, rt_, *security_, tub, furl_, client_limits_);
    EXPECT_FALSE(full);
    EXPECT_THAT(full.error().message(), HasSubstr("too many connections"));
    full_ = false;
    pf::Furl wrong = furl_;
    wrong.tub_id = tub.tub_id();
    const auto unknown =
        co_await FoolscapClient::connect(ctx_, rt_, *security_, tub, wrong, client_limits_);
    EXPECT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message(), HasSubstr("unknown TubID"));
    pf::Furl nowhere = furl_;
    nowhere.hints = {"tor:x.onion:1"};
    const auto unreachable =
        co_await FoolscapClient::connect(ctx_, rt_, *security_, tub, nowhere, client_limits_);
    EXPECT_FALSE(unreachable);
    EXPECT_EQ(unreachable.error().code(), "foolscap.no_address");
}
TEST_P(Foolscap, RefusesWithAReason) {
    run(&Foolscap::refuses);
}

// More calls than may be in flight, with answers far above what may wait to be written.
rt::Task<void> Foolscap::pipelines() {
    rt::Scope scope(ctx_);
    int answered = 0;
    struct Body {
        static rt::Task<void> echo(Foolscap& self, int& answered) {
            const auto outcome =
                co_await self.call("echo", {Value::bytes(std::string(200'000, 'y'))});
            if (value(outcome).as_tuple() != nullptr) ++answered;
        }
    };
    for (int i = 0; i < 100; ++i) scope.spawn(Body::echo(*this, answered));
    co_await scope.join();
    EXPECT_EQ(answered, 100);
}
TEST_P(Foolscap, ManyLargeCallsAtOnceAllComeThrough) {
    limits_.broker.calls_in_flight_max = 3;
    limits_.unsent_bytes_max = 100'000;
    run(&Foolscap::pipelines);
}

rt::Task<void> Foolscap::notices() {
    client_->connection().close("test");
    while (server_->connections() > 0) co_await rt::yield(rt_.reactor);
    EXPECT_EQ(record_.lost, 1);
}
TEST_P(Foolscap, TheServerNoticesThatThePeerIsGone) {
    run(&Foolscap::notices);
}

rt::Task<void> Foolscap::finishes() {
    rt::Scope scope(ctx_);
    Result<FoolscapConnection::Outcome> outcome = FoolscapConnection::Outcome{};
    struct Body {
        static rt::Task<void> wait(Foolscap& self, Result<FoolscapConnection::Outcome>& outcome) {
            outcome = co_await self.call("wait a little");
        }
    };
    scope.spawn(Body::wait(*this, outcome));
    (void)co_await call("echo");
    server_->finish_all();
    co_await scope.join();
    EXPECT_TRUE(value(outcome).is_none());
    EXPECT_TRUE(outcome) << outcome.error().to_string();
    while (server_->connections() > 0) co_await rt::yield(rt_.reactor);
}
TEST_P(Foolscap, FinishingAnswersWhatHasBegun) {
    run(&Foolscap::finishes);
}

INSTANTIATE_TEST_SUITE_P(Pumps, Foolscap,
                         ::testing::Values(Shape{"server_master_tls", true, true},
                                           Shape{"server_slave_tls", false, true},
                                           Shape{"server_master_plain", true, false},
                                           Shape{"server_slave_plain", false, false}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace s4::wire
