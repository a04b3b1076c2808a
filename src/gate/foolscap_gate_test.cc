// The Foolscap side of the gate on a real database, spoken to by a client through a real port.
#include "gate/foolscap_gate.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scratch_folder_test.h"
#include "crypto/ed25519.h"
#include "crypto/seeded_random.h"
#include "gate/introducer_object.h"
#include "gate/limits.h"
#include "introducer/records.h"
#include "proto/tls/engine.h"
#include "rt/asio/backend.h"
#include "sql/database.h"
#include "tenants/records.h"

namespace s4::gate {
namespace {

namespace pf = proto::foolscap;
using pf::Failure;
using pf::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kSubscriberInterface =
    "RIIntroducerSubscriberClient_v2.tahoe.allmydata.com";

// A client's subscriber, keeping the messages that it is told.
class Subscriber final : public wire::RemoteObject {
  public:
    explicit Subscriber(std::vector<std::string>& told) : told_(told) {}
    std::string interface_name() const override { return std::string(kSubscriberInterface); }
    pf::ArgumentMode argument_mode(std::string_view method) const override {
        return method == "announce_v2" ? pf::ArgumentMode::whole : pf::ArgumentMode::refused;
    }
    rt::Task<Answer> call(const rt::Context&, std::string, pf::Arguments arguments) override {
        const auto* set = arguments.positional.at(0).as_set();
        for (const Value& item : *set)
            told_.push_back(to_string(*item.as_tuple()->at(0).as_bytes()));
        co_return Value::none();
    }

  private:
    std::vector<std::string>& told_;
};

class FoolscapGateTest : public testing::Test {
  public:
    FoolscapGateTest() {
        std::vector<sql::Migration> all(tenants::migrations().begin(), tenants::migrations().end());
        all.insert(all.end(), introducer::migrations().begin(), introducer::migrations().end());
        sql::Options options;
        options.path = folder_.file("db");
        database_ = sql::Database::open(rt_, options, all).value();
    }
    ~FoolscapGateTest() override {
        gate_.reset();
        introducer_.reset();
        directory_.reset();
        database_.reset();
    }

    // Runs `body` with one grid behind a listening gate.
    void run(rt::Task<void> (FoolscapGateTest::*body)()) { backend_.run(with_gate(body)); }

    rt::Task<void> with_gate(rt::Task<void> (FoolscapGateTest::*body)()) {
        directory_ = *co_await tenants::Directory::create(ctx_, *database_, keyring_,
                                                          tenants::kIdleGridsMax);
        introducer_ = std::make_unique<introducer::Introducer>(rt_, *database_);
        gate_ = std::make_unique<FoolscapGate>(
            FoolscapServices{rt_.reactor, *directory_, *introducer_, "s4/test"}, security_, seats_,
            random_);
        const auto made = keyring_.new_grid(random_, 1795000000, policy_);
        grid_ = *co_await database_->write(
            ctx_, [&](sql::Transaction& tx) { return tenants::insert_grid(tx, made); });
        auto listener = rt_.network.listen({"127.0.0.1", 0}).value();
        address_ = {"127.0.0.1", listener->local().port};
        rt::Scope scope(ctx_);
        scope.spawn(accept_all(scope, *listener));
        const auto record = (co_await directory_->by_id(ctx_, grid_)).value();
        furl_ = furl(record->introducer);
        co_await (this->*body)();
        listener->close();
        co_await gate_->drain(ctx_.until(rt_.reactor.now()));
        co_await scope.join();
    }
    rt::Task<void> accept_all(rt::Scope& scope, rt::Listener& listener) {
        while (true) {
            auto stream = co_await listener.accept(scope.context());
            if (!stream) co_return;
            scope.spawn(gate_->serve(scope.context(), *std::move(stream), {}));
        }
    }

    pf::Furl furl(const tenants::Tub& tub) {
        return {tub.tub_id,
                {pf::format_tcp_hint(address_)},
                std::string(keyring_.swissnum(tub).value().reveal_text())};
    }
    struct Client {
        std::unique_ptr<wire::ClientTub> tub;
        std::unique_ptr<wire::FoolscapClient> client;
        pf::RemoteReference introducer;
        std::vector<std::string> told;

