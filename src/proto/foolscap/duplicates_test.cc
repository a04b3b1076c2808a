#include "proto/foolscap/duplicates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s4::proto::foolscap {
namespace {

constexpr std::string_view kMine = "57009250bb1db740";
constexpr std::string_view kTheirs = "ceac47d5b5c92616";
constexpr std::string_view kPeer = "62mekftseopdr2vc4h5yrji3givnbm5r";

DuplicateOffer offer(std::string_view incarnation, std::string_view last_incarnation,
                     std::uint64_t sequence) {
    return {std::string(incarnation), ConnectionMark{std::string(last_incarnation), sequence}};
}

// A table with two past connections as master and the second alive: its sequence number is 2.
class AsMaster : public ::testing::Test {
  protected:
    AsMaster() {
        table.attach_as_master(kPeer, ConnectionId{1}, std::string(kTheirs));
        table.detach(kPeer, ConnectionId{1});
        table.attach_as_master(kPeer, ConnectionId{2}, std::string(kTheirs));
    }
    DuplicateTable table{std::string(kMine)};
};

TEST_F(AsMaster, AcceptsWhenNoConnectionIsAlive) {
    table.detach(kPeer, ConnectionId{2});
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, "none", 0)), OfferVerdict::accept_first);
    EXPECT_EQ(table.judge(kPeer, {}), OfferVerdict::accept_first);
    EXPECT_EQ(table.judge("another", offer(kTheirs, "none", 0)), OfferVerdict::accept_first);
}

TEST_F(AsMaster, RejectsAnOfferWithoutIncarnationOrLastConnection) {
    DuplicateOffer incomplete = offer(kTheirs, "none", 0);
    incomplete.incarnation.reset();
    EXPECT_EQ(table.judge(kPeer, incomplete), OfferVerdict::reject_old_peer);
    incomplete = offer("", "none", 0);
    EXPECT_EQ(table.judge(kPeer, incomplete), OfferVerdict::reject_old_peer);
    incomplete = offer("other", "none", 0);  // even of another incarnation
    incomplete.last_connection.reset();
    EXPECT_EQ(table.judge(kPeer, incomplete), OfferVerdict::reject_old_peer);
}

TEST_F(AsMaster, AcceptsAPeerThatRestarted) {
    EXPECT_EQ(table.judge(kPeer, offer("other", "none", 0)), OfferVerdict::accept_restarted);
}

TEST_F(AsMaster, RejectsAParallelAttemptOfAPeerThatNeverMetUs) {
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, "none", 0)), OfferVerdict::reject_never_met);
}

TEST_F(AsMaster, AcceptsAPeerThatRemembersOurPastLife) {
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, "past", 7)), OfferVerdict::accept_our_past);
}

TEST_F(AsMaster, AcceptsAPeerThatKnowsTheExistingConnectionIsDead) {
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, kMine, 2)), OfferVerdict::accept_known_dead);
}

TEST_F(AsMaster, RejectsOlderAndNewerMarks) {
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, kMine, 1)), OfferVerdict::reject_older);
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, kMine, 3)), OfferVerdict::reject_newer);
}

TEST_F(AsMaster, AnAcceptedOfferReplacesTheConnectionAndRaisesTheNumber) {
    const auto attached = table.attach_as_master(kPeer, ConnectionId{3}, std::string(kTheirs));
    EXPECT_EQ(attached.sequence, 3u);
    EXPECT_EQ(attached.replaced, ConnectionId{2});
    EXPECT_EQ(table.live(kPeer), ConnectionId{3});
    table.detach(kPeer, ConnectionId{2});  // the replaced one ends later, and changes nothing
    EXPECT_EQ(table.live(kPeer), ConnectionId{3});
    table.detach(kPeer, ConnectionId{3});
    EXPECT_EQ(table.live(kPeer), std::nullopt);
}

TEST(AsSlave, TheDecisionReplacesWhateverIsAliveAndItsMarkIsKept) {
    DuplicateTable table{std::string(kMine)};
    EXPECT_EQ(table.last_connection(kPeer), (ConnectionMark{"none", 0}));
    EXPECT_EQ(table.attach_as_slave(kPeer, ConnectionId{1}, ConnectionMark{"m", 4}), std::nullopt);
    EXPECT_EQ(table.last_connection(kPeer), (ConnectionMark{"m", 4}));
    EXPECT_EQ(table.attach_as_slave(kPeer, ConnectionId{2}, ConnectionMark{"m", 5}),
              ConnectionId{1});
    table.detach(kPeer, ConnectionId{2});
    EXPECT_EQ(table.last_connection(kPeer), (ConnectionMark{"m", 5}));
    // A decision without a mark leaves the last one.
    table.attach_as_slave(kPeer, ConnectionId{3}, std::nullopt);
    EXPECT_EQ(table.last_connection(kPeer), (ConnectionMark{"m", 5}));
}

TEST(AsSlave, AnExistingConnectionAsSlaveGivesWayToAnOfferAsMaster) {
    // Tub ids do not change, so the same two tubs always have the same master; but the table must
    // not lock a peer out should it hold such an entry.
    DuplicateTable table{std::string(kMine)};
    table.attach_as_slave(kPeer, ConnectionId{1}, ConnectionMark{"m", 4});
    EXPECT_EQ(table.judge(kPeer, offer(kTheirs, "none", 0)), OfferVerdict::accept_restarted);
}

TEST(DuplicateTable, ForgetsTheOldestUnconnectedPeerButNeverANumber) {
    DuplicateTable table{std::string(kMine)};
    for (int i = 0; i < 5; ++i) {
        table.attach_as_master("first", ConnectionId{1}, "x");
        table.detach("first", ConnectionId{1});
    }
    table.attach_as_master("alive", ConnectionId{2}, "x");
    for (std::size_t i = 2; i < kRememberedPeersMax; ++i) {
        const std::string name = "peer" + std::to_string(i);
        table.attach_as_master(name, ConnectionId{3}, "x");
        table.detach(name, ConnectionId{3});
    }
    EXPECT_EQ(table.remembered(), kRememberedPeersMax);
    table.attach_as_slave("one more", ConnectionId{4}, ConnectionMark{"m", 1});
    EXPECT_EQ(table.remembered(), kRememberedPeersMax);
    EXPECT_EQ(table.live("alive"), ConnectionId{2});
    // "first" was forgotten, but its next number is not one it may have been told before.
    EXPECT_EQ(table.attach_as_master("first", ConnectionId{5}, "x").sequence, 6u);
}

}  // namespace
}  // namespace s4::proto::foolscap
