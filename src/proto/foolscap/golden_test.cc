// What real Tahoe nodes said to each other (tests/golden/foolscap), replayed against the machines.
#include <gmock/gmock.h>
#include <golden/conversation.h>
#include <gtest/gtest.h>

#include <map>

#include "proto/foolscap/broker.h"
#include "proto/foolscap/negotiation.h"

namespace s4::proto::foolscap {
namespace {

using ::testing::Contains;
using ::testing::Key;

class Golden : public ::testing::TestWithParam<const char*> {
  protected:
    golden::Conversation conversation =
        golden::read(std::string(S4_SOURCE_DIR) + "/tests/golden/foolscap/" + GetParam());

    std::map<int, std::vector<golden::Event>> by_connection() const {
        std::map<int, std::vector<golden::Event>> out;
        for (const golden::Event& event : conversation.events)
            out[event.connection].push_back(event);
        return out;
    }
};

std::string field(std::string_view text, std::string_view key) {
    const std::size_t at = text.find(std::string(key) + ": ");
    if (at == std::string_view::npos) return "";
    text.remove_prefix(at + key.size() + 2);
    return std::string(text.substr(0, text.find("\r\n")));
}

// The negotiation lines of one direction.
std::string lines(const std::vector<golden::Event>& events, bool from_connector) {
    std::string out;
    for (const golden::Event& event : events)
        if (event.kind == golden::EventKind::kLine && event.from_connector == from_connector)
            out += as_text(event.bytes);
    return out;
}

TEST_P(Golden, OurListenerNegotiatesWordForWord) {
    const std::string& tub = conversation.facts.at("listener-tub");
    std::optional<DuplicateTable> table;
    std::int64_t next = 1;
    for (const auto& [number, events] : by_connection()) {
        const std::string theirs = lines(events, true);
        const std::string recorded = lines(events, false);
        if (!table) table.emplace(field(recorded, "my-incarnation"));
        Negotiation machine = Negotiation::listener();
        ByteView bytes = as_bytes(theirs);
        auto step = machine.receive(bytes);
        ASSERT_TRUE(std::holds_alternative<Negotiation::ChooseTub>(step));
        EXPECT_EQ(std::get<Negotiation::ChooseTub>(step).tub_id, tub);
        machine.tub_chosen(ConnectionId{next++}, tub, *table);
        machine.tls_ready(field(theirs, "my-tub-id"));
        step = machine.receive(bytes);
        ASSERT_TRUE(std::holds_alternative<Negotiation::Established>(step)) << number;
        EXPECT_EQ(to_string(machine.take_output()), recorded) << number;
        table->detach(field(theirs, "my-tub-id"), ConnectionId{next - 1});
    }
}

// A host for which everything that the other side names exists.
class Anything final : public MessageHost {
  public:
    std::optional<Target> find_target(std::uint64_t clid) override {
        return Target{ObjectId{static_cast<std::int64_t>(clid)}, ""};
    }
    ArgumentMode argument_mode(ObjectId, std::string_view method) override {
        ++methods[std::string(method)];
        return ArgumentMode::whole;
    }
    bool request_is_active(std::uint64_t) override { return false; }
    bool own_request_is_active(std::uint64_t) override { return true; }
    Result<RemoteReference> reference_received(std::uint64_t clid, std::optional<std::string>,
                                               std::optional<std::string>) override {
        return RemoteReference{clid, ""};
    }
    void reference_dropped(std::uint64_t) override {}