        rt::Task<Value> call(std::string method, std::vector<Value> arguments) {
            auto outcome = co_await client->connection().call(
                {}, introducer, std::move(method),
                {.positional = std::move(arguments), .keyword = {}});
            EXPECT_TRUE(outcome);
            if (const auto* failure = std::get_if<Failure>(&*outcome)) co_return *failure;
            co_return std::get<Value>(*outcome);
        }
        rt::Task<Value> publish(Value parts) {
            std::vector<Value> arguments{std::move(parts), Value::none()};
            co_return co_await call("publish_v2", std::move(arguments));
        }
        rt::Task<Value> subscribe(std::string service = "storage") {
            std::vector<Value> arguments{
                client->connection().add(std::make_unique<Subscriber>(told)), Value::bytes(service),
                Value::dict({})};
            co_return co_await call("subscribe_v2", std::move(arguments));
        }
    };
    rt::Task<Result<std::unique_ptr<Client>>> connect(pf::Furl furl) {
        auto out = std::make_unique<Client>();
        out->tub =
            std::make_unique<wire::ClientTub>(crypto::TlsIdentity::generate(random_, 0), random_);
        out->client = CO_TRY(
            co_await wire::FoolscapClient::connect(ctx_, rt_, security_, *out->tub, furl, {}));
        auto found = co_await out->client->connection().get_reference(ctx_, furl.name);
        if (!found) {
            co_await out->client->close();
            co_return fail(found.error());
        }
        out->introducer = *found;
        co_return out;
    }
    Value announcement(std::int64_t seqnum, std::uint8_t key = 1) {
        const auto signer =
            crypto::Ed25519PrivateKey::from_seed(Secret(ByteBuffer(32, key))).value();
        const std::string message = fmt::format(
            R"({{"service-name": "storage", "seqnum": {}, "anonymous-storage-FURL": "pb://x"}})",
            seqnum);
        return Value::tuple({Value::bytes(message),
                             Value::bytes(crypto::signature_text(signer.sign(as_bytes(message)))),
                             Value::bytes(signer.public_key().server_id())});
    }
    rt::Task<void> set_policy(tenants::Policy policy) {
        const auto written = co_await database_->write(
            ctx_, [&](sql::Transaction& tx) { return tenants::update_policy(tx, grid_, policy); });
        EXPECT_TRUE(written);
        EXPECT_TRUE(co_await directory_->catch_up(ctx_));
    }

    rt::Task<void> versions();
    rt::Task<void> publishes();
    rt::Task<void> refuses_bad();
    rt::Task<void> subscribes_once();
    rt::Task<void> forgets_lost();
    rt::Task<void> strangers();
    rt::Task<void> seats();
    rt::Task<void> frozen();
    rt::Task<void> evicts();
    rt::Task<void> drains();

