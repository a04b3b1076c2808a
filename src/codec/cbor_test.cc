// The CBOR reader and writer over whole documents; cbor_stream_test.cc compares the streaming
// reader and libcbor with them.
#include "codec/cbor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "codec/hex.h"

namespace s4::codec::cbor {
namespace {

ByteBuffer hex_bytes(std::string_view text) {
    std::string digits;
    for (const char c : text)
        if (c != ' ') digits += c;
    return hex::decode(digits).value();
}

// Skips one item and returns the error's code, or "" if it was well-formed.
std::string skip_code(std::string_view document_hex, const Limits& limits = {}) {
    const ByteBuffer document = hex_bytes(document_hex);
    Reader in(document, limits);
    const auto result = in.skip();
    return result ? "" : std::string(result.error().code());
}

std::uint64_t read_unsigned(std::string_view document_hex) {
    const ByteBuffer document = hex_bytes(document_hex);
    return Reader(document).unsigned_int().value();
}

TEST(CborWriter, WritesTheShortestForm) {
    const std::pair<std::uint64_t, std::string_view> kNumbers[] = {
        {0, "00"},
        {23, "17"},
        {24, "1818"},
        {255, "18ff"},
        {256, "190100"},
        {65535, "19ffff"},
        {65536, "1a00010000"},
        {4294967295, "1affffffff"},
        {4294967296, "1b0000000100000000"},
        {18446744073709551615u, "1bffffffffffffffff"}};
    for (const auto& [number, text] : kNumbers) {
        Writer out;
        out.unsigned_int(number);
        EXPECT_EQ(hex::encode(out.view()), text);
        EXPECT_EQ(read_unsigned(text), number);
    }
    Writer negative;
    negative.signed_int(-1).signed_int(-25).signed_int(INT64_MIN).signed_int(5);
    EXPECT_EQ(hex::encode(negative.view()), "2038183b7fffffffffffffff05");
}

TEST(CborWriter, WritesTheAllocateRequestOfTheReference) {
    Writer out;
    out.begin_map(2).text("share-numbers").begin_set(1).unsigned_int(0);
    out.text("allocated-size").unsigned_int(3000048);
    EXPECT_EQ(hex::encode(out.view()),
              "a26d73686172652d6e756d62657273d901028100"
              "6e616c6c6f63617465642d73697a651a002dc6f0");
}

TEST(CborWriter, WritesTheOtherAnswersOfTheReference) {
    Writer out;
    out.begin_map(2).text("success").boolean(true).text("data").begin_map(0);
    out.begin_set(0);
    out.null().bytes(as_bytes("ab")).bytes_head(300);
    EXPECT_EQ(hex::encode(out.view()), "a26773756363657373f56464617461a0d9010280f642616259012c");
}

TEST(CborReader, ReadsAMapAsItsSchemaSays) {
    const ByteBuffer document = hex_bytes(
        "a2 6d 73686172652d6e756d62657273 d90102 82 00 05  6e 616c6c6f63617465642d73697a65 "
        "1a002dc6f0");
    Reader in(document);
    std::vector<std::uint64_t> shares;
    std::uint64_t size = 0;
    ASSERT_TRUE(in.begin_map());
    while (in.more().value()) {
        const std::string_view key = in.text().value();
        if (key == "share-numbers") {
            ASSERT_TRUE(in.begin_set());
            while (in.more().value()) shares.push_back(in.unsigned_int().value());
        } else {
            EXPECT_EQ(key, "allocated-size");
            size = in.unsigned_int().value();
        }
    }
    EXPECT_EQ(shares, (std::vector<std::uint64_t>{0, 5}));
    EXPECT_EQ(size, 3000048u);
    EXPECT_EQ(in.trailing_bytes(), 0u);
}

TEST(CborReader, AcceptsWhatTahoesValidatorAccepts) {
    // The same map with indefinite lengths everywhere, long forms of integers, and bytes behind it.
    const ByteBuffer document = hex_bytes(
        "bf 7f 61 61 60 61 62 ff 9f 1800 1b0000000000000005 ff 61 63 5f 41 01 40 42 0203 ff ff 00");
    Reader in(document);
    ASSERT_TRUE(in.begin_map());
    ASSERT_TRUE(in.more().value());
    EXPECT_EQ(in.text().value(), "ab");
    ASSERT_TRUE(in.begin_array());
    ASSERT_TRUE(in.more().value());
    EXPECT_EQ(in.unsigned_int().value(), 0u);
    ASSERT_TRUE(in.more().value());
    EXPECT_EQ(in.unsigned_int().value(), 5u);
    ASSERT_FALSE(in.more().value());
    ASSERT_TRUE(in.more().value());
    EXPECT_EQ(in.text().value(), "c");
    EXPECT_EQ(to_buffer(in.bytes().value()), (ByteBuffer{1, 2, 3}));
    ASSERT_FALSE(in.more().value());
    EXPECT_EQ(in.trailing_bytes(), 1u);
}

TEST(CborReader, ReadsScalars) {
    const ByteBuffer document = hex_bytes(
        "f4 f5 f6 20 3b7fffffffffffffff f93c00 fa47c35000 fb3ff199999999999a f97c00 f98001");
    Reader in(document);
    EXPECT_EQ(in.peek().value(), Type::boolean);
    EXPECT_FALSE(in.boolean().value());
    EXPECT_TRUE(in.boolean().value());
    EXPECT_TRUE(in.null());
    EXPECT_EQ(in.signed_int().value(), -1);
    EXPECT_EQ(in.signed_int().value(), INT64_MIN);
    EXPECT_EQ(in.floating().value(), 1.0);
    EXPECT_EQ(in.floating().value(), 100000.0);
    EXPECT_EQ(in.floating().value(), 1.1);
    EXPECT_TRUE(std::isinf(in.floating().value()));
    EXPECT_EQ(in.floating().value(), -std::ldexp(1.0, -24));
    EXPECT_EQ(in.peek().error().code(), "cbor.truncated");
}

TEST(CborReader, RefusesAnotherTypeThanAskedFor) {
    const auto code = [](std::string_view text, auto read) {
        const ByteBuffer document = hex_bytes(text);
        Reader in(document);
        const auto result = read(in);
        EXPECT_FALSE(result) << text;
        return result ? std::string() : std::string(result.error().code());
    };
    const auto unsigned_int = [](Reader& in) { return in.unsigned_int(); };
    EXPECT_EQ(code("20", unsigned_int), "cbor.wrong_type");
    EXPECT_EQ(code("f93c00", unsigned_int), "cbor.wrong_type");  // a float for an integer
    EXPECT_EQ(code("c249010000000000000000", unsigned_int), "cbor.wrong_type");  // a bignum
    EXPECT_EQ(code("80", [](Reader& in) { return in.begin_set(); }), "cbor.wrong_type");
    EXPECT_EQ(code("d9010380", [](Reader& in) { return in.begin_set(); }), "cbor.wrong_type");
    EXPECT_EQ(code("d9d9f7a0", [](Reader& in) { return in.begin_map(); }), "cbor.wrong_type");
    EXPECT_EQ(code("4161", [](Reader& in) { return in.text(); }), "cbor.wrong_type");
    EXPECT_EQ(code("6161", [](Reader& in) { return in.bytes(); }), "cbor.wrong_type");
    EXPECT_EQ(code("1b8000000000000000", [](Reader& in) { return in.signed_int(); }),
              "cbor.too_large");
    EXPECT_EQ(code("3b8000000000000000", [](Reader& in) { return in.signed_int(); }),
              "cbor.too_large");
}

TEST(CborReader, RefusesWhatIsNotWellFormed) {
    for (const std::string_view text :
         {"1c",           "1d",       "1e",           "1f",     "3f",     "df",      "fc",
          "f800",         "f81f",     "ff",           "61ff",   "62c328", "5f00ff",  "5f6161ff",
          "5f5f4100ffff", "7f4161ff", "7f61c361a4ff", "bf00ff", "9fc0ff", "bf00c0ff"})
        EXPECT_EQ(skip_code(text), "cbor.malformed") << text;
    for (const std::string_view text :
         {"", "18", "19ff", "1b00000000000000", "41", "5b7fffffffffffffff00", "5bffffffffffffffff",
          "81", "a100", "9f", "9f00", "bf", "5f", "5f4100", "c0", "d9", "f8", "fb00"})
        EXPECT_EQ(skip_code(text), "cbor.truncated") << text;
}

TEST(CborReader, SkipsAnyWellFormedItem) {
    for (const std::string_view text :
         {"00", "3903e7", "43010203", "63616263", "83010203", "a201020304", "c11a514b67b0", "f7",
          "f0", "f8ff", "fb7e37e43c8800759c", "9f018202039f0405ffff", "bf61610161629f0203ffff",
          "d90102d90102d9010280", "7f657374726561646d696e67ff", "5fff", "c249010000000000000000"})
        EXPECT_EQ(skip_code(text), "") << text;
}

TEST(CborReader, LimitsHoldAtTheEdge) {
    const auto nested = [](std::size_t n) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text += "81";
        return text + "00";
    };
    EXPECT_EQ(skip_code(nested(kCborDepthMax)), "");
    EXPECT_EQ(skip_code(nested(kCborDepthMax + 1)), "cbor.too_deep");
    EXPECT_EQ(skip_code("83000000", {.items_max = 4}), "");
    EXPECT_EQ(skip_code("8400000000", {.items_max = 4}), "cbor.too_large");
    // A count that no document can have is refused at once; twice as many items must not overflow.
    EXPECT_EQ(skip_code("9bffffffffffffffff"), "cbor.too_large");
    EXPECT_EQ(skip_code("bb8000000000000000"), "cbor.too_large");
    // Tags in a row are items too.
    EXPECT_EQ(skip_code("c0c0c000", {.items_max = 4}), "");
    EXPECT_EQ(skip_code("c0c0c0c000", {.items_max = 4}), "cbor.too_large");
}

TEST(CborReader, NamesTheUnexpectedKey) {
    const ByteBuffer document = hex_bytes("a1616b00");
    Reader in(document);
    const Error error = in.unexpected_key("k").error();
    EXPECT_EQ(error.code(), "cbor.unexpected_key");
    EXPECT_NE(error.message().find("\"k\""), std::string::npos);
}

TEST(CborReaderDeathTest, AskingMoreBeforeAValueIsAMistake) {
    const ByteBuffer document = hex_bytes("a10000");
    Reader in(document);
    ASSERT_TRUE(in.begin_map());
    ASSERT_TRUE(in.unsigned_int());
    EXPECT_DEATH((void)in.more(), "before a key");
}

}  // namespace
}  // namespace s4::codec::cbor
