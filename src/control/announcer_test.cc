// A gate that moved, with the real introducer, keys and database.
#include "control/announcer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>

#include "control/limits.h"
#include "crypto/hash.h"
#include "rt/asio/backend.h"
#include "service/world_test.h"

namespace s4::control {
namespace {

service::PublicGate gate_at(std::string host, std::string_view identity = "identity") {
    return {.host = std::move(host),
            .port = 8470,
            .identities = {{crypto::sha256(as_bytes(identity)), 8470}}};
}

class Listener final : public introducer::Subscriber {
  public:
    void announce(const introducer::BatchPtr& batch) override {
        for (const auto& item : batch->items()) told.push_back(item->message);
    }
    std::vector<std::string> told;
};

class AnnouncerTest : public testing::Test {
  protected:
    AnnouncerTest() { start(); }

    void start() { introducer_.emplace(world_.runtime(), world_.database()); }
    void restart() {
        introducer_.reset();
        world_.restart();
        start();
    }
    const tenants::Keyring& keyring() { return world_.directory().keyring(); }
    Announcer announcer(const service::PublicGate& gate) {
        return Announcer(world_.runtime().reactor, world_.database(), *introducer_, keyring(),
                         gate);
    }
    // All that is left to do at this address; how many were announced.
    int settle(const service::PublicGate& gate) {
        Announcer all = announcer(gate);
        while (!world_.run(all.step(world_.ctx())).value()) {
        }
        return all.announced();
    }

    GridId make_grid(tenants::GridState state = tenants::GridState::served) {
        const tenants::NewGrid made = keyring().new_grid(world_.random(), 1795000000, {});
        const GridId id =
            world_.run(write([&](sql::Transaction& tx) { return tenants::insert_grid(tx, made); }))
                .value();
        if (state != tenants::GridState::served)
            EXPECT_TRUE(world_.run(world_.database().write(world_.ctx(), [&](sql::Transaction& tx) {
                return tenants::update_policy(tx, id, {.state = state});
            })));
        return id;
    }
    rt::Task<Result<GridId>> write(std::function<Result<GridId>(sql::Transaction&)> change) {
        co_return co_await world_.database().write(world_.ctx(), change);
    }

    struct Seen {
        std::int64_t seqnum = 0;
        std::string message;
    };
    std::optional<Seen> announced(GridId grid) {
        const auto all = world_.run(introducer_->announcements(world_.ctx(), grid)).value();
        if (all.empty()) return std::nullopt;
        EXPECT_EQ(all.size(), 1);
        return Seen{all[0]->seqnum.value(), all[0]->parts.message};
    }
    bool is_at(GridId grid, std::string_view host) {
        const auto seen = announced(grid);
        return seen && seen->message.contains(host);
    }

    rt::asio::Backend backend_{2};
    service::World world_{backend_};
    std::optional<introducer::Introducer> introducer_;
};

TEST_F(AnnouncerTest, every_grid_follows_the_gate_under_a_higher_number) {
    const GridId a = make_grid();
    const GridId b = make_grid(tenants::GridState::read_only);
    const GridId closed = make_grid(tenants::GridState::closed);
    EXPECT_EQ(settle(gate_at("old.example")), 2);
    ASSERT_TRUE(is_at(a, "old.example:8470"));
    const std::int64_t before = announced(a)->seqnum;
    EXPECT_EQ(settle(gate_at("old.example")), 0) << "nothing changed";

    EXPECT_EQ(settle(gate_at("new.example")), 2);
    EXPECT_TRUE(is_at(a, "new.example:8470"));
    EXPECT_TRUE(is_at(b, "new.example:8470"));
    EXPECT_FALSE(announced(a)->message.contains("old.example"));
    EXPECT_GT(announced(a)->seqnum, before);
    EXPECT_FALSE(announced(closed));
}

TEST_F(AnnouncerTest, another_identity_is_another_address) {
    const GridId a = make_grid();
    settle(gate_at("s4.example", "first"));
    const std::string before = announced(a)->message;
    EXPECT_EQ(settle(gate_at("s4.example", "second")), 1);
    EXPECT_NE(announced(a)->message, before);
    EXPECT_EQ(settle(gate_at("s4.example", "first")), 1) << "and back";
}

TEST_F(AnnouncerTest, who_is_subscribed_hears_of_it) {
    const GridId a = make_grid();
    settle(gate_at("old.example"));
    Listener listener;
    const auto subscription =
        world_.run(introducer_->subscribe(world_.ctx(), a, {}, "storage", listener)).value();
    settle(gate_at("new.example"));
    ASSERT_EQ(listener.told.size(), 2);
    EXPECT_TRUE(listener.told[1].contains("new.example"));
}

// Chooses for the customer while the grid is being announced.
class Chooser final : public introducer::Subscriber {
  public:
    Chooser(sql::Database& database, rt::Pool& writer, GridId grid)
        : database_(database), writer_(writer), grid_(grid) {}
    void announce(const introducer::BatchPtr& batch) override {
        for (const auto& item : batch->items())
            if (item->message.contains("new.example")) choose();
    }

