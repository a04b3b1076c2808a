#include "control/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s4::control {
namespace {

using ::testing::HasSubstr;

namespace json = codec::json;

TEST(LineReader, GivesWholeLinesHoweverTheyCome) {
    LineReader lines;
    lines.feed(as_bytes("one\ntw"));
    EXPECT_EQ(lines.next()->value(), "one");
    EXPECT_EQ(*lines.next(), std::nullopt);
    lines.feed(as_bytes("o\n\n"));
    EXPECT_EQ(lines.next()->value(), "two");
    EXPECT_EQ(lines.next()->value(), "");
    EXPECT_EQ(*lines.next(), std::nullopt);
}

TEST(LineReader, TakesALineAtTheLimitAndNoneAbove) {
    LineReader lines;
    lines.feed(ByteBuffer(kLineBytesMax, 'x'));
    EXPECT_EQ(*lines.next(), std::nullopt);
    lines.feed(as_bytes("\n"));
    EXPECT_EQ(lines.next()->value().size(), kLineBytesMax);
    lines.feed(ByteBuffer(kLineBytesMax + 1, 'x'));
    EXPECT_TRUE(lines.next().error().is("control.bad_request"));
}

TEST(Request, NamesTheMemberThatIsMissingOrWrong) {
    const auto request = parse_request(
        R"({"command":"subscription.show","subscription":7,"email":1,"with_key":true})");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->number("subscription").value(), 7);
    EXPECT_TRUE(request->flag("with_key"));
    EXPECT_FALSE(request->flag("other"));
    EXPECT_THAT(request->text("email").error().message(), HasSubstr("\"email\""));
    EXPECT_THAT(request->number("after").error().message(), HasSubstr("\"after\""));
}

TEST(Request, RefusesWhatIsNoRequest) {
    for (const char* line : {"", "nonsense", "[]", "{}", R"({"command":7})", "7"})
        EXPECT_TRUE(parse_request(line).error().is("control.bad_request")) << line;
}

TEST(Answer, CarriesProgressValuesAndErrors) {
    const auto without_end = [](std::string line) {
        EXPECT_TRUE(line.ends_with('\n'));
        line.pop_back();
        return line;
    };
    const Answer progress = *parse_answer(without_end(progress_line("half\nway")));
    EXPECT_EQ(std::get<Progress>(progress).text, "half\nway");
    const Answer value = *parse_answer(without_end(ok_line(json::Object{{"a", 1}})));
    EXPECT_EQ(std::get<json::Value>(value).find("a")->as_int64(), 1);
    const Answer error = *parse_answer(without_end(
        error_line(Error(ErrorKind::not_found, "subscription.unknown", "there is none"))));
    EXPECT_EQ(std::get<Error>(error).kind(), ErrorKind::not_found);
    EXPECT_EQ(std::get<Error>(error).message(), "there is none");
    EXPECT_FALSE(parse_answer("{}").has_value());
    EXPECT_FALSE(parse_answer("nonsense").has_value());
}

}  // namespace
}  // namespace s4::control
