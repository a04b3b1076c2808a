#include "proto/foolscap/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/foolscap/broker_ends_test.h"

namespace s4::proto::foolscap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(Connected, TheInterfaceNameTravelsWithTheFirstReferenceOnly) {
    EXPECT_EQ(service, (RemoteReference{1, kService.interface_name}));
    ASSERT_TRUE(client.broker.get_reference("swordfish"));
    talk(client, server);
    server.broker.answer(server.take<NameLookup>().call, kService);
    const ByteBuffer answer = server.broker.take_output();
    EXPECT_THAT(to_string(answer), Not(HasSubstr("RIStorageServer")));
    client.give(answer);
    // The client still knows the name.
    EXPECT_EQ(*std::get<Value>(client.take<Answered>().outcome).as_remote(), service);
}

TEST_F(Connected, EveryKindOfValueArrivesAsItWasSent) {
    Value::Entries entries;
    entries.emplace_back(Value::bytes("b"), Value::text("snow \xe2\x98\x83"));
    entries.emplace_back(Value::bytes("a"), Value::integer(-1));
    const std::vector<Value> values{
        Value::none(),
        Value::boolean(true),
        Value::boolean(false),
        Value::integer(0),
        Value::integer(std::int64_t{1} << 40),
        Value::unsigned_integer(~std::uint64_t{0}),
        Value::big_integer(true, ByteBuffer(20, 0xff)),
        Value::floating(0.5),
        Value::bytes(""),
        Value::bytes("list"),
        Value::text(""),
        Value::list({}),
        Value::tuple({Value::integer(1), Value::list({Value::none()})}),
        Value::set({Value::integer(3), Value::integer(4)}),
        Value::sequence(Value::Kind::immutable_set, {Value::bytes("x")}),
        Value::dict({}),
        Value(Failure::make("a.B", "text"))};
    call("echo", values);
    call("echo", {Value::dict(std::move(entries))});
    talk(client, server);
    const auto echoed = server.take<IncomingCall>();
    EXPECT_EQ(echoed.object, kService.object);
    EXPECT_EQ(echoed.interface_name, kService.interface_name);
    EXPECT_EQ(echoed.arguments.positional, values);
    const auto dict = server.take<IncomingCall>();
    EXPECT_EQ(*dict.arguments.positional[0].find("a"), Value::integer(-1));
    EXPECT_EQ(dict.arguments.positional[0].as_dict()->front().first, Value::bytes("a"));  // sorted
    server.broker.answer(echoed.call, Value::tuple(values));
    talk(client, server);
    const Value answer = std::get<Value>(client.take<Answered>().outcome);
    EXPECT_EQ(*answer.as_tuple(), values);
}

TEST_F(Connected, AnswersComeInAnyOrder) {
    const RequestId first = call("a");
    const RequestId second = call("b");
    talk(client, server);
    const auto a = server.take<IncomingCall>();
    const auto b = server.take<IncomingCall>();
    EXPECT_EQ(a.method, "a");
    EXPECT_EQ(b.method, "b");
    server.broker.answer(b.call, Value::integer(2));
    server.broker.answer(a.call, Value::integer(1));
    talk(client, server);
    EXPECT_EQ(client.take<Answered>().request, second);
    EXPECT_EQ(client.take<Answered>().request, first);
}

TEST_F(Connected, ACallThatWantsNoAnswerGetsNone) {
    ASSERT_TRUE(client.broker.send(service, "note", positional({Value::integer(1)})));
    talk(client, server);
    const auto note = server.take<IncomingCall>();
    EXPECT_FALSE(note.wants_answer);
    EXPECT_EQ(server.broker.calls_in_flight(), 1u);
    server.broker.answer(note.call, Value::none());
    EXPECT_EQ(server.broker.calls_in_flight(), 0u);
    EXPECT_TRUE(server.broker.take_output().empty());
}