  private:
    // Beside the announcer's own writes, and done when this returns.
    void choose() {
        std::promise<bool> done;
        writer_.submit([&] {
            const auto written = database_.write_blocking([&](sql::Transaction& tx) {
                return tenants::update_policy(tx, grid_,
                                              {.announced = tenants::Transports::foolscap_only});
            });
            done.set_value(written.has_value());
        });
        EXPECT_TRUE(done.get_future().get());
    }

    sql::Database& database_;
    rt::Pool& writer_;
    GridId grid_;
};

TEST_F(AnnouncerTest, transports_that_are_chosen_meanwhile_are_announced) {
    const GridId a = make_grid();
    settle(gate_at("old.example"));
    ASSERT_TRUE(announced(a)->message.contains("NURLs"));
    Chooser chooser(world_.database(), backend_.runtime().writer, a);
    const auto subscription =
        world_.run(introducer_->subscribe(world_.ctx(), a, {}, "storage", chooser)).value();
    EXPECT_EQ(settle(gate_at("new.example")), 2);
    EXPECT_TRUE(is_at(a, "new.example"));
    EXPECT_FALSE(announced(a)->message.contains("NURLs"));
}

TEST_F(AnnouncerTest, a_killed_round_goes_on_where_it_was) {
    std::vector<GridId> grids;
    for (std::size_t i = 0; i < 2 * kAnnouncePageGrids; ++i) grids.push_back(make_grid());
    EXPECT_EQ(settle(gate_at("old.example")), 2 * kAnnouncePageGrids);
    {
        Announcer killed = announcer(gate_at("new.example"));
        EXPECT_FALSE(world_.run(killed.step(world_.ctx())).value());
        EXPECT_EQ(killed.announced(), kAnnouncePageGrids);
    }
    restart();
    EXPECT_TRUE(is_at(grids[kAnnouncePageGrids - 1], "new.example"));
    EXPECT_TRUE(is_at(grids[kAnnouncePageGrids], "old.example"));
    const auto first = announced(grids[0]);
    EXPECT_EQ(settle(gate_at("new.example")), kAnnouncePageGrids);
    EXPECT_EQ(announced(grids[0])->seqnum, first->seqnum);
    for (const GridId grid : grids) EXPECT_TRUE(is_at(grid, "new.example"));
    restart();
    EXPECT_EQ(settle(gate_at("new.example")), 0);
    EXPECT_EQ(introducer_->loaded_count(), 0) << "no grid was even looked at";
}

TEST_F(AnnouncerTest, a_round_that_is_overtaken_by_a_third_address_begins_again) {
    std::vector<GridId> grids;
    for (std::size_t i = 0; i <= kAnnouncePageGrids; ++i) grids.push_back(make_grid());
    settle(gate_at("old.example"));
    Announcer killed = announcer(gate_at("new.example"));
    EXPECT_FALSE(world_.run(killed.step(world_.ctx())).value());
    EXPECT_EQ(settle(gate_at("old.example")), kAnnouncePageGrids);
    for (const GridId grid : grids) EXPECT_TRUE(is_at(grid, "old.example"));
}

TEST_F(AnnouncerTest, grids_do_not_stay_in_memory_for_it) {
    for (int i = 0; i < 10; ++i) make_grid();
    settle(gate_at("s4.example"));
    EXPECT_EQ(introducer_->loaded_count(), 0);
}

}  // namespace
}  // namespace s4::control
