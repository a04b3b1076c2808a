// The engine's small parts: ranges, the bounded map, the index cache, turns, accounts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rt/scope.h"
#include "rt/sim/world.h"
#include "storage/accounts.h"
#include "storage/index_cache.h"
#include "storage/range_set.h"
#include "storage/turns.h"

namespace s4::storage {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(RangeSet, MergesWhatTouches) {
    RangeSet set;
    set.add({10, 5});
    set.add({20, 5});
    set.add({0, 0});
    EXPECT_EQ(set.pieces(), 2u);
    set.add({15, 5});
    EXPECT_EQ(set.pieces(), 1u);
    EXPECT_THAT(set.inside({0, 100}), ElementsAre(ByteRange{10, 15}));
    EXPECT_THAT(set.inside({12, 2}), ElementsAre(ByteRange{12, 2}));
    EXPECT_THAT(set.inside({0, 10}), IsEmpty());
    EXPECT_THAT(set.missing(30), ElementsAre(ByteRange{0, 10}, ByteRange{25, 5}));
    EXPECT_THAT(set.missing(5), ElementsAre(ByteRange{0, 5}));
    set.add({0, 30});
    EXPECT_TRUE(set.covers(30));
    EXPECT_FALSE(set.covers(31));
}

TEST(RangeSet, AgreesWithAFieldOfBits) {
    std::uint64_t x = 1;
    const auto next = [&](std::uint64_t bound) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        return (x >> 33) % bound;
    };
    for (int round = 0; round < 200; ++round) {
        RangeSet set;
        std::vector<bool> bits(64);
        for (int i = 0; i < 8; ++i) {
            const ByteRange range{next(60), next(8)};
            set.add(range);
            for (std::uint64_t at = range.offset; at < range.offset + range.size && at < 64; ++at)
                bits[at] = true;
        }
        std::vector<bool> seen(64);
        for (const ByteRange& range : set.inside({0, 64}))
            for (std::uint64_t at = range.offset; at < range.offset + range.size; ++at)
                seen[at] = true;
        ASSERT_EQ(seen, bits);
        for (const ByteRange& range : set.missing(64))
            for (std::uint64_t at = range.offset; at < range.offset + range.size; ++at)
                ASSERT_FALSE(bits[at]);
    }
}

TEST(Lru, ForgetsWhatWasNotAskedForLongest) {
    Lru<int, int> map(10);
    map.put(1, 10, 4);
    map.put(2, 20, 4);
    ASSERT_TRUE(map.find(1));
    map.put(3, 30, 4);
    EXPECT_TRUE(map.find(1));
    EXPECT_FALSE(map.find(2));
    EXPECT_EQ(map.weight(), 8u);
    map.put(4, 40, 11);
    EXPECT_FALSE(map.find(4));
    map.put(1, 11, 10);
    EXPECT_EQ(*map.find(1), 11);
    EXPECT_EQ(map.size(), 1u);
}

TEST(IndexCache, KeepsNothingReadBesideAWrite) {
    IndexCache cache(8);
    const IndexKey key{GridId{1}, {}};
    const auto rows = std::make_shared<const IndexRows>();
    cache.fill(key, cache.ticket(key), rows);
    EXPECT_TRUE(cache.find(key));
    const std::uint32_t before = cache.ticket(key);
    {
        const IndexCache::Writing writing(cache, key);
        EXPECT_FALSE(cache.find(key));
        cache.fill(key, cache.ticket(key), rows);
        EXPECT_FALSE(cache.find(key));
    }
    cache.fill(key, before, rows);
    EXPECT_FALSE(cache.find(key));
    cache.fill(key, cache.ticket(key), rows);
    EXPECT_TRUE(cache.find(key));
}

class TurnsTest : public testing::Test {
  protected:
    rt::Task<void> hold(Turns::Mode mode, Duration time, std::string name) {
        auto turn = co_await turns_.take(process_.context(), key_, mode);
        log_ += name;
        (void)co_await rt::sleep(process_.runtime().reactor, process_.context(), time);
        log_ += name + "'";
    }
    ~TurnsTest() override { world_.end(); }

    rt::sim::World world_{1, {}};
    rt::sim::Process& process_ = world_.machine("m").boot();
    Turns turns_{process_.runtime().reactor};
    IndexKey key_;
    std::string log_;
};

TEST_F(TurnsTest, SharersGoTogetherAndOneAloneGoesAlone) {
    process_.spawn(hold(Turns::Mode::shared, 1s, "a"));
    process_.spawn(hold(Turns::Mode::shared, 2s, "b"));
    process_.spawn(hold(Turns::Mode::alone, 1s, "C"));
    process_.spawn(hold(Turns::Mode::shared, 1s, "d"));
    process_.spawn(hold(Turns::Mode::shared, 2s, "e"));
    world_.run_for(60s);
    EXPECT_EQ(log_, "aba'b'CC'ded'e'");
    EXPECT_EQ(turns_.busy_indexes(), 0u);
}

TEST_F(TurnsTest, WhoGivesUpLetsOthersPass) {
    process_.spawn(hold(Turns::Mode::shared, 3s, "a"));
    std::optional<bool> failed;
    const auto give_up = [](Turns& turns, rt::Context ctx, IndexKey key,
                            std::optional<bool>& out) -> rt::Task<void> {
        out = !(co_await turns.take(ctx, key, Turns::Mode::alone)).has_value();
    };
    process_.spawn(give_up(turns_, process_.context().until(world_.now() + 1s), key_, failed));
    process_.spawn(hold(Turns::Mode::shared, 1s, "b"));
    world_.run_for(60s);
    EXPECT_EQ(failed, true);
    EXPECT_EQ(log_, "abb'a'");
    EXPECT_EQ(turns_.busy_indexes(), 0u);
}

TEST(Accounts, LaterAnswersDoNotOverwriteNewerOnes) {
    Accounts accounts(2);
    accounts.learn(GridId{1}, {1, 100, 5});
    accounts.learn(GridId{1}, {2, 200, 4});
    EXPECT_EQ(accounts.used(GridId{1})->data_bytes, 100u);
    accounts.reserve(GridId{1}, 10);
    accounts.reserve(GridId{1}, 20);
    EXPECT_EQ(accounts.reserved_bytes(GridId{1}), 30u);
    EXPECT_EQ(accounts.uploads(GridId{1}), 2u);
    accounts.learn(GridId{2}, {});
    accounts.learn(GridId{3}, {});
    EXPECT_FALSE(accounts.used(GridId{1}));
    EXPECT_EQ(accounts.reserved_bytes(GridId{1}), 30u);  // never forgotten
    accounts.release(GridId{1}, 20);
    accounts.release(GridId{1}, 10);
    EXPECT_EQ(accounts.reserved_bytes_of_all(), 0u);
}

}  // namespace
}  // namespace s4::storage
