#include "proto/foolscap/negotiation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s4::proto::foolscap {
namespace {

using ::testing::HasSubstr;

// 'z' > 'a' > '2': the tub with the larger id is master.
const std::string kLow = "2" + std::string(31, 'a');
const std::string kHigh = "z" + std::string(31, 'a');
constexpr std::string_view kIncarnation = "57009250bb1db740";

using Step = Negotiation::Step;

template <typename T>
bool is(const Step& step) {
    return std::holds_alternative<T>(step);
}

// One end with the pump's part played by the test.
class End {
  public:
    explicit End(Negotiation negotiation) : machine(std::move(negotiation)) {}

    // Gives bytes in steps of `step` until something else than Wait comes; returns what was left.
    std::string give(std::string_view text, std::size_t step = 4096) {
        ByteView bytes = as_bytes(text);
        while (!bytes.empty()) {
            ByteView piece = bytes.first(std::min(step, bytes.size()));
            const std::size_t size = piece.size();
            last = machine.receive(piece);
            bytes = bytes.subspan(size - piece.size());
            if (!is<Negotiation::Wait>(last)) break;
        }
        return std::string(as_text(bytes));
    }
    std::string sent() { return to_string(machine.take_output()); }
    const Negotiation::Failed& failed() const { return std::get<Negotiation::Failed>(last); }
    const Negotiation::Established& established() const {
        return std::get<Negotiation::Established>(last);
    }

