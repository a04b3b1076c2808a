#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/foolscap/broker_ends_test.h"

namespace s4::proto::foolscap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class WithLimits : public ::testing::Test {
  protected:
    void connect(BrokerLimits limits) {
        server = std::make_unique<End>(limits);
        ASSERT_TRUE(client.broker.get_reference("x"));
        talk(client, *server);
        server->broker.answer(server->take<NameLookup>().call, kService);
        talk(client, *server);
        client.take<Answered>();
    }
    void call(std::vector<Value> arguments) {
        ASSERT_TRUE(client.broker.call({1, ""}, "x", positional(std::move(arguments))));
        talk(client, *server);
    }
    std::string violation() { return std::get<Failure>(client.take<Answered>().outcome).value; }

    End client;
    std::unique_ptr<End> server;
};

TEST_F(WithLimits, CallsInFlightPauseTheReading) {
    BrokerLimits limits;
    limits.calls_in_flight_max = 2;
    connect(limits);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(client.broker.call({1, ""}, "x", {}));
    const ByteBuffer bytes = client.broker.take_output();
    ASSERT_TRUE(server->give(bytes));
    EXPECT_TRUE(server->broker.paused());
    EXPECT_THAT(server->events, SizeIs(2));
    const std::size_t unread = server->unread;
    EXPECT_GT(unread, 0u);
    server->broker.answer(server->take<IncomingCall>().call, Value::none());
    EXPECT_FALSE(server->broker.paused());
    ASSERT_TRUE(server->give(ByteView(bytes).last(unread)));
    EXPECT_THAT(server->events, SizeIs(2));
    EXPECT_TRUE(server->broker.paused());
}

TEST_F(WithLimits, HeldArgumentsPauseTheReading) {
    BrokerLimits limits;
    limits.held_bytes_max = 10'000;
    connect(limits);
    call({Value::bytes(std::string(9'000, 'x'))});
    EXPECT_FALSE(server->broker.paused());
    call({Value::bytes(std::string(1'000, 'x'))});
    EXPECT_TRUE(server->broker.paused());
    server->broker.answer(server->take<IncomingCall>().call, Value::none());
    EXPECT_FALSE(server->broker.paused());
    EXPECT_LT(server->broker.held_bytes(), 1'500u);
}

TEST_F(WithLimits, AMessageIsBoundedInBytes) {
    BrokerLimits limits;
    limits.message_bytes_max = 100;
    connect(limits);
    call({Value::bytes(std::string(99, 'a'))});  // and the method's name
    EXPECT_THAT(server->events, SizeIs(1));
    call({Value::bytes(std::string(100, 'a'))});
    EXPECT_THAT(violation(), HasSubstr("more than 100 bytes in one message"));
    call({Value::bytes(std::string(101, 'a'))});
    EXPECT_THAT(violation(), HasSubstr("string too long (101 > 100)"));
    EXPECT_THAT(server->events, SizeIs(1));
}

TEST_F(WithLimits, AMessageIsBoundedInValues) {
    BrokerLimits limits;
    limits.message_values_max = 20;
    connect(limits);
    // Request, clid, method and count are values too.
    call(std::vector<Value>(16, Value::integer(1)));
    EXPECT_THAT(server->events, SizeIs(1));
    call(std::vector<Value>(17, Value::integer(1)));
    EXPECT_THAT(violation(), HasSubstr("more than 20 values in one message"));
}

TEST_F(WithLimits, ObjectsOnBothSidesAreBounded) {
    BrokerLimits limits;
    limits.remote_references_max = 2;
    limits.exported_objects_max = 3;
    connect(limits);
    call({Referenceable{ObjectId{1}, ""}, Referenceable{ObjectId{2}, ""}});
    const auto first = server->take<IncomingCall>();
    call({Referenceable{ObjectId{3}, ""}});
    EXPECT_THAT(violation(), HasSubstr("too many references"));
    server->broker.answer(
        first.call, Value::list({Referenceable{ObjectId{8}, ""}, Referenceable{ObjectId{9}, ""}}));
    talk(client, *server);
    EXPECT_EQ(server->broker.exported_objects(), 3u);
    client.take<Answered>();
    call({});
    server->broker.answer(server->take<IncomingCall>().call, Referenceable{ObjectId{10}, ""});
    talk(client, *server);
    EXPECT_THAT(violation(), HasSubstr("too many objects"));
}

TEST_F(WithLimits, OwnCallsAreBounded) {
    BrokerLimits limits;
    limits.own_calls_max = 1;
    End end(limits);
    EXPECT_TRUE(end.broker.get_reference("x"));
    const auto refused = end.broker.get_reference("x");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), "foolscap.too_many_calls");
}

}  // namespace
}  // namespace s4::proto::foolscap
