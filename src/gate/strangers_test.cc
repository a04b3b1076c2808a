// Who is displaced when it is crowded: at each limit, and one past it.
#include "gate/strangers.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <deque>

#include "gate/limits.h"

namespace s4::gate {
namespace {

using Stranger = Strangers::Stranger;

class StrangersTest : public testing::Test {
  protected:
    Stranger& arrive(const std::string& host) {
        return here_.emplace_back(strangers_, rt::Context(), host);
    }
    std::size_t displaced() const {
        return static_cast<std::size_t>(std::ranges::count_if(here_, &Stranger::displaced));
    }

    Strangers strangers_;
    std::deque<Stranger> here_;
};

TEST_F(StrangersTest, one_past_a_host_s_limit_takes_the_place_of_its_oldest) {
    for (std::size_t i = 0; i < kStrangersPerHostMax; ++i) arrive("a");
    EXPECT_EQ(displaced(), 0);
    EXPECT_FALSE(here_.front().context().cancel.cancelled());
    arrive("b");
    EXPECT_EQ(displaced(), 0) << "another host has its own room";
    arrive("a");
    EXPECT_TRUE(here_.front().displaced());
    EXPECT_TRUE(here_.front().context().cancel.cancelled());
    EXPECT_EQ(displaced(), 1);
    EXPECT_EQ(strangers_.of_host("a"), kStrangersPerHostMax);
    arrive("a");
    EXPECT_TRUE(here_[1].displaced());
    EXPECT_EQ(displaced(), 2);
}

TEST_F(StrangersTest, who_is_introduced_is_not_displaced) {
    Stranger& first = arrive("a");
    first.introduced();
    first.introduced();
    EXPECT_EQ(strangers_.size(), 0);
    for (std::size_t i = 0; i <= kStrangersPerHostMax; ++i) arrive("a");
    EXPECT_FALSE(first.displaced());
    EXPECT_TRUE(here_[1].displaced());
}

TEST_F(StrangersTest, one_past_the_limit_of_all_displaces_the_oldest_of_the_host_that_has_most) {
    const std::size_t others = kStrangersMax - 3;
    for (std::size_t i = 0; i < others; ++i) arrive(fmt::format("host {}", i));
    for (int i = 0; i < 3; ++i) arrive("many");
    EXPECT_EQ(displaced(), 0);
    EXPECT_EQ(strangers_.size(), kStrangersMax);
    arrive("new");
    EXPECT_TRUE(here_[others].displaced());
    arrive("new too");
    EXPECT_TRUE(here_[others + 1].displaced());
    arrive("newest");
    EXPECT_TRUE(here_.front().displaced()) << "each host has one: the oldest of all";
    EXPECT_EQ(displaced(), 3);
    EXPECT_EQ(strangers_.size(), kStrangersMax);
}

TEST_F(StrangersTest, a_stranger_is_cancelled_with_what_it_came_from) {
    rt::CancelSource node;
    Stranger stranger(strangers_, rt::Context().with_cancel(rt::CancelToken(node)), "a");
    node.cancel();
    EXPECT_TRUE(stranger.context().cancel.cancelled());
    EXPECT_FALSE(stranger.displaced());
}

TEST_F(StrangersTest, one_that_ends_while_it_is_displaced_is_no_trouble) {
    std::optional<Stranger> oldest;
    oldest.emplace(strangers_, rt::Context(), "a");
    const rt::CancelRegistration ends(oldest->context().cancel, [&] { oldest.reset(); });
    for (std::size_t i = 0; i < kStrangersPerHostMax; ++i) arrive("a");
    EXPECT_FALSE(oldest);
    EXPECT_EQ(strangers_.of_host("a"), kStrangersPerHostMax);
}

}  // namespace
}  // namespace s4::gate
