#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/foolscap/broker_ends_test.h"

namespace s4::proto::foolscap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Token by token, as no broker of ours would write.
class Raw : public Connected {
  protected:
    Raw() {
        out.open("call"), out.integer(10), out.integer(1), out.string("x"), out.open("arguments");
    }
    // The server's text in its ERROR token, or nothing if the connection lives.
    std::string fatal() {
        if (server.give(out.out())) return "";
        const std::string sent = to_string(server.broker.take_output());
        EXPECT_THAT(sent, HasSubstr("\x8d"));
        EXPECT_TRUE(sent.ends_with(server.error));
        return server.error;
    }
    void raw(std::initializer_list<std::uint8_t> bytes) { append(out.out(), ByteBuffer(bytes)); }

    Encoder out{1};
};

TEST_F(Raw, AReferenceStandsForTheEarlierValue) {
    // The OPENs are counted by the receiver: two of getReferenceByName came before.
    out.integer(2);
    out.open("list");
    out.open("tuple");  // the connection's 6th OPEN, number 5
    out.integer(1);
    out.integer(2);
    out.close();
    out.open("reference");
    out.integer(5);
    out.close();
    out.close();
    out.open("reference");
    out.integer(4);  // the list
    out.close();
    out.close();
    out.close();
    ASSERT_EQ(fatal(), "");
    const Value pair = Value::tuple({Value::integer(1), Value::integer(2)});
    EXPECT_THAT(server.take<IncomingCall>().arguments.positional,
                ElementsAre(Value::list({pair, pair}), Value::list({pair, pair})));
}

TEST_F(Raw, ADanglingReferenceIsRefused) {
    out.integer(1);
    out.open("reference");
    out.integer(99);
    out.close();
    ASSERT_EQ(fatal(), "");
    EXPECT_THAT(to_string(server.broker.take_output()), HasSubstr("dangling reference 99"));
}

TEST_F(Raw, DoublingListsEndAtTheLimitOfValues) {
    out.integer(1);
    out.open("list");
    out.open("list");  // number 5
    out.integer(1);
    out.close();
    int previous = 5;
    for (int i = 0; i < 25; ++i) {
        out.open("list");
        const int number = previous == 5 ? 6 : previous + 3;
        for (int j = 0; j < 2; ++j) {
            out.open("reference");
            out.integer(previous);
            out.close();
        }
        out.close();
        previous = number;
    }
    out.close();
    out.close();
    out.close();
    ASSERT_TRUE(server.give(out.out()));
    EXPECT_THAT(to_string(server.broker.take_output()), HasSubstr("more than 65536 values"));
    EXPECT_THAT(server.events, IsEmpty());
}

TEST_F(Raw, AValueThatHoldsItselfIsRefused) {
    out.integer(1);
    out.open("list");
    out.open("reference");
    out.integer(4);
    out.close();
    ASSERT_TRUE(server.give(out.out()));
    EXPECT_THAT(to_string(server.broker.take_output()), HasSubstr("holds itself"));
}

TEST_F(Raw, WordsOfTheTableAreByteStringsAnywhere) {
    out.integer(1);
    raw({0x04, 0x87});
    out.string("keyword");
    raw({0x00, 0x87});
    out.close();
    out.close();
    ASSERT_EQ(fatal(), "");
    const auto got = server.take<IncomingCall>();
    EXPECT_EQ(got.arguments.positional[0], Value::bytes("list"));
    EXPECT_EQ(*got.arguments.find(1, "keyword"), Value::bytes("none"));
}

TEST_F(Raw, ALongIntegerMayBeSmallAndASetMayRepeat) {
    out.integer(2);
    raw({0x02, 0x85, 0x00, 0x05});
    out.open("set");
    out.integer(5);
    out.integer(5);
    out.close();
    out.close();
    out.close();
    ASSERT_EQ(fatal(), "");
    EXPECT_THAT(server.take<IncomingCall>().arguments.positional,
                ElementsAre(Value::integer(5), Value::set({Value::integer(5)})));
}