    Negotiation machine;
    Step last = Negotiation::Wait{};
};

std::string request(const std::string& tub) {
    return "GET /id/" + tub +
           " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: TLS/1.0\r\n"
           "Connection: Upgrade\r\n\r\n";
}
constexpr std::string_view kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\nConnection: Upgrade\r\n\r\n";

std::string hello(const std::string& tub, std::string_view incarnation,
                  std::string_view last = "") {
    std::string out = "banana-negotiation-range: 3 3\r\ninitial-vocab-table-range: 0 1\r\n";
    if (!last.empty()) out += "last-connection: " + std::string(last) + "\r\n";
    return out + "my-incarnation: " + std::string(incarnation) + "\r\nmy-tub-id: " + tub +
           "\r\n\r\n";
}

class Listener : public ::testing::Test {
  protected:
    // A listener for tub `mine` that has TLS with a peer whose certificate says `peer`.
    End in_tls(const std::string& mine, std::optional<std::string> peer,
               ConnectionId id = ConnectionId{1}) {
        End end(Negotiation::listener());
        end.give(request(mine));
        EXPECT_TRUE(is<Negotiation::ChooseTub>(end.last));
        EXPECT_TRUE(is<Negotiation::StartTls>(end.machine.tub_chosen(id, mine, table)));
        EXPECT_EQ(end.sent(), kSwitching);
        EXPECT_TRUE(is<Negotiation::Wait>(end.machine.tls_ready(std::move(peer))));
        EXPECT_EQ(end.sent(), hello(mine, kIncarnation));
        return end;
    }
    DuplicateTable table{std::string(kIncarnation)};
};

TEST_F(Listener, AsMasterDecidesAndSwitchesAtOnce) {
    for (const std::size_t step : {1, 5, 4096}) {
        DuplicateTable fresh{std::string(kIncarnation)};
        End end(Negotiation::listener());
        end.give(request(kHigh), step);
        ASSERT_TRUE(is<Negotiation::ChooseTub>(end.last));
        EXPECT_EQ(std::get<Negotiation::ChooseTub>(end.last).tub_id, kHigh);
        end.machine.tub_chosen(ConnectionId{9}, kHigh, fresh);
        end.machine.tls_ready(kLow);
        end.sent();
        EXPECT_EQ(end.give(hello(kLow, "ceac47d5b5c92616", "none 0") + "more", step), "more");
        ASSERT_TRUE(is<Negotiation::Established>(end.last));
        EXPECT_EQ(end.established().role, Negotiation::Role::master);
        EXPECT_EQ(end.established().peer_tub_id, kLow);
        EXPECT_EQ(end.established().vocabulary_table, 1);
        EXPECT_EQ(end.sent(),
                  "banana-decision-version: 3\r\ncurrent-connection: 57009250bb1db740 1\r\n"
                  "initial-vocab-table-index: 1 bb33\r\n\r\n");
        EXPECT_EQ(fresh.live(kLow), ConnectionId{9});
    }
}

TEST_F(Listener, AsSlaveWaitsForTheDecision) {
    End end = in_tls(kLow, kHigh);
    end.give(hello(kHigh, "ceac47d5b5c92616", "none 0"));
    EXPECT_TRUE(is<Negotiation::Wait>(end.last));
    EXPECT_EQ(end.sent(), "");
    const std::string left = end.give(
        "banana-decision-version: 3\r\ncurrent-connection: ceac47d5b5c92616 4\r\n"
        "initial-vocab-table-index: 1 bb33\r\n\r\n\x01\x88");
    ASSERT_TRUE(is<Negotiation::Established>(end.last));
    EXPECT_EQ(end.established().role, Negotiation::Role::slave);
    EXPECT_EQ(left, "\x01\x88");
    EXPECT_EQ(table.last_connection(kHigh), (ConnectionMark{"ceac47d5b5c92616", 4}));
}

TEST_F(Listener, AgreesOnTheEmptyVocabularyWithAPeerThatKnowsNoOther) {
    for (const char* line : {"initial-vocab-table-range: 0 0\r\n", ""}) {
        DuplicateTable fresh{std::string(kIncarnation)};
        End end(Negotiation::listener());
        end.give(request(kHigh));
        end.machine.tub_chosen(ConnectionId{1}, kHigh, fresh);
        end.machine.tls_ready(kLow);
        end.sent();
        end.give("banana-negotiation-range: 1 3\r\n" + std::string(line) + "my-tub-id: " + kLow +
                 "\r\n\r\n");
        ASSERT_TRUE(is<Negotiation::Established>(end.last));
        EXPECT_EQ(end.established().vocabulary_table, 0);
        EXPECT_THAT(end.sent(), HasSubstr("initial-vocab-table-index: 0 da39\r\n"));
    }
}

TEST_F(Listener, NamesTheTubItDoesNotKnow) {
    End end(Negotiation::listener());
    end.give(request("nobody"));
    end.last = end.machine.tub_unknown();
    EXPECT_TRUE(is<Negotiation::Failed>(end.last));
    EXPECT_EQ(end.sent(), "HTTP/1.1 500 Internal Server Error: unknown TubID nobody\r\n\r\n");
}

TEST_F(Listener, SaysWhyATubTakesNoConnection) {
    End end(Negotiation::listener());
    end.give(request(kHigh));
    end.last = end.machine.tub_refused("too many connections");
    EXPECT_TRUE(is<Negotiation::Failed>(end.last));
    EXPECT_EQ(end.sent(), "HTTP/1.1 500 Internal Server Error: too many connections\r\n\r\n");
}

TEST_F(Listener, AnswersBadRequestsInPlaintext) {
    constexpr std::string_view kGeneric =
        "HTTP/1.1 500 Internal Server Error: internal server error, see logs\r\n\r\n";
    const std::pair<std::string, std::string> cases[] = {
        {"GET /id/ HTTP/1.1\r\n\r\n",
         "HTTP/1.1 500 Internal Server Error: secure Tubs require encryption\r\n\r\n"},
        {"POST /id/x HTTP/1.1\r\n\r\n", std::string(kGeneric)},
        {"GET / HTTP/1.1\r\n\r\n", std::string(kGeneric)},
        {"GET /id/x\r\n\r\n", std::string(kGeneric)},
        {"GET /id/x y HTTP/1.1\r\n\r\n", std::string(kGeneric)},
        {"\r\n\r\n", std::string(kGeneric)},
        {std::string(5000, 'x'), std::string(kGeneric)},
    };
    for (const auto& [text, answer] : cases) {
        End end(Negotiation::listener());
        end.give(text, 5000);
        EXPECT_TRUE(is<Negotiation::Failed>(end.last)) << text;
        EXPECT_EQ(end.sent(), answer);
    }
}

TEST_F(Listener, TakesABlockAtTheLimitAndRefusesOnePastIt) {
    for (const std::size_t step : {1, 100, 5000}) {
        std::string block = "GET /id/x HTTP/1.1\r\nX: ";
        block += std::string(kNegotiationBytesMax - block.size() - 4, 'x') + "\r\n\r\n";
        ASSERT_EQ(block.size(), kNegotiationBytesMax);
        End fits(Negotiation::listener());
        // What follows the block is not counted.
        fits.give(block + std::string(5000, 'y'), step);
        EXPECT_TRUE(is<Negotiation::ChooseTub>(fits.last));

        block.insert(25, "x");
        End too_long(Negotiation::listener());
        too_long.give(block, step);
        EXPECT_TRUE(is<Negotiation::Failed>(too_long.last));
    }
}

TEST_F(Listener, RefusesHellosWithTheReferencesTexts) {
    constexpr std::string_view kGeneric = "internal server error, see logs";
    const std::string tub_line = "my-tub-id: " + kLow + "\r\n";
    const std::string range = "banana-negotiation-range: 3 3\r\n";
    const std::pair<std::string, std::string_view> cases[] = {
        {tub_line, "No valid banana-negotiation sequence seen"},
        {"banana-negotiation-range: 1 2\r\n" + tub_line, "I can't handle banana version 2"},
        {"banana-negotiation-range: 4 5\r\n" + tub_line, "You can't handle banana version 3"},
        {"banana-negotiation-range: x\r\n" + tub_line, kGeneric},
        {range + "negotiation-forced: true\r\n" + tub_line, kGeneric},
        {range + "my-tub-id: " + kHigh + "\r\n", kGeneric},  // TubID mismatch
        {range, kGeneric},
        {range + tub_line + "no colon here\r\n", kGeneric},
        {range + tub_line + "initial-vocab-table-range: 2 3\r\n",
         "You can't handle initial vocab set 1"},
        {range + tub_line + "initial-vocab-table-range: two\r\n", kGeneric},
        {range + tub_line + "last-connection: x\r\n", kGeneric},
    };
    for (const auto& [text, error] : cases) {
        End end = in_tls(kHigh, kLow);
        end.give(text + "\r\n");
        EXPECT_TRUE(is<Negotiation::Failed>(end.last)) << text;
        EXPECT_EQ(end.sent(),
                  "banana-decision-version: 1\r\nerror: " + std::string(error) + "\r\n\r\n");
        EXPECT_EQ(table.live(kLow), std::nullopt);
    }
}

TEST_F(Listener, RefusesAPeerWithoutCertificate) {
    End end = in_tls(kHigh, std::nullopt);
    end.give(hello(kLow, "x", "none 0"));
    EXPECT_TRUE(is<Negotiation::Failed>(end.last));
    EXPECT_THAT(end.sent(), HasSubstr("error: internal server error, see logs"));
}

TEST_F(Listener, SaysNothingToAPeerThatReportsAnError) {
    End end = in_tls(kHigh, kLow);
    end.give("banana-decision-version: 1\r\nerror: I give up\r\n\r\n");
    ASSERT_TRUE(is<Negotiation::Failed>(end.last));
    EXPECT_EQ(end.failed().error.code(), "negotiation.remote");
    EXPECT_EQ(end.sent(), "");
}

TEST_F(Listener, AsMasterRefusesADuplicateAndReplacesADeadConnection) {
    End first = in_tls(kHigh, kLow, ConnectionId{1});
    first.give(hello(kLow, "aaaa", "none 0"));
    ASSERT_TRUE(is<Negotiation::Established>(first.last));

    End parallel = in_tls(kHigh, kLow, ConnectionId{2});
    parallel.give(hello(kLow, "aaaa", "none 0"));
    ASSERT_TRUE(is<Negotiation::Failed>(parallel.last));
    EXPECT_EQ(parallel.failed().error.code(), "negotiation.duplicate");
    EXPECT_EQ(parallel.sent(), "banana-decision-version: 1\r\nerror: Duplicate connection\r\n\r\n");
    EXPECT_EQ(table.live(kLow), ConnectionId{1});

    End again = in_tls(kHigh, kLow, ConnectionId{3});
    again.give(hello(kLow, "aaaa", std::string(kIncarnation) + " 1"));
    ASSERT_TRUE(is<Negotiation::Established>(again.last));
    EXPECT_EQ(again.established().replaced, ConnectionId{1});
    EXPECT_THAT(again.sent(), HasSubstr("current-connection: 57009250bb1db740 2\r\n"));
}

TEST_F(Listener, AsSlaveAnswersABadDecisionWithABananaError) {
    const std::pair<std::string, std::string_view> cases[] = {
        {"x: y\r\n", "No banana-decision-version value"},
        {"banana-decision-version: 2\r\n", "I cannot handle banana-decision-version value of 2"},
        {"banana-decision-version: 3\r\ninitial-vocab-table-index: 2 abcd\r\n",
         "I can't handle initial vocab table index 2"},
        {"banana-decision-version: 3\r\ninitial-vocab-table-index: 1 abcd\r\n",
         "Our hash for vocab-table-index 1 (bb33) does not match your hash (abcd)"},
        {"banana-decision-version: 3\r\ncurrent-connection: x\r\n",
         "internal server error, see logs"},
    };
    for (const auto& [decision, text] : cases) {
        End end = in_tls(kLow, kHigh);
        end.give(hello(kHigh, "x", "none 0"));
        end.give(decision + "\r\n");
        ASSERT_TRUE(is<Negotiation::Failed>(end.last)) << decision;
        const std::string sent = end.sent();
        ASSERT_EQ(sent.size(), text.size() + (text.size() > 127 ? 3 : 2));
        EXPECT_TRUE(sent.ends_with("\x8d" + std::string(text)));
        EXPECT_EQ(table.live(kHigh), std::nullopt);
    }
}

TEST(Negotiation, TimesOutSilently) {
    Negotiation machine = Negotiation::listener();
    EXPECT_TRUE(is<Negotiation::Failed>(machine.timed_out()));
    EXPECT_TRUE(machine.take_output().empty());
}

// Both machines against each other, bytes handed over in pieces of every size.
void meet(const std::string& listening, const std::string& connecting, std::size_t step) {
    DuplicateTable listening_table("1111111111111111");
    DuplicateTable connecting_table("2222222222222222");
    End connector(Negotiation::connector(ConnectionId{1}, connecting, connecting_table, listening,
                                         "example.org"));
    End listener(Negotiation::listener());
    const std::string first = connector.sent();
    EXPECT_THAT(first, HasSubstr("Host: example.org\r\n"));
    listener.give(first, step);
    ASSERT_TRUE(is<Negotiation::ChooseTub>(listener.last));
    listener.machine.tub_chosen(ConnectionId{2}, listening, listening_table);
    connector.give(listener.sent(), step);
    ASSERT_TRUE(is<Negotiation::StartTls>(connector.last));
    connector.machine.tls_ready(listening);
    listener.machine.tls_ready(connecting);
    const std::string from_connector = connector.sent();
    EXPECT_THAT(from_connector, HasSubstr("last-connection: none 0\r\n"));
    connector.give(listener.sent(), step);
    listener.give(from_connector, step);
    connector.give(listener.sent(), step);
    listener.give(connector.sent(), step);
    ASSERT_TRUE(is<Negotiation::Established>(connector.last));
    ASSERT_TRUE(is<Negotiation::Established>(listener.last));
    EXPECT_NE(connector.established().role, listener.established().role);
    const bool listener_is_master = listening > connecting;
    EXPECT_EQ(listener.established().role == Negotiation::Role::master, listener_is_master);
    // The slave remembers the mark, which a connector sends the next time.
    if (listener_is_master)
        EXPECT_EQ(connecting_table.last_connection(listening),
                  (ConnectionMark{"1111111111111111", 1}));
}

TEST(Negotiation, ListenerAndConnectorMeetInEitherRole) {
    for (const std::size_t step : {1, 3, 4096}) {
        meet(kHigh, kLow, step);
        meet(kLow, kHigh, step);
    }
}

TEST(Connector, RefusesAnAnswerThatDoesNotSwitchAndTheWrongTub) {
    DuplicateTable table("1");
    for (const char* answer :
         {"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "\r\n\r\n",
          "HTTP/1.1 500 Internal Server Error: unknown TubID x\r\n\r\n"}) {
        End end(Negotiation::connector(ConnectionId{1}, kLow, table, kHigh, "h"));
        end.give(answer);
        EXPECT_TRUE(is<Negotiation::Failed>(end.last)) << answer;
    }
    End wrong(Negotiation::connector(ConnectionId{1}, kLow, table, kHigh, "h"));
    wrong.give(kSwitching);
    const std::string other = "y" + std::string(31, 'a');
    wrong.machine.tls_ready(other);
    wrong.give(hello(other, "x"));
    ASSERT_TRUE(is<Negotiation::Failed>(wrong.last));
    EXPECT_EQ(wrong.failed().error.message(), "connected to the wrong Tub");
}

TEST(Connector, AsMasterRefusesWhileAnInboundConnectionIsAlive) {
    DuplicateTable table("1");
    table.attach_as_master(kLow, ConnectionId{7}, "x");
    End end(Negotiation::connector(ConnectionId{8}, kHigh, table, kLow, "h"));
    end.give(kSwitching);
    end.machine.tls_ready(kLow);
    end.give(hello(kLow, "x"));  // a listener sends no last-connection
    ASSERT_TRUE(is<Negotiation::Failed>(end.last));
    EXPECT_EQ(end.failed().error.code(), "negotiation.duplicate");
}

}  // namespace
}  // namespace s4::proto::foolscap