    std::map<std::string, int> methods;
};

class SameClid final : public Exporter {
    Export export_object(const Referenceable& object) override {
        return {static_cast<std::uint64_t>(object.object.value), false};
    }
};

std::vector<ReadEvent> read_all(ByteView bytes, Anything& host) {
    const BrokerLimits limits;
    Decoder decoder;
    MessageReader reader(1, limits, host);
    std::vector<ReadEvent> out;
    while (true) {
        const auto token = decoder.next(bytes);
        EXPECT_TRUE(token);
        if (!token || !*token) break;
        EXPECT_TRUE(reader.feed(**token));
        while (auto event = reader.next()) out.push_back(*std::move(event));
    }
    EXPECT_TRUE(reader.between_messages());
    return out;
}

// A value as its sender would have it: what the reader calls remote is the sender's own, and the
// other way round.
Value turned(const Value& value) {
    if (const auto* remote = value.as_remote())
        return Referenceable{ObjectId{static_cast<std::int64_t>(remote->clid)}, ""};
    if (const auto* own = value.as_referenceable())
        return RemoteReference{static_cast<std::uint64_t>(own->object.value), ""};
    if (const auto* items = value.as_sequence()) {
        Value::Items out;
        for (const Value& item : *items) out.push_back(turned(item));
        return Value::sequence(value.kind(), std::move(out));
    }
    if (const auto* entries = value.as_dict()) {
        Value::Entries out;
        for (const auto& [key, item] : *entries) out.emplace_back(turned(key), turned(item));
        return Value::dict(std::move(out));
    }
    return value;
}

Arguments turned(const Arguments& arguments) {
    Arguments out;
    for (const Value& value : arguments.positional) out.positional.push_back(turned(value));
    for (const auto& [name, value] : arguments.keyword)
        out.keyword.emplace_back(name, turned(value));
    return out;
}

void write_again(Encoder& out, const ReadEvent& event) {
    SameClid exporter;
    if (const auto* call = std::get_if<CallRead>(&event))
        return write_call(out, exporter, call->request,
                          static_cast<std::uint64_t>(call->object.value), call->method,
                          turned(call->arguments));
    const auto& answer = std::get<AnswerRead>(event);
    if (const auto* failure = std::get_if<Failure>(&answer.outcome))
        return write_error(out, answer.request, *failure);
    write_answer(out, exporter, answer.request, turned(std::get<Value>(answer.outcome)));
}

TEST_P(Golden, EveryMessageIsUnderstoodAndSurvivesBeingWrittenAgain) {
    Anything host;
    std::size_t messages = 0;
    for (const auto& [number, events] : by_connection()) {
        for (const bool from_connector : {true, false}) {
            ByteBuffer bytes;
            for (const golden::Event& event : events)
                if (event.kind == golden::EventKind::kTokens &&
                    event.from_connector == from_connector)
                    append(bytes, event.bytes);
            const auto read = read_all(bytes, host);
            Encoder again(1);
            for (const ReadEvent& event : read) {
                EXPECT_FALSE(std::holds_alternative<CallRefused>(event));
                write_again(again, event);
            }
            Anything unused;
            const auto reread = read_all(again.out(), unused);
            ASSERT_EQ(reread.size(), read.size());
            messages += read.size();
            for (std::size_t i = 0; i < read.size(); ++i) {
                if (const auto* call = std::get_if<CallRead>(&read[i])) {
                    EXPECT_EQ(std::get<CallRead>(reread[i]).arguments, call->arguments);
                } else {
                    EXPECT_EQ(std::get<AnswerRead>(reread[i]).outcome,
                              std::get<AnswerRead>(read[i]).outcome);
                }
            }
        }
    }
    EXPECT_GT(messages, 10u);
    EXPECT_THAT(host.methods, Contains(Key("getReferenceByName")));
    EXPECT_THAT(host.methods, Contains(Key("get_version")));
}

// A message without references is spelled by us exactly as by the reference.
TEST_P(Golden, MessagesWithoutReferencesAreSpelledAlike) {
    std::size_t compared = 0;
    for (const golden::Event& event : conversation.events) {
        if (event.kind != golden::EventKind::kTokens) continue;
        std::string text = to_string(event.bytes);
        if (event.tokens.empty() || event.tokens[0].number != 0 || text.contains("pb://")) continue;
        Anything host;
        const auto read = read_all(event.bytes, host);
        Encoder again(1);
        for (const ReadEvent& message : read) write_again(again, message);
        EXPECT_EQ(to_string(again.out()), text);
        ++compared;
    }
    EXPECT_GT(compared, 0u);
}

INSTANTIATE_TEST_SUITE_P(Foolscap, Golden,
                         ::testing::Values("introducer-master.golden", "introducer-slave.golden",
                                           "storage-master.golden", "storage-slave.golden"),
                         [](const auto& info) {
                             std::string name = info.param;
                             name = name.substr(0, name.find('.'));
                             name[name.find('-')] = '_';
                             return name;
                         });

}  // namespace
}  // namespace s4::proto::foolscap
