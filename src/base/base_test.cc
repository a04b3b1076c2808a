#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/secret.h"

namespace s4 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ByteReader, ReadsBigEndianAndNeverPastTheEnd) {
    const ByteBuffer bytes{0x01, 0x02, 0x03, 0x04, 0x05};
    ByteReader reader(bytes);
    EXPECT_EQ(reader.u32(), 0x01020304u);
    EXPECT_EQ(reader.u16(), std::nullopt);
    EXPECT_EQ(reader.u8(), 5);
    EXPECT_TRUE(reader.at_end());
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
    ByteWriter writer;
    writer.u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f).text("x");
    ByteReader reader(writer.view());
    EXPECT_EQ(reader.u8(), 1);
    EXPECT_EQ(reader.u16(), 0x0203);
    EXPECT_EQ(reader.u32(), 0x04050607u);
    EXPECT_EQ(reader.u64(), 0x08090a0b0c0d0e0fu);
    EXPECT_EQ(as_text(reader.rest()), "x");
}

Result<int> half(int n) {
    if (n % 2 != 0) return fail(ErrorKind::invalid, "test.odd", "give an even number");
    return n / 2;
}
Result<int> quarter(int n) {
    return TRY(half(TRY(half(n))));
}

TEST(Result, TryReturnsTheValueOrTheError) {
    EXPECT_EQ(quarter(8).value(), 2);
    const auto failed = quarter(6);
    ASSERT_FALSE(failed);
    EXPECT_TRUE(failed.error().is("test.odd"));
}

TEST(Error, ReadsFromTheOutsideIn) {
    const Error error =
        Error(ErrorKind::io, "files.full", "the disk is full").with("write x").with("store y");
    EXPECT_EQ(error.to_string(), "store y: write x: the disk is full [files.full]");
    EXPECT_TRUE(error.retry_makes_sense());
}

TEST(Secret, ComparesByContent) {
    EXPECT_EQ(Secret(as_bytes("abc")), Secret(as_bytes("abc")));
    EXPECT_FALSE(Secret(as_bytes("abc")) == Secret(as_bytes("abd")));
    EXPECT_FALSE(Secret(as_bytes("abc")).equals(as_bytes("ab")));
}

TEST(Secret, CannotBeFormattedOrLogged) {
    static_assert(!fmt::is_formattable<Secret>::value);
    static_assert(!std::is_constructible_v<log::Field, std::string_view, Secret>);
}

TEST(Log, WritesOneJsonLineAndEscapes) {
    std::string line;
    log::set_sink([&line](log::Level, std::string_view text) { line = text; });
    log::info("base", "a \"quoted\" thing", {{"n", 7}, {"text", "x\ny"}, {"yes", true}});
    log::set_sink({});
    EXPECT_THAT(line,
                HasSubstr(R"("message":"a \"quoted\" thing","n":7,"text":"x\ny","yes":true})"));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
}

TEST(Log, DropsWhatIsBelowTheLevel) {
    int lines = 0;
    log::set_sink([&lines](log::Level, std::string_view) { ++lines; });
    log::debug("base", "quiet");
    log::set_sink({});
    EXPECT_EQ(lines, 0);
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
    metrics::counter("s4_test_total", "A test", {{"a", "b"}}).add(2);
    metrics::counter("s4_test_total", "A test", {{"a", "b"}}).add();
    EXPECT_THAT(metrics::text(), HasSubstr("s4_test_total{a=\"b\"} 3"));
}

TEST(CheckDeathTest, EndsTheProcessWithASentence) {
    EXPECT_DEATH(CHECK(1 == 2, "one is not two"), "one is not two");
}

}  // namespace
}  // namespace s4
