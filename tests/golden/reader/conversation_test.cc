#include <golden/conversation.h>

#include <gtest/gtest.h>

namespace s4::golden {
namespace {

Conversation golden(const std::string& name) {
    return read(S4_SOURCE_DIR "/tests/golden/" + name + ".golden");
}

TEST(Conversation, GbsExchangesComeBackAsTheBytesOnTheWire) {
    const Conversation c = golden("gbs/first-contact");
    EXPECT_EQ(c.kind, "gbs");
    EXPECT_EQ(c.facts.at("swissnum").size(), 32u);
    ASSERT_FALSE(c.exchanges.empty());
    const Exchange& first = c.exchanges.front();
    EXPECT_EQ(first.request_line, "GET /storage/v1/version HTTP/1.1");
    EXPECT_TRUE(to_string(first.request_bytes()).ends_with("\r\n\r\n"));
    EXPECT_EQ(first.status(), 200);
    EXPECT_EQ(first.response_header("content-type"), "application/cbor");
    ASSERT_TRUE(first.chunked);
    EXPECT_TRUE(to_string(first.response_bytes()).ends_with("\r\n0\r\n\r\n"));
}

TEST(Conversation, ContentLengthsAgreeWithBodies) {
    for (const char* name :
         {"immutable-small", "immutable-segments", "sdmf", "mdmf", "directory"}) {
        for (const Exchange& e : golden(std::string("gbs/") + name).exchanges) {
            const std::string length = e.response_header("content-length");
            const bool head = e.request_line.starts_with("HEAD ");
            if (!length.empty() && !head) EXPECT_EQ(std::stoul(length), e.response_body().size());
        }
    }
}

TEST(Conversation, PatternsStandForTheBytesAtTheirOffset) {
    const Conversation c = golden("gbs/immutable-segments");
    std::size_t patched = 0;
    for (const Exchange& e : c.exchanges)
        if (e.request_line.starts_with("PATCH ")) patched += e.request_body.size();
    EXPECT_GT(patched, 2'500'000u);
}

TEST(Conversation, FoolscapTokensComeBackAsTheBytesOnTheWire) {
    const Conversation c = golden("foolscap/introducer-master");
    EXPECT_EQ(c.kind, "foolscap");
    std::size_t messages = 0;
    for (const Event& e : c.events) {
        EXPECT_NE(e.kind, EventKind::kRaw);
        if (e.kind != EventKind::kTokens) continue;
        ++messages;
        EXPECT_EQ(e.tokens.front().kind, "open");
        EXPECT_EQ(e.tokens.back().kind, "close");
        EXPECT_EQ(e.tokens.front().number, e.tokens.back().number);
        EXPECT_EQ(e.bytes.back(), 0x89);
    }
    EXPECT_GT(messages, 20u);
}

}  // namespace
}  // namespace s4::golden
