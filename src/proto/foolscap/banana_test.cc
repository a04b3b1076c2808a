#include "proto/foolscap/banana.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "codec/hex.h"
#include "proto/foolscap/vocabulary.h"

namespace s4::proto::foolscap {
namespace {

using ::testing::HasSubstr;

// A token with its own copy of the body; strings whole.
struct Whole {
    TokenType type;
    std::uint64_t number = 0;
    std::string body;
    double floating = 0;
    bool oversized = false;
    friend bool operator==(const Whole&, const Whole&) = default;
};

Result<std::vector<Whole>> decode(ByteView bytes, std::size_t step) {
    Decoder decoder;
    std::vector<Whole> out;
    while (!bytes.empty()) {
        ByteView piece = bytes.first(std::min(step, bytes.size()));
        bytes = bytes.subspan(piece.size());
        while (true) {
            const auto token = TRY(decoder.next(piece));
            if (!token) break;
            if (token->type == TokenType::string && !token->first) {
                out.back().body += as_text(token->body);
            } else {
                out.push_back({token->type, token->number, to_string(token->body), token->floating,
                               token->oversized});
            }
        }
        EXPECT_TRUE(piece.empty());
    }
    return out;
}

std::string hex(const Encoder& encoder) {
    return codec::hex::encode(const_cast<Encoder&>(encoder).out());
}

std::string encoded(std::int64_t value) {
    Encoder encoder(1);
    encoder.integer(value);
    return hex(encoder);
}

TEST(Encoder, ChoosesTheFormOfIntegersAsTheReferenceDoes) {
    EXPECT_EQ(encoded(0), "0081");
    EXPECT_EQ(encoded(1), "0181");
    EXPECT_EQ(encoded(127), "7f81");
    EXPECT_EQ(encoded(128), "000181");
    EXPECT_EQ(encoded((std::int64_t{1} << 31) - 1), "7f7f7f7f0781");
    EXPECT_EQ(encoded(std::int64_t{1} << 31), "048580000000");
    EXPECT_EQ(encoded(10737418240), "05850280000000");
    EXPECT_EQ(encoded(-1), "0183");
    EXPECT_EQ(encoded(-(std::int64_t{1} << 31)), "000000000883");
    EXPECT_EQ(encoded(-(std::int64_t{1} << 31) - 1), "048680000001");
    EXPECT_EQ(encoded(std::numeric_limits<std::int64_t>::min()), "08868000000000000000");
    EXPECT_EQ(encoded(std::numeric_limits<std::int64_t>::max()), "08857fffffffffffffff");
}

TEST(Encoder, WritesTheWorkedExampleOfGetReferenceByName) {
    Encoder encoder(1);
    encoder.open("call");
    encoder.integer(1);
    encoder.integer(0);
    encoder.string("getReferenceByName");
    encoder.open("arguments");
    encoder.integer(0);
    encoder.string("name");
    encoder.string("ejefscp4whezvluw5gxdb62jeibdwqib");
    encoder.close();
    encoder.close();
    EXPECT_EQ(hex(encoder),
              "00880b870181008112826765745265666572656e636542794e616d6501880c87008104826e616d652082"
              "656a6566736370347768657a766c7577356778646236326a65696264777169620189"
              "0089");
    EXPECT_EQ(encoder.size(), 78u);
}

TEST(Encoder, SendsWordsOfTheTableAsNumbersOnlyIfItIsAgreedOn) {
    Encoder with(1);
    with.string("list");
    with.string("none");
    with.string("lists");
    with.string("");
    EXPECT_EQ(hex(with),
              "0487"
              "0087"
              "05826c69737473"
              "0082");
    Encoder without(0);
    without.open("list");
    without.close();
    EXPECT_EQ(hex(without),
              "0088"
              "04826c697374"
              "0089");
}

TEST(Encoder, WritesPingPongErrorAndFloat) {
    Encoder encoder(1);
    encoder.ping(7);
    encoder.ping(0);
    encoder.pong(ByteBuffer{7});
    encoder.floating(-1.5);
    encoder.error("no");
    EXPECT_EQ(hex(encoder),
              "078e"
              "008e"
              "078f"
              "84bff8000000000000"
              "028d6e6f");
    Encoder long_error(1);
    long_error.error(std::string(kErrorTextBytesMax + 1, 'x'));
    EXPECT_EQ(long_error.size(), kErrorTextBytesMax + 3);
}

TEST(Decoder, GivesTheSameTokensHoweverTheBytesAreCut) {
    Encoder encoder(1);
    encoder.open("call");
    encoder.integer(-5);
    encoder.integer(std::int64_t{1} << 40);
    encoder.integer(-(std::int64_t{1} << 40));
    encoder.string(std::string(1000, 'a'));
    encoder.string("");
    encoder.floating(2.25);
    encoder.ping(3);
    encoder.close();
    encoder.error("bye");
    const auto whole = decode(encoder.out(), encoder.size());
    ASSERT_TRUE(whole);
    ASSERT_EQ(whole->size(), 11u);
    EXPECT_EQ((*whole)[5].body, std::string(1000, 'a'));
    EXPECT_EQ((*whole)[7].floating, 2.25);
    for (const std::size_t step : {1, 2, 3, 7, 100})
        EXPECT_EQ(*decode(encoder.out(), step), *whole);
}

TEST(Decoder, GivesStringsInThePiecesInWhichTheyCome) {
    Decoder decoder;
    const ByteBuffer bytes{0x05, 0x82, 'a', 'b'};
    ByteView view = bytes;
    const auto first = decoder.next(view);
    ASSERT_TRUE(first && *first);
    EXPECT_TRUE((*first)->first);
    EXPECT_EQ((*first)->number, 5u);
    EXPECT_EQ((*first)->remaining, 3u);
    EXPECT_EQ(as_text((*first)->body), "ab");
    EXPECT_FALSE(*decoder.next(view));
    const ByteBuffer rest{'c', 'd', 'e', 0x81};
    view = rest;
    const auto second = decoder.next(view);
    ASSERT_TRUE(second && *second);
    EXPECT_FALSE((*second)->first);
    EXPECT_EQ((*second)->remaining, 0u);
    EXPECT_EQ(view.size(), 1u);
    EXPECT_EQ((*decoder.next(view))->type, TokenType::integer);
}

TEST(Decoder, EchoesThePingHeaderDigitForDigit) {
    ByteBuffer ping(kTokenHeaderBytesMax, 0x7f);
    ping.push_back(0x8e);
    const auto tokens = decode(ping, 1);
    ASSERT_TRUE(tokens);
    EXPECT_EQ((*tokens)[0].body, std::string(kTokenHeaderBytesMax, 0x7f));
}

TEST(Decoder, AcceptsAHeaderAtTheLimitAndRefusesOnePastIt) {
    ByteBuffer zeros(kTokenHeaderBytesMax, 0);
    zeros.push_back(0x81);
    EXPECT_EQ((*decode(zeros, 100))[0].number, 0u);
    ByteBuffer more(kTokenHeaderBytesMax + 1, 0);
    more.push_back(0x81);
    const auto refused = decode(more, 100);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "token prefix is limited to 64 bytes");
}

TEST(Decoder, RefusesWhatCannotBeAToken) {
    const std::pair<ByteBuffer, const char*> cases[] = {
        {{0x80}, "oldbanana peer"},
        {{0x8b}, "Invalid Type Byte 0x8b"},
        {{0xff}, "Invalid Type Byte 0xff"},
        {{0x69, 0x07, 0x8d}, "oversized ERROR token"},  // 1001
        {{0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x02, 0x81}, "larger than 64 bits"},
    };
    for (const auto& [bytes, text] : cases) {
        const auto result = decode(bytes, 1);
        ASSERT_FALSE(result) << text;
        EXPECT_THAT(result.error().message(), HasSubstr(text));
        EXPECT_EQ(result.error().code(), "banana.malformed");
    }
    // 2^64 - 1 still fits.
    const ByteBuffer largest{0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x01, 0x81};
    EXPECT_EQ((*decode(largest, 1))[0].number, std::numeric_limits<std::uint64_t>::max());
}

TEST(Decoder, SkipsALongIntegerPastTheLimit) {
    const auto long_integer = [](std::size_t size) {
        ByteBuffer bytes{static_cast<std::uint8_t>(size & 0x7f),
                         static_cast<std::uint8_t>(size >> 7), 0x85};
        bytes.insert(bytes.end(), size, 1);
        bytes.insert(bytes.end(), {0x2a, 0x81});
        return bytes;
    };
    const auto at_limit = decode(long_integer(kLongIntegerBytesMax), 10);
    EXPECT_FALSE((*at_limit)[0].oversized);
    EXPECT_EQ((*at_limit)[0].body.size(), kLongIntegerBytesMax);
    const auto past = decode(long_integer(kLongIntegerBytesMax + 1), 10);
    ASSERT_EQ(past->size(), 2u);
    EXPECT_TRUE((*past)[0].oversized);
    EXPECT_EQ((*past)[1].number, 42u);
}

TEST(Vocabulary, HasTheAgreedHashes) {
    EXPECT_EQ(vocabulary_hash(0), "da39");
    EXPECT_EQ(vocabulary_hash(1), "bb33");
    EXPECT_EQ(vocabulary_word(1, 24), "attrdict");
    EXPECT_EQ(vocabulary_word(1, 25), std::nullopt);
    EXPECT_EQ(vocabulary_word(0, 0), std::nullopt);
    EXPECT_EQ(vocabulary_index(1, as_bytes("call")), 11u);
    EXPECT_EQ(vocabulary_index(1, as_bytes("Call")), std::nullopt);
    EXPECT_EQ(vocabulary_index(0, as_bytes("call")), std::nullopt);
}

}  // namespace
}  // namespace s4::proto::foolscap