TEST_F(Connected, FailuresArriveWithTypeTextAndParents) {
    call("x");
    talk(client, server);
    server.broker.fail(server.take<IncomingCall>().call,
                       Failure::make("allmydata.interfaces.BadWriteEnablerError", "no"));
    talk(client, server);
    const Failure got = failure();
    EXPECT_EQ(got.type, "allmydata.interfaces.BadWriteEnablerError");
    EXPECT_EQ(got.value, "no");
    EXPECT_THAT(got.parents,
                ElementsAre("allmydata.interfaces.BadWriteEnablerError", "builtins.Exception",
                            "builtins.BaseException", "builtins.object"));
}

TEST_F(Connected, AnUnknownNameIsAKeyErrorThatTellsTwoCharacters) {
    ASSERT_TRUE(client.broker.get_reference("ejefscp4"));
    talk(client, server);
    const auto lookup = server.take<NameLookup>();
    server.broker.name_unknown(lookup.call, lookup.name);
    talk(client, server);
    const Failure got = failure();
    EXPECT_EQ(got.type, "builtins.KeyError");
    EXPECT_EQ(got.value, "\"unable to find reference for name starting with 'ej'\"");
}

TEST_F(Connected, UnknownMethodsAndObjectsAreViolationsAndTheConnectionLives) {
    call("nosuchmethod", {Value::integer(1)});
    talk(client, server);
    Failure got = failure();
    EXPECT_EQ(got.type, "foolscap.tokens.Violation");
    EXPECT_EQ(got.value,
              "Violation (<RootUnslicer>.<methodcall reqID=2 "
              "iface=RIStorageServer.tahoe.allmydata.com methodname=nosuchmethod>): (\"method "
              "'nosuchmethod' not defined in RIStorageServer.tahoe.allmydata.com\",)");
    ASSERT_TRUE(client.broker.call(RemoteReference{99, ""}, "x", positional({Value::list({})})));
    talk(client, server);
    got = failure();
    EXPECT_EQ(got.type, "foolscap.tokens.Violation");
    EXPECT_THAT(got.value, HasSubstr("('unknown CLID 99',)"));
    call("fine");
    talk(client, server);
    EXPECT_EQ(server.take<IncomingCall>().method, "fine");
}

TEST_F(Connected, ReferencesAreCountedAndClidsNeverReused) {
    const Referenceable writer{ObjectId{20}, "RIBucketWriter"};
    const auto send_writer = [&](std::size_t times) {
        call("allocate");
        talk(client, server);
        Value::Items items(times, Value(writer));
        server.broker.answer(server.take<IncomingCall>().call, Value::list(std::move(items)));
        talk(client, server);
        const Value list = std::get<Value>(client.take<Answered>().outcome);
        return *(*list.as_list())[0].as_remote();
    };
    const RemoteReference first = send_writer(2);
    EXPECT_EQ(first, (RemoteReference{2, "RIBucketWriter"}));
    EXPECT_EQ(server.broker.exported_objects(), 2u);
    client.broker.release(first);
    talk(client, server);
    EXPECT_THAT(server.events, IsEmpty());  // one of two is still held
    client.broker.release(first);
    talk(client, server);
    EXPECT_EQ(server.take<ObjectReleased>().object, writer.object);
    EXPECT_EQ(client.broker.remote_references(), 1u);
    EXPECT_EQ(send_writer(1), (RemoteReference{3, "RIBucketWriter"}));
}

