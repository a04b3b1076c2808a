#include "web/format.h"

#include <gmock/gmock.h>

namespace s4::web {
namespace {

TEST(Format, DaysAreReadAndWritten) {
    EXPECT_EQ(format_day(0), "1970-01-01");
    EXPECT_EQ(format_day(20'512), "2026-02-28");
    EXPECT_EQ(parse_date("2026-02-28"), 20'512 * 86'400);
    EXPECT_EQ(parse_date("2024-02-29"), 19'782 * 86'400);
    for (const char* wrong : {"", "2026-02-29", "2026-2-28", "28.02.2026", "2026-02-28x",
                              "2026/02/28", "-026-02-28", "1969-12-31", "2026-00-10", "2026-13-01"})
        EXPECT_FALSE(parse_date(wrong)) << wrong;
}

TEST(Format, DatesAreWrittenOut) {
    EXPECT_EQ(format_date(0), "1 January 1970");
    EXPECT_EQ(format_date(1'797'897'600), "22 December 2026");
}

TEST(Format, NumbersAreGrouped) {
    EXPECT_EQ(format_number(0), "0");
    EXPECT_EQ(format_number(999), "999");
    EXPECT_EQ(format_number(1000), "1,000");
    EXPECT_EQ(format_number(50'000'000'000), "50,000,000,000");
}

TEST(Format, APartIsNeverMoreThanTheWhole) {
    EXPECT_EQ(permille(0, 100), 0);
    EXPECT_EQ(permille(50, 100), 500);
    EXPECT_EQ(permille(116, 100), 1000);
    EXPECT_EQ(permille(0, 0), 1000);
}

TEST(Format, TheCommandsNameOneNodeAndQuoteTheAddress) {
    const Commands commands = commands_for("pb://abc@tcp:h:1/x", "s4-7");
    EXPECT_THAT(commands.create, testing::HasSubstr("--introducer='pb://abc@tcp:h:1/x' \\\n"));
    EXPECT_THAT(commands.create, testing::HasSubstr("--nickname='s4-7'"));
    EXPECT_THAT(commands.create, testing::EndsWith(commands.node_directory));
    EXPECT_THAT(commands.run, testing::EndsWith(commands.node_directory));
    EXPECT_THAT(commands.install, testing::HasSubstr("'tahoe-lafs>=1.19'"));
}

}  // namespace
}  // namespace s4::web
