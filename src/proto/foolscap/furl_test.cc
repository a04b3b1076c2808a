#include "proto/foolscap/furl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/foolscap/limits.h"

namespace s4::proto::foolscap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kTub = "ep4hjz4wbe7q4yeea6cakgjqbkzzqjdy";

std::string furl(std::string_view hints) {
    return "pb://" + std::string(kTub) + "@" + std::string(hints) +
           "/ejefscp4whezvluw5gxdb62jeibdwqib";
}

TEST(Furl, IsReadAndWrittenBack) {
    for (const char* hints : {"", "tcp:127.0.0.1:39871", "tcp:a.example:1,tor:b.onion:2,i2p:c",
                              "tcp:[::1]:80", "example.org:12345"}) {
        const auto parsed = Furl::parse(furl(hints));
        ASSERT_TRUE(parsed) << hints;
        EXPECT_EQ(parsed->tub_id, kTub);
        EXPECT_EQ(parsed->name, "ejefscp4whezvluw5gxdb62jeibdwqib");
        EXPECT_EQ(parsed->format(), furl(hints));
    }
}

TEST(Furl, NamesItsTcpAddressesAndSkipsOtherHints) {
    const auto parsed = Furl::parse(furl("tor:x.onion:80,tcp:h:1,[::1]:3,tcp:[fe80::1]:2,q:r:s:t"));
    ASSERT_TRUE(parsed);
    EXPECT_THAT(parsed->tcp_addresses(),
                ElementsAre(TcpAddress{"h", 1}, TcpAddress{"::1", 3}, TcpAddress{"fe80::1", 2}));
    EXPECT_THAT(Furl::parse(furl(""))->tcp_addresses(), IsEmpty());
}

TEST(Furl, ComparesObjectsWithoutTheirHints) {
    const auto here = Furl::parse(furl("tcp:here:1"));
    const auto there = Furl::parse(furl("tcp:there:2"));
    Furl other = *here;
    other.name += "a";
    EXPECT_TRUE(here->same_object(*there));
    EXPECT_FALSE(here->same_object(other));
}

TEST(Furl, RefusesWhatIsNotOne) {
    const std::string good = furl("tcp:h:1");
    for (const std::string& bad : std::initializer_list<std::string>{
             std::string(), std::string("pb://"), "http" + good.substr(2), good.substr(1),
             "pb://" + std::string(31, 'a') + "@tcp:h:1/x", "pb://" + std::string(33, 'a') + "@/x",
             "pb://EP4hjz4wbe7q4yeea6cakgjqbkzzqjdy@/x", "pb://" + std::string(31, 'a') + "1@/x",
             furl("tcp:h:1,"), furl(",tcp:h:1"), furl("tcp:a:1,,tcp:b:2"), furl("tcp:h:1 "),
             "pb://" + std::string(kTub) + "@tcp:h:1/", "pb://" + std::string(kTub) + "@tcp:h:1",
             "pb://" + std::string(kTub) + "/x", good + "\n", good + "\x80"}) {
        const auto parsed = Furl::parse(bad);
        ASSERT_FALSE(parsed) << bad;
        EXPECT_EQ(parsed.error().code(), "furl.invalid");
    }
}

TEST(Furl, ErrorsDoNotRepeatTheSecret) {
    const auto parsed = Furl::parse("pb://nonsense@tcp:h:1/swordfish");
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().to_string(), Not(HasSubstr("swordfish")));
}

TEST(Furl, KeepsItsLimits) {
    const std::string start = furl("tcp:h:1");
    const std::string longest = start + std::string(kFurlBytesMax - start.size(), 'a');
    EXPECT_TRUE(Furl::parse(longest));
    EXPECT_FALSE(Furl::parse(longest + "a"));

    std::string hints = "h:1";
    for (std::size_t i = 1; i < kFurlHintsMax; ++i) hints += ",h:1";
    EXPECT_TRUE(Furl::parse(furl(hints)));
    EXPECT_FALSE(Furl::parse(furl(hints + ",h:1")));
}

TEST(TcpHint, RefusesBadPortsAndBareLiterals) {
    for (const char* bad : {"tcp:h", "tcp:h:", "tcp:h:0", "tcp:h:65536", "tcp:h:-1", "tcp:h:1x",
                            "tcp::1", "tcp:::1:80", "tcp:[]:1"})
        EXPECT_FALSE(parse_tcp_hint(bad)) << bad;
    EXPECT_EQ(format_tcp_hint({"h", 65535}), "tcp:h:65535");
    EXPECT_EQ(format_tcp_hint({"::1", 1}), "tcp:[::1]:1");
}

TEST(TubId, IsCanonicalBase32OfTwentyBytes) {
    EXPECT_TRUE(is_tub_id(kTub));
    EXPECT_FALSE(is_tub_id("ep4hjz4wbe7q4yeea6cakgjqbkzzqjd"));
    EXPECT_FALSE(is_tub_id("ep4hjz4wbe7q4yeea6cakgjqbkzzqjd0"));
    EXPECT_EQ(tub_id_of(as_bytes("abc")), "vgmt4nsha2awvor6evyxqugcnsonbwe5");  // sha1("abc")
}

}  // namespace
}  // namespace s4::proto::foolscap