TEST_F(Connected, AReferenceThatComesAgainWhileItIsReleasedStaysKnown) {
    const Referenceable writer{ObjectId{20}, "RIBucketWriter"};
    call("a");
    call("b");
    talk(client, server);
    const auto a = server.take<IncomingCall>();
    const auto b = server.take<IncomingCall>();
    server.broker.answer(a.call, writer);
    talk(client, server);
    const RemoteReference held = *std::get<Value>(client.take<Answered>().outcome).as_remote();
    // The decref crosses with the second transmission.
    client.broker.release(held);
    server.broker.answer(b.call, writer);
    const ByteBuffer decref = client.broker.take_output();
    client.give(server.broker.take_output());
    EXPECT_EQ(*std::get<Value>(client.take<Answered>().outcome).as_remote(), held);
    server.give(decref);
    talk(client, server);
    EXPECT_THAT(server.events, IsEmpty());  // one transmission is not given back
    client.broker.release(held);
    talk(client, server);
    EXPECT_EQ(server.take<ObjectReleased>().object, writer.object);
    EXPECT_EQ(client.broker.remote_references(), 1u);
}

TEST_F(Connected, ACanaryGoesAndComesHome) {
    const Referenceable canary{ObjectId{5}, ""};
    call("allocate", {canary});
    talk(client, server);
    const auto allocate = server.take<IncomingCall>();
    const RemoteReference held = *allocate.arguments.positional[0].as_remote();
    EXPECT_EQ(held, (RemoteReference{1, ""}));
    server.broker.answer(allocate.call, held);  // your-reference: the client's own object
    talk(client, server);
    EXPECT_EQ(*std::get<Value>(client.take<Answered>().outcome).as_referenceable(), canary);
    server.broker.release(held);
    talk(client, server);
    EXPECT_EQ(client.take<ObjectReleased>().object, canary.object);
}

TEST_F(Connected, BothSidesCall) {
    call("subscribe", {Referenceable{ObjectId{9}, "RISubscriber"}});
    talk(client, server);
    const auto subscribe = server.take<IncomingCall>();
    const RemoteReference subscriber = *subscribe.arguments.positional[0].as_remote();
    const auto announced = server.broker.call(
        subscriber, "announce_v2", positional({Value::set({Value::tuple({Value::bytes("m")})})}));
    ASSERT_TRUE(announced);
    server.broker.answer(subscribe.call, Value::none());
    talk(client, server);
    const auto announce = client.take<IncomingCall>();
    EXPECT_EQ(announce.object, ObjectId{9});
    EXPECT_TRUE(std::get<Value>(client.take<Answered>().outcome).is_none());
    client.broker.answer(announce.call, Value::none());
    talk(client, server);
    EXPECT_EQ(server.take<Answered>().request, *announced);
}

TEST_F(Connected, PreparedArgumentsServeManyCalls) {
    const Arguments arguments =
        positional({Value::set({Value::tuple({Value::bytes("list"), Value::none()})})});
    const ByteBuffer prepared = prepare_arguments(arguments);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(client.broker.call_prepared(service, "announce_v2", prepared));
        talk(client, server);
        EXPECT_EQ(server.take<IncomingCall>().arguments, arguments);
    }
    call("after", {Value::list({})});
    talk(client, server);
    EXPECT_EQ(server.take<IncomingCall>().method, "after");
}

TEST_F(Connected, LosingTheConnectionFailsWhatIsPendingAndReleasesWhatIsHeld) {
    const RequestId pending = call("a", {Referenceable{ObjectId{5}, ""}});
    talk(client, server);
    const auto lost = client.broker.lose();
    EXPECT_THAT(lost.unanswered, ElementsAre(pending));
    EXPECT_THAT(lost.exported, ElementsAre(ObjectId{5}));
    EXPECT_THAT(server.broker.lose().exported, ElementsAre(kService.object));
}