TEST_F(Raw, AnAbortedCallIsDroppedWithoutAnswer) {
    out.integer(1);
    out.open("list");
    raw({0x8a});
    out.close();
    out.close();
    out.close();
    ASSERT_EQ(fatal(), "");
    EXPECT_TRUE(server.broker.take_output().empty());
    EXPECT_THAT(server.events, IsEmpty());
    call("fine");
    talk(client, server);
    EXPECT_EQ(server.take<IncomingCall>().method, "fine");
}

TEST_F(Raw, AReferenceInARefusedCallIsGivenBack) {
    out.integer(2);
    out.open("my-reference");
    out.integer(1);
    out.string("");
    out.close();
    out.open("nonsense");
    ASSERT_EQ(fatal(), "");
    EXPECT_THAT(to_string(server.broker.take_output()), HasSubstr("decref"));
}

TEST_F(Raw, AnUnknownTopLevelSequenceIsSkippedSilently) {
    Encoder other(1);
    other.open("nonsense");
    other.open("list");
    other.close();
    other.close();
    ASSERT_TRUE(server.give(other.out()));
    EXPECT_TRUE(server.broker.take_output().empty());
    EXPECT_TRUE(server.events.empty());
}

TEST_F(Raw, PingIsAnsweredAndPongIgnored) {
    const ByteBuffer pings{0x07, 0x8e, 0x8e, 0x07, 0x8f};
    ASSERT_TRUE(server.give(pings));
    EXPECT_EQ(server.broker.take_output(), (ByteBuffer{0x07, 0x8f, 0x8f}));
}

TEST_F(Raw, AnErrorTokenEndsTheConnection) {
    Encoder error(1);
    error.error("sorry");
    ASSERT_FALSE(error.out().empty());
    ByteView bytes = error.out();
    const auto event = server.broker.receive(bytes);
    ASSERT_TRUE(event && *event);
    EXPECT_EQ(std::get<PeerGaveUp>(**event).text, "sorry");
}

TEST_F(Raw, AForeignTubsFurlIsFatalAndThePeersOwnIsNot) {
    out.integer(2);
    out.open("my-reference");
    out.integer(1);
    out.string("RI");
    out.string("pb://" + std::string(kPeerTub) + "@tcp:127.0.0.1:1/abc");
    out.close();
    out.open("my-reference");
    out.integer(2);
    out.string("");
    out.string("pb://" + std::string(32, 'a') + "@tcp:127.0.0.1:1/abc");
    out.close();
    EXPECT_THAT(fatal(), HasSubstr("bad tubid"));
}

struct Fatal {
    const char* name;
    ByteBuffer bytes;
    const char* text;
};

class FatalBytes : public ::testing::TestWithParam<Fatal> {};

TEST_P(FatalBytes, EndTheConnectionWithAnErrorToken) {
    End server;
    EXPECT_FALSE(server.give(GetParam().bytes));
    EXPECT_THAT(server.error, HasSubstr(GetParam().text));
    EXPECT_TRUE(to_string(server.broker.take_output()).ends_with(server.error));
}

INSTANTIATE_TEST_SUITE_P(
    Broker, FatalBytes,
    ::testing::Values(
        Fatal{"top_level",
              {0x01, 0x81},
              "BananaError(in <RootUnslicer>): ('top-level must be OPEN',)"},
        Fatal{"open_open", {0x88, 0x88}, "OPEN token followed by OPEN"},
        Fatal{"close_at_root", {0x89}, "lost sync"},
        Fatal{"wrong_close",
              {0x05, 0x88, 0x0b, 0x87, 0x04, 0x89},
              "lost sync, got CLOSE(4) but expecting 5"},
        Fatal{"close_in_open", {0x88, 0x89}, "CLOSE"},
        Fatal{"request_not_int", {0x88, 0x0b, 0x87, 0x01, 0x82, 'x'}, "request ID must be an INT"},
        Fatal{"call_ended", {0x88, 0x0b, 0x87, 0x01, 0x81, 0x89}, "ended too early"},
        Fatal{"clid_not_int",
              {0x88, 0x0b, 0x87, 0x01, 0x81, 0x01, 0x82, 'x'},
              "object ID must be an INT/NEG"},
        Fatal{"method_not_string",
              {0x88, 0x0b, 0x87, 0x01, 0x81, 0x00, 0x81, 0x00, 0x81},
              "method name must be a STRING"},
        Fatal{"vocabulary", {0x88, 0x7f, 0x87}, "unknown vocabulary index"},
        Fatal{"type_byte", {0x8c}, "Invalid Type Byte 0x8c"}),
    [](const auto& info) { return info.param.name; });

