#include "proto/foolscap/keepalive.h"

#include <gtest/gtest.h>

namespace s4::proto::foolscap {
namespace {

using std::chrono::seconds;

constexpr KeepalivePolicy kPolicy{.ping_after = seconds(240), .disconnect_after = seconds(600)};

TEST(Keepalive, LooksAgainWhenAPingWouldBeDue) {
    const auto fresh = keepalive(kPolicy, seconds(0), seconds(0));
    EXPECT_EQ(fresh.action, KeepaliveAction::nothing);
    EXPECT_EQ(fresh.look_again_in, seconds(240));
    const auto later = keepalive(kPolicy, seconds(239), seconds(1000));
    EXPECT_EQ(later.action, KeepaliveAction::nothing);
    EXPECT_EQ(later.look_again_in, seconds(1));
}

TEST(Keepalive, PingsASilentPeerOncePerPeriod) {
    EXPECT_EQ(keepalive(kPolicy, seconds(240), seconds(240)).action, KeepaliveAction::ping);
    const auto pinged = keepalive(kPolicy, seconds(241), seconds(1));
    EXPECT_EQ(pinged.action, KeepaliveAction::nothing);
    EXPECT_EQ(pinged.look_again_in, seconds(239));
    EXPECT_EQ(keepalive(kPolicy, seconds(480), seconds(240)).look_again_in, seconds(120));
}

TEST(Keepalive, GivesUpAtTheDisconnectTime) {
    EXPECT_EQ(keepalive(kPolicy, seconds(599), seconds(10)).action, KeepaliveAction::nothing);
    EXPECT_EQ(keepalive(kPolicy, seconds(600), seconds(10)).action, KeepaliveAction::disconnect);
}

}  // namespace
}  // namespace s4::proto::foolscap