TEST_F(Connected, LargeStringsOfAStreamingMethodArePassedOnPieceByPiece) {
    const std::string data(kStreamedStringBytesMin, 'x');
    call("write", {Value::integer(36), Value::bytes(data)});
    call("write", {Value::integer(36), Value::bytes(data.substr(1))});
    const ByteBuffer bytes = client.broker.take_output();
    for (std::size_t at = 0; at < bytes.size(); at += 1000)
        ASSERT_TRUE(server.give(
            ByteView(bytes).subspan(at, std::min<std::size_t>(1000, bytes.size() - at))));
    const auto streamed = server.take<IncomingCall>();
    ASSERT_THAT(server.began_streams, SizeIs(1));
    EXPECT_EQ(server.began_streams[0].size, data.size());
    EXPECT_EQ(server.began_streams[0].object, kService.object);
    EXPECT_EQ(server.began_streams[0].method, "write");
    EXPECT_THAT(server.began_streams[0].preceding.positional, ElementsAre(Value::integer(36)));
    EXPECT_EQ(server.streams[0], data);
    EXPECT_EQ(*streamed.arguments.positional[1].as_streamed(),
              (StreamedBytes{server.began_streams[0].stream, data.size()}));
    EXPECT_LT(server.broker.held_bytes(), 20'000u);
    // One byte less is an ordinary argument.
    EXPECT_EQ(server.take<IncomingCall>().arguments.positional[1], Value::bytes(data.substr(1)));
}

TEST_F(Connected, AStreamingCallMayBeLargerThanAnythingHeld) {
    const std::string data(256 * 1024, 'x');
    Value::Items vectors;
    for (int i = 0; i < 40; ++i)
        vectors.push_back(Value::tuple({Value::integer(i), Value::bytes(data)}));
    call("write", {Value::list(std::move(vectors))});
    talk(client, server);
    EXPECT_EQ(server.take<IncomingCall>().arguments.positional[0].as_list()->size(), 40u);
    EXPECT_THAT(server.streams, SizeIs(40));
    EXPECT_LT(server.broker.held_bytes(), 100'000u);
}

TEST_F(Connected, AStreamWhoseCallBreaksARuleIsToldBroken) {
    const std::string data(kStreamedStringBytesMin, 'x');
    Value deep = Value::none();
    for (std::size_t i = 0; i < kNestingMax; ++i) deep = Value::list({deep});
    call("write", {Value::bytes(data), deep});
    talk(client, server);
    EXPECT_EQ(server.take<StreamsBroken>().first, server.began_streams[0].stream);
    EXPECT_THAT(failure().value, HasSubstr("nested too deeply"));
}

TEST_F(Connected, NestingIsRefusedPastTheLimitAndAcceptedAtIt) {
    // call, arguments and the lists: the innermost list is the kNestingMax-th sequence.
    Value deep = Value::list({});
    for (std::size_t i = 3; i < kNestingMax; ++i) deep = Value::list({deep});
    call("x", {deep});
    call("x", {Value::list({deep})});
    talk(client, server);
    EXPECT_EQ(server.take<IncomingCall>().arguments.positional[0], deep);
    EXPECT_THAT(failure().value, HasSubstr("nested too deeply"));
    EXPECT_THAT(server.events, IsEmpty());
}

TEST_F(Connected, AMillionNestedListsCostNothing) {
    Encoder encoder(1);
    encoder.open("call");
    encoder.integer(50);
    encoder.integer(1);
    encoder.string("x");
    encoder.open("arguments");
    encoder.integer(1);
    ASSERT_TRUE(server.give(encoder.out()));
    ByteBuffer lists;
    for (int i = 0; i < 1'000'000; ++i) append(lists, ByteBuffer{0x88, 0x04, 0x87});
    ASSERT_TRUE(server.give(lists));
    EXPECT_THAT(to_string(server.broker.take_output()), HasSubstr("nested too deeply"));
    ASSERT_TRUE(server.give(ByteBuffer(1'000'002, 0x89)));
    call("fine");
    talk(client, server);
    EXPECT_EQ(server.take<IncomingCall>().method, "fine");
}

// ---- supplied bytes

class NotedSupply final : public Supply {
  public:
    explicit NotedSupply(int& alive) : alive_(alive) { ++alive_; }
    ~NotedSupply() override { --alive_; }

  private:
    int& alive_;
};

class Supplying : public Connected {
  protected:
    Value supplied(std::uint64_t size) {
        return SuppliedBytes{std::make_shared<NotedSupply>(alive), size};
    }
    // What the server sends, with 'x' for what is supplied, up to its next silence.
    void send_all() {
        while (true) {
            const ByteBuffer bytes = server.broker.take_output();
            if (!bytes.empty()) {
                ASSERT_TRUE(client.give(bytes)) << client.error;
                continue;
            }
            const SuppliedBytes* next = server.broker.next_supply();
            if (next == nullptr) return;
            ASSERT_TRUE(client.give(ByteBuffer(next->size, 'x'))) << client.error;
            server.broker.supply_sent();
        }
    }
    Value answered() { return std::get<Value>(client.take<Answered>().outcome); }

    int alive = 0;
};

TEST_F(Supplying, AnAnswersBytesAreSentByTheHostInTheirPlace) {
    call("read");
    call("other");
    talk(client, server);
    const auto read = server.take<IncomingCall>();
    const auto other = server.take<IncomingCall>();
    server.broker.answer(read.call, Value::list({supplied(1000), Value::integer(5), supplied(1)}));
    server.broker.answer(other.call, Value::bytes("behind it"));
    EXPECT_EQ(server.broker.supplied_bytes(), 1001u);
    EXPECT_LT(server.broker.output_size(), 200u);

    EXPECT_EQ(server.broker.next_supply(), nullptr) << "what stands before it comes first";
    ASSERT_TRUE(client.give(server.broker.take_output()));
    EXPECT_THAT(server.broker.take_output(), IsEmpty());
    ASSERT_NE(server.broker.next_supply(), nullptr);
    EXPECT_EQ(server.broker.next_supply()->size, 1000u);
    send_all();
    EXPECT_EQ(answered(), Value::list({Value::bytes(std::string(1000, 'x')), Value::integer(5),
                                       Value::bytes("x")}));
    EXPECT_EQ(answered(), Value::bytes("behind it"));
    EXPECT_EQ(server.broker.supplied_bytes(), 0u);
    EXPECT_EQ(server.broker.output_size(), 0u);
    EXPECT_EQ(alive, 0);
}

TEST_F(Supplying, ManyAnswersKeepTheirOrder) {
    constexpr int kCalls = 100;
    for (int i = 0; i < kCalls; ++i) call("read");
    talk(client, server);
    for (int i = 0; i < kCalls; ++i)
        server.broker.answer(
            server.take<IncomingCall>().call,
            i % 3 == 0 ? Value::integer(i) : supplied(static_cast<std::uint64_t>(i)));
    send_all();
    for (int i = 0; i < kCalls; ++i)
        EXPECT_EQ(answered(), i % 3 == 0
                                  ? Value::integer(i)
                                  : Value::bytes(std::string(static_cast<std::size_t>(i), 'x')));
    EXPECT_EQ(alive, 0);
}

TEST_F(Supplying, OutputMadeMeanwhileWaitsForTheBytes) {
    call("read");
    talk(client, server);
    server.broker.answer(server.take<IncomingCall>().call, supplied(7));
    ASSERT_TRUE(client.give(server.broker.take_output()));
    server.broker.ping(0);
    EXPECT_THAT(server.broker.take_output(), IsEmpty());
    send_all();
    EXPECT_EQ(answered(), Value::bytes("xxxxxxx"));
    EXPECT_FALSE(client.broker.take_output().empty()) << "the ping came after it";
}

TEST_F(Supplying, AStringOfAWordOfTheTableIsStillAString) {
    call("read");
    talk(client, server);
    server.broker.answer(server.take<IncomingCall>().call, supplied(4));
    ASSERT_TRUE(client.give(server.broker.take_output()));
    ASSERT_TRUE(client.give(as_bytes("list")));
    server.broker.supply_sent();
    send_all();
    EXPECT_EQ(answered(), Value::bytes("list"));
}

}  // namespace
}  // namespace s4::proto::foolscap