TEST(Broker, AMasterSaysLittleUntilThePeerHasSpoken) {
    End master({}, true);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(master.broker.get_reference(std::string(32, 'a')));
    std::size_t first = 0;
    for (int i = 0; i < 3; ++i) first += master.broker.take_output().size();
    EXPECT_EQ(first, kUnprovokedBytesMax);
    const ByteBuffer ping{0x8e};
    ASSERT_TRUE(master.give(ping));
    EXPECT_GT(master.broker.take_output().size(), 4000u);
}

TEST(Broker, ARequestInUseIsFatalAndZeroMayRepeat) {
    End server;
    const auto lookup = [](std::uint64_t request) {
        Encoder out(1);
        out.open("call");
        out.integer(static_cast<std::int64_t>(request));
        out.integer(0);
        out.string("getReferenceByName");
        out.open("arguments");
        out.integer(1);
        out.string("name");
        out.close();
        out.close();
        return to_buffer(out.out());
    };
    EXPECT_TRUE(server.give(lookup(0)));
    EXPECT_TRUE(server.give(lookup(0)));
    EXPECT_TRUE(server.give(lookup(1)));
    EXPECT_FALSE(server.give(lookup(1)));
    EXPECT_THAT(server.error, HasSubstr("request ID is in use"));
}

TEST(Broker, AnswersToRequestsNeverMadeAreSkipped) {
    End end;
    Encoder out(1);
    out.open("answer");
    out.integer(77);
    out.open("none");
    out.close();
    out.close();
    EXPECT_TRUE(end.give(out.out()));
    EXPECT_THAT(end.events, IsEmpty());
}

TEST(Broker, ABadFailureFailsTheCallLocally) {
    End end;
    const auto request = end.broker.get_reference("x");
    ASSERT_TRUE(request);
    Encoder out(1);
    out.open("error");
    out.integer(request->value);
    out.open("copyable");
    out.string("twisted.python.failure.Failure");
    out.string("type");
    out.string("a.B");
    out.close();
    out.close();
    ASSERT_TRUE(end.give(out.out()));
    const auto answered = end.take<Answered>();
    EXPECT_EQ(answered.request, *request);
    EXPECT_THAT(std::get<Failure>(answered.outcome).value, HasSubstr("exactly type, value"));
}

TEST(Failure, IsBoundedAsTheReceivingClientDemands) {
    Failure huge = Failure::make(std::string(300, 't'), std::string(2000, 'v'));
    huge.traceback = std::string(5000, 'b');
    huge.parents.assign(100, std::string(300, 'p'));
    const Failure bounded = huge.bounded();
    EXPECT_LE(bounded.type.size(), kFailureTypeBytesMax);
    EXPECT_LE(bounded.value.size(), kFailureValueBytesMax);
    EXPECT_LE(bounded.traceback.size(), kFailureTracebackBytesMax);
    EXPECT_THAT(bounded.parents, SizeIs(kFailureParentsMax));
    EXPECT_LE(bounded.parents[0].size(), kFailureParentBytesMax);
    Failure exact = Failure::make(std::string(kFailureTypeBytesMax, 't'),
                                  std::string(kFailureValueBytesMax, 'v'));
    exact.parents = {"p"};
    EXPECT_EQ(exact.bounded(), exact);
}

}  // namespace
}  // namespace s4::proto::foolscap