    ScratchFolder folder_;
    rt::asio::Backend backend_{1};
    rt::Runtime& rt_ = backend_.runtime();
    rt::Context ctx_;
    crypto::SeededRandom random_{7};
    crypto::StaticMasterKey master_ = crypto::StaticMasterKey::generate(random_);
    tenants::Keyring keyring_ = tenants::Keyring::create(master_).value();
    proto::tls::Library tls_ = *proto::tls::Library::create();
    wire::FoolscapTls security_{rt_.reactor, tls_};
    Seats seats_;
    tenants::Policy policy_;
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<tenants::Directory> directory_;
    std::unique_ptr<introducer::Introducer> introducer_;
    std::unique_ptr<FoolscapGate> gate_;
    GridId grid_;
    pf::TcpAddress address_;
    pf::Furl furl_;
};

rt::Task<void> FoolscapGateTest::versions() {
    auto client = (co_await connect(furl_)).value();
    EXPECT_EQ(client->introducer.interface_name,
              "RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com");
    const Value version = co_await client->call("get_version", {});
    EXPECT_NE(version.find("http://allmydata.org/tahoe/protocols/introducer/v2"), nullptr);
    EXPECT_EQ(*version.find("application-version"), Value::bytes("s4/test"));
    const Value unknown = co_await client->call("publish", {});
    EXPECT_THAT(unknown.as_failure()->value, HasSubstr("method 'publish' not defined in RIIntro"));
    co_await client->client->close();
}
TEST_F(FoolscapGateTest, TellsItsVersion) {
    run(&FoolscapGateTest::versions);
}

rt::Task<void> FoolscapGateTest::publishes() {
    auto publisher = (co_await connect(furl_)).value();
    auto early = (co_await connect(furl_)).value();
    EXPECT_TRUE((co_await early->subscribe()).is_none());
    EXPECT_THAT(early->told, IsEmpty());
    const Value canary =
        publisher->client->connection().add(std::make_unique<Subscriber>(publisher->told));
    EXPECT_TRUE((co_await publisher->call("publish_v2", {announcement(1), canary})).is_none());
    EXPECT_TRUE((co_await publisher->call("publish_v2", {announcement(1), canary})).is_none());
    (void)co_await early->call("get_version", {});  // what was told before has arrived by then
    EXPECT_THAT(early->told, ElementsAre(HasSubstr("\"seqnum\": 1")));
    auto late = (co_await connect(furl_)).value();
    EXPECT_TRUE((co_await late->subscribe()).is_none());
    EXPECT_EQ(late->told, early->told);  // told before the answer
    EXPECT_TRUE((co_await publisher->call("publish_v2", {announcement(2), canary})).is_none());
    (void)co_await late->call("get_version", {});
    EXPECT_THAT(late->told, SizeIs(2));
    for (auto* client : {&publisher, &early, &late}) co_await (*client)->client->close();
}
TEST_F(FoolscapGateTest, RelaysAnnouncementsToSubscribers) {
    run(&FoolscapGateTest::publishes);
}

rt::Task<void> FoolscapGateTest::refuses_bad() {
    auto client = (co_await connect(furl_)).value();
    const auto tuple = [](Value sig, Value key) {
        return Value::tuple({Value::bytes("{}"), std::move(sig), std::move(key)});
    };
    const std::string sig = "v0-" + std::string(103, 'a');
    const std::string key = "v0-" + std::string(52, 'a');
    const Value unsigned_one = co_await client->publish(tuple(Value::none(), Value::none()));
    EXPECT_EQ(unsigned_one.as_failure()->type, "allmydata.introducer.common.UnknownKeyError");
    EXPECT_EQ(unsigned_one.as_failure()->value, "only signed announcements recognized");
    const Value wrong_sig = co_await client->publish(tuple(Value::bytes("xx"), Value::bytes(key)));
    EXPECT_EQ(wrong_sig.as_failure()->value, "only v0- signatures recognized");
    const Value wrong_key =
        co_await client->publish(tuple(Value::bytes(sig), Value::bytes("pub-v0-a")));
    EXPECT_EQ(wrong_key.as_failure()->value, "only v0- keys recognized");
    const Value bad = co_await client->publish(tuple(Value::bytes(sig), Value::bytes(key)));
    EXPECT_EQ(bad.as_failure()->type, "allmydata.crypto.error.BadSignature");
    EXPECT_EQ(bad.as_failure()->value, "");
    const Value no_tuple = co_await client->publish(Value::integer(1));
    EXPECT_THAT(no_tuple.as_failure()->value, HasSubstr("announcement="));
    const Value no_subscriber = co_await client->call("subscribe_v2", {Value::none()});
    EXPECT_THAT(no_subscriber.as_failure()->value, HasSubstr("subscriber="));
    co_await client->client->close();
}
TEST_F(FoolscapGateTest, RefusesBadAnnouncementsInTahoesWords) {
    run(&FoolscapGateTest::refuses_bad);
}

rt::Task<void> FoolscapGateTest::subscribes_once() {
    auto client = (co_await connect(furl_)).value();
    const Value me = client->client->connection().add(std::make_unique<Subscriber>(client->told));
    for (int i = 0; i < 2; ++i)
        EXPECT_TRUE(
            (co_await client->call("subscribe_v2", {me, Value::bytes("storage"), Value::dict({})}))
                .is_none());
    EXPECT_TRUE((co_await client->call("publish_v2", {announcement(1), Value::none()})).is_none());
    (void)co_await client->call("get_version", {});
    EXPECT_THAT(client->told, SizeIs(1));
    co_await client->client->close();
}
TEST_F(FoolscapGateTest, TheSameSubscriberIsToldOnce) {
    run(&FoolscapGateTest::subscribes_once);
}

rt::Task<void> FoolscapGateTest::forgets_lost() {
    policy_.subscribers_max = 1;
    co_await set_policy(policy_);
    auto first = (co_await connect(furl_)).value();
    EXPECT_TRUE((co_await first->subscribe()).is_none());
    auto second = (co_await connect(furl_)).value();
    const Value refused = co_await second->subscribe();
    EXPECT_NE(refused.as_failure(), nullptr);
    co_await first->client->close();
    while (seats_.of_grid(grid_) > 1) co_await rt::yield(rt_.reactor);
    EXPECT_TRUE((co_await second->subscribe()).is_none());
    co_await second->client->close();
}
TEST_F(FoolscapGateTest, ALostConnectionIsNoSubscriber) {
    run(&FoolscapGateTest::forgets_lost);
}

rt::Task<void> FoolscapGateTest::strangers() {
    pf::Furl other = furl_;
    other.name = std::string(32, 'a');
    const auto wrong_name = co_await connect(other);
    EXPECT_THAT(wrong_name.error().message(), HasSubstr("KeyError"));
    const auto record = (co_await directory_->by_id(ctx_, grid_)).value();
    // The storage server's swissnum opens nothing at the introducer's tub.
    other.name = furl(record->storage).name;
    EXPECT_FALSE(co_await connect(other));
    other = furl_;
    other.tub_id = crypto::TlsIdentity::generate(random_, 0).certificate.tub_id();
    const auto wrong_tub = co_await connect(other);
    EXPECT_THAT(wrong_tub.error().message(), HasSubstr("unknown TubID"));
}
TEST_F(FoolscapGateTest, StrangersFindNothing) {
    run(&FoolscapGateTest::strangers);
}

rt::Task<void> FoolscapGateTest::seats() {
    policy_.connections_max = 1;
    co_await set_policy(policy_);
    auto first = (co_await connect(furl_)).value();
    const auto second = co_await connect(furl_);
    EXPECT_THAT(second.error().message(), HasSubstr("too many connections"));
    co_await first->client->close();
    while (seats_.of_grid(grid_) > 0) co_await rt::yield(rt_.reactor);
    auto third = (co_await connect(furl_)).value();
    co_await third->client->close();
}
TEST_F(FoolscapGateTest, AGridsConnectionsAreLimited) {
    run(&FoolscapGateTest::seats);
}

rt::Task<void> FoolscapGateTest::frozen() {
    auto client = (co_await connect(furl_)).value();
    tenants::Policy policy;
    policy.state = tenants::GridState::frozen;
    co_await set_policy(policy);
    while (!client->client->connection().closed()) co_await rt::yield(rt_.reactor);
    co_await client->client->close();
    const auto refused = co_await connect(furl_);
    EXPECT_THAT(refused.error().message(), HasSubstr("not served at the moment"));
    policy.state = tenants::GridState::read_only;
    co_await set_policy(policy);
    auto again = (co_await connect(furl_)).value();
    co_await again->client->close();
}
TEST_F(FoolscapGateTest, AFrozenGridsConnectionsEndAndNewOnesAreRefused) {
    run(&FoolscapGateTest::frozen);
}

rt::Task<void> FoolscapGateTest::evicts() {
    auto client = (co_await connect(furl_)).value();
    EXPECT_EQ(gate_->evict_idle(), 0u);
    co_await client->client->close();
    while (seats_.of_grid(grid_) > 0) co_await rt::yield(rt_.reactor);
    EXPECT_EQ(gate_->tubs(), 1u);
    EXPECT_EQ(gate_->evict_idle(), 1u);
    auto again = (co_await connect(furl_)).value();
    EXPECT_EQ(gate_->tubs(), 1u);
    co_await again->client->close();
}
TEST_F(FoolscapGateTest, TubsWithoutConnectionsAreEvicted) {
    run(&FoolscapGateTest::evicts);
}

rt::Task<void> FoolscapGateTest::drains() {
    auto client = (co_await connect(furl_)).value();
    co_await gate_->drain(ctx_.until(rt_.reactor.now() + std::chrono::seconds(10)));
    EXPECT_EQ(seats_.of_grid(grid_), 0u);
    while (!client->client->connection().closed()) co_await rt::yield(rt_.reactor);
    co_await client->client->close();
}
TEST_F(FoolscapGateTest, DrainingEndsAllConnections) {
    run(&FoolscapGateTest::drains);
}

}  // namespace
}  // namespace s4::gate
