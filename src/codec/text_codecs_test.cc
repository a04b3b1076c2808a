// base32, base64, hex, UTF-8 and URL encodings: golden vectors, round trips, and what must be
// refused.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "codec/base32.h"
#include "codec/base64.h"
#include "codec/hex.h"
#include "codec/url.h"
#include "codec/utf8.h"

namespace s4::codec {
namespace {

ByteBuffer bytes_of(std::string_view text) {
    return to_buffer(as_bytes(text));
}

TEST(Base32, WritesTheVectorsOfRfc4648InLowerCaseWithoutPadding) {
    const std::pair<std::string_view, std::string_view> kVectors[] = {{"", ""},
                                                                      {"f", "my"},
                                                                      {"fo", "mzxq"},
                                                                      {"foo", "mzxw6"},
                                                                      {"foob", "mzxw6yq"},
                                                                      {"fooba", "mzxw6ytb"},
                                                                      {"foobar", "mzxw6ytboi"}};
    for (const auto& [plain, text] : kVectors) {
        EXPECT_EQ(base32::encode(as_bytes(plain)), text);
        EXPECT_EQ(base32::decode(text).value(), bytes_of(plain));
        EXPECT_EQ(base32::encoded_size(plain.size()), text.size());
    }
}

TEST(Base32, SizesOfTahoesIdentifiers) {
    EXPECT_EQ(base32::encoded_size(16), 26u);   // storage index
    EXPECT_EQ(base32::encoded_size(20), 32u);   // tub id
    EXPECT_EQ(base32::encoded_size(32), 52u);   // Ed25519 key
    EXPECT_EQ(base32::encoded_size(64), 103u);  // Ed25519 signature
}

TEST(Base32, RefusesWhatIsNotCanonical) {
    for (const std::string_view text :
         {"MY", "my======", "m", "mzx", "mzxw6y", "m0", "m1", "mz q", "m\xff"})
        EXPECT_FALSE(base32::decode(text)) << text;
    // "mz" would be the same byte as "my" but for the unused bits.
    EXPECT_EQ(base32::decode("mz").error().code(), "base32.invalid");
}

RC_GTEST_PROP(Base32, WhatIsWrittenReadsBack, (const ByteBuffer& bytes)) {
    const std::string text = base32::encode(bytes);
    RC_ASSERT(base32::is_alphabet(text));
    RC_ASSERT(base32::decode(text).value() == bytes);
}

TEST(Base64, WritesTheVectorsOfRfc4648) {
    const std::pair<std::string_view, std::string_view> kVectors[] = {{"", ""},
                                                                      {"f", "Zg=="},
                                                                      {"fo", "Zm8="},
                                                                      {"foo", "Zm9v"},
                                                                      {"foob", "Zm9vYg=="},
                                                                      {"fooba", "Zm9vYmE="},
                                                                      {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, text] : kVectors) {
        EXPECT_EQ(base64::encode(as_bytes(plain)), text);
        EXPECT_EQ(base64::decode(text).value(), bytes_of(plain));
    }
    const ByteBuffer high = {0xfb, 0xff, 0xfe};
    EXPECT_EQ(base64::encode(high), "+//+");
    EXPECT_EQ(base64::encode_url(high), "-__-");
}

TEST(Base64, RefusesWrongPaddingForeignCharactersAndUnusedBits) {
    for (const std::string_view text : {"Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v\n",
                                        " Zm9v", "Zm-v", "Zh==", "Zm9=", "Zg==Zg=="})
        EXPECT_FALSE(base64::decode(text)) << text;
    for (const std::string_view text : {"Zg==", "Z", "Zm+v", "Zm/v", "Zh", "Zm9v="})
        EXPECT_FALSE(base64::decode_url(text)) << text;
}

RC_GTEST_PROP(Base64, WhatIsWrittenReadsBack, (const ByteBuffer& bytes)) {
    RC_ASSERT(base64::decode(base64::encode(bytes)).value() == bytes);
    RC_ASSERT(base64::decode_url(base64::encode_url(bytes)).value() == bytes);
}

TEST(Hex, ReadsBothCasesAndWritesLower) {
    EXPECT_EQ(hex::encode(ByteBuffer{0x00, 0xAB, 0xff}), "00abff");
    EXPECT_EQ(hex::decode("00aBFf").value(), (ByteBuffer{0x00, 0xAB, 0xff}));
    EXPECT_FALSE(hex::decode("0"));
    EXPECT_FALSE(hex::decode("0g"));
    EXPECT_FALSE(hex::decode("+1"));
}

TEST(Utf8, AcceptsTheEdgesOfEachLength) {
    for (const std::string_view text :
         {"", "\x7f", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
          "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
        EXPECT_TRUE(utf8::is_valid(as_bytes(text)));
    EXPECT_TRUE(utf8::is_valid(ByteBuffer{0x00}));
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndCutSequences) {
    for (const std::string_view text :
         {"\x80", "\xBF", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE0\xA0",
          "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
          "\xF5\x80\x80\x80", "\xFF", "\xE2\x82\x41"})
        EXPECT_FALSE(utf8::is_valid(as_bytes(text)));
}

TEST(Url, PercentEncodesEverythingButUnreserved) {
    EXPECT_EQ(url::percent_encode("a-Z_0.9~ /?&=+\xC3\xA4"), "a-Z_0.9~%20%2F%3F%26%3D%2B%C3%A4");
    EXPECT_EQ(url::percent_decode("a%20b+c%2f%00").value(), std::string("a b+c/\0", 7));
}

TEST(Url, RefusesAPercentWithoutTwoDigits) {
    for (const std::string_view text : {"%", "%1", "%zz", "%1g", "a%"})
        EXPECT_EQ(url::percent_decode(text).error().code(), "url.invalid") << text;
}

TEST(Url, ReadsAFormInItsOrder) {
    const auto fields = url::parse_form("email=a%40b.c&plan=Small+one&&flag&plan=&x=1=2").value();
    const url::FormFields expected = {
        {"email", "a@b.c"}, {"plan", "Small one"}, {"flag", ""}, {"plan", ""}, {"x", "1=2"}};
    EXPECT_EQ(fields, expected);
    EXPECT_EQ(url::parse_form("").value(), url::FormFields{});
}

TEST(Url, FormLimitsHoldAtTheEdge) {
    const url::FormLimits limits{.bytes_max = 7, .fields_max = 2};
    EXPECT_TRUE(url::parse_form("a=1&b=2", limits));
    EXPECT_EQ(url::parse_form("a=1&b=22", limits).error().code(), "url.form_too_large");
    EXPECT_EQ(url::parse_form("a&b&c", limits).error().code(), "url.form_too_large");
}

TEST(Url, RefusesAFormThatIsNotUtf8) {
    EXPECT_EQ(url::parse_form("a=%ff").error().code(), "url.invalid");
    EXPECT_EQ(url::parse_form("%c3=1").error().code(), "url.invalid");
}

RC_GTEST_PROP(Url, AFormThatIsWrittenReadsBack, ()) {
    const auto text = rc::gen::string<std::string>();
    url::FormFields fields = *rc::gen::container<url::FormFields>(rc::gen::pair(text, text));
    std::erase_if(fields, [](const auto& f) {
        return !utf8::is_valid(as_bytes(f.first)) || !utf8::is_valid(as_bytes(f.second));
    });
    RC_ASSERT(url::parse_form(url::write_form(fields), {1 << 20, 1000}).value() == fields);
}

}  // namespace
}  // namespace s4::codec
