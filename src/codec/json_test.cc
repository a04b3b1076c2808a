#include "codec/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <type_traits>

namespace s4::codec::json {
namespace {

static_assert(!std::is_constructible_v<Value, const Secret&>,
              "a secret must not reach a JSON text");
static_assert(!std::is_constructible_v<Value, const void*>, "a pointer is not a truth");

TEST(Json, ReadsEveryKindOfValue) {
    const Value v =
        parse(
            R"({"n":null,"t":true,"i":-5,"u":18446744073709551615,"d":1.5,"s":"ä\u0000\n","a":[1,[]]})")
            .value();
    EXPECT_TRUE(v.find("n")->is_null());
    EXPECT_EQ(v.find("t")->as_bool(), true);
    EXPECT_EQ(v.find("i")->as_int64(), -5);
    EXPECT_EQ(v.find("i")->as_uint64(), std::nullopt);
    EXPECT_EQ(v.find("u")->as_uint64(), 18446744073709551615u);
    EXPECT_EQ(v.find("u")->as_int64(), std::nullopt);
    EXPECT_EQ(v.find("d")->as_double(), 1.5);
    EXPECT_FALSE(v.find("d")->is_integer());
    EXPECT_EQ(*v.find("s")->as_string(), std::string("\xC3\xA4\0\n", 4));
    EXPECT_EQ(v.find("a")->as_array()->size(), 2u);
    EXPECT_EQ(v.find("missing"), nullptr);
    EXPECT_EQ(v.find("s")->find("x"), nullptr);
}

TEST(Json, WritesMembersInTheirOrder) {
    const Value v = Object{{"z", 1}, {"a", Array{true, nullptr, "x\"y", -2, 3u}}, {"o", Object{}}};
    EXPECT_EQ(to_text(v), R"({"z":1,"a":[true,null,"x\"y",-2,3],"o":{}})");
}

TEST(Json, TheLastOfMembersThatShareANameCounts) {
    EXPECT_EQ(*parse(R"({"a":1,"a":2})")->find("a")->as_int64(), 2);
}

TEST(Json, ComparesAsParsedDocumentsAre) {
    const auto same = [](std::string_view a, std::string_view b) {
        return parse(a).value() == parse(b).value();
    };
    EXPECT_TRUE(same(R"({"a":1,"b":[1,2]})", R"({ "b":[1,2], "a":1.0 })"));
    EXPECT_FALSE(same(R"({"a":1})", R"({"a":1,"b":1})"));
    EXPECT_FALSE(same("[1,2]", "[2,1]"));
    EXPECT_FALSE(same("1", "true"));
    EXPECT_FALSE(same("null", "false"));
    EXPECT_FALSE(same("1", "\"1\""));
    EXPECT_FALSE(same("9007199254740993", "9007199254740992.0"));
    EXPECT_FALSE(same("18446744073709551615", "-1"));
    EXPECT_FALSE(same("18446744073709551615", "18446744073709551616"));
}

TEST(Json, ANumberBeyondTheRangeOfDoublesIsTheirEnd) {
    constexpr double kMax = std::numeric_limits<double>::max();
    EXPECT_EQ(parse("1e400").value().as_double(), kMax);
    EXPECT_EQ(parse("-1e400").value().as_double(), -kMax);
    EXPECT_EQ(parse(to_text(parse("1e400").value())).value().as_double(), kMax);
    EXPECT_EQ(parse("0e400").value().as_double(), 0.0);
}

TEST(Json, RefusesWhatIsNoDocument) {
    for (const std::string_view text :
         {"", "{", "{\"a\":}", "[1,]", "nul", "1 2", "{} x", "'a'", "\"\xff\"", "NaN", "01"})
        EXPECT_EQ(parse(text).error().code(), "json.invalid") << text;
}

TEST(Json, LimitsHoldAtTheEdge) {
    const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
    EXPECT_TRUE(parse(nested(kJsonDepthMax)));
    EXPECT_EQ(parse(nested(kJsonDepthMax + 1)).error().code(), "json.too_deep");
    EXPECT_TRUE(parse("[1,2]", {.bytes_max = 5}));
    EXPECT_EQ(parse("[1,23]", {.bytes_max = 5}).error().code(), "json.too_large");
}

TEST(Json, WhatIsWrittenReadsBack) {
    const std::string text = R"({"a":[1,-1,1.5E0,"\u0001",{"b":null}],"c":18446744073709551615})";
    const Value v = parse(text).value();
    EXPECT_EQ(parse(to_text(v)).value(), v);
}

}  // namespace
}  // namespace s4::codec::json
