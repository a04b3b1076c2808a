// The introducer on a real database in a folder of its own, against a model of the table in
// reference B.4.
#include "introducer/introducer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "base/scratch_folder_test.h"
#include "crypto/seeded_random.h"
#include "introducer/records.h"
#include "rt/asio/backend.h"
#include "rt/scope.h"

namespace s4::introducer {
namespace {

constexpr GridId kGrid{1};

class Recorder final : public Subscriber {
  public:
    void announce(const BatchPtr& batch) override {
        batches.push_back(batch);
        for (const auto& item : batch->items()) told.push_back(*item);
        if (also) also();
    }

    std::vector<BatchPtr> batches;
    std::vector<SignedAnnouncement> told;
    std::function<void()> also;
};

// The introducer with what it stands on; a restart loses everything but the database.
class World {
  public:
    World() { restart(); }
    ~World() {
        introducer.reset();
        database.reset();
    }

    void restart() {
        introducer.reset();
        database.reset();
        sql::Options options;
        options.path = folder_.file("db");
        database = sql::Database::open(backend_.runtime(), options, migrations()).value();
        introducer = std::make_unique<Introducer>(backend_.runtime(), *database);
    }

    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        backend_.run(keep(std::move(task), out));
        return std::move(*out);
    }
    // Both begin before either ends.
    template <typename T>
    std::pair<T, T> run_both(rt::Task<T> one, rt::Task<T> two) {
        std::optional<T> first, second;
        backend_.run(keep_both(keep(std::move(one), first), keep(std::move(two), second)));
        return {std::move(*first), std::move(*second)};
    }

    Result<void> publish(SignedAnnouncement parts, GridId grid = kGrid, GridLimits limits = {}) {
        return run(introducer->publish(ctx, grid, limits, std::move(parts)));
    }
    Result<Subscription> subscribe(Subscriber& subscriber, std::string service = "storage",
                                   GridId grid = kGrid, GridLimits limits = {}) {
        return run(introducer->subscribe(ctx, grid, limits, std::move(service), subscriber));
    }
    std::vector<SignedAnnouncement> current(GridId grid = kGrid) {
        std::vector<SignedAnnouncement> out;
        for (const auto& item : run(introducer->announcements(ctx, grid)).value())
            out.push_back(item->parts);
        return out;
    }

    rt::Context ctx;
    std::unique_ptr<sql::Database> database;
    std::unique_ptr<Introducer> introducer;

  private:
    template <typename T>
    static rt::Task<void> keep(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }
    rt::Task<void> keep_both(rt::Task<void> one, rt::Task<void> two) {
        rt::Scope scope(ctx);
        scope.spawn(std::move(one));
        scope.spawn(std::move(two));
        co_await scope.join();
    }

    ScratchFolder folder_;
    rt::asio::Backend backend_{2};
};

crypto::Ed25519PrivateKey key(std::uint64_t seed = 1) {
    crypto::SeededRandom random(seed);
    return crypto::Ed25519PrivateKey::generate(random);
}

SignedAnnouncement sign(std::optional<std::int64_t> seqnum, int content = 0, std::uint64_t seed = 1,
                        std::string_view service = "storage") {
    std::string message = fmt::format(R"({{"service-name":"{}","x":{})", service, content);
    if (seqnum) message += fmt::format(",\"seqnum\":{}", *seqnum);
    message += '}';
    SignedAnnouncement out;
    out.signature = crypto::signature_text(key(seed).sign(as_bytes(message)));
    out.message = std::move(message);
    out.key = key(seed).public_key().server_id();
    return out;
}

StorageServer server(std::string furl) {
    return {.furl = std::move(furl),
            .nurls = {},
            .permutation_seed = "aa",
            .nickname = "n",
            .version = "v"};
}

TEST(Introducer, TellsANewSubscriberWhatIsThereAndThenWhatIsNew) {
    World world;
    ASSERT_TRUE(world.publish(sign(1, 0, 1)));
    ASSERT_TRUE(world.publish(sign(1, 0, 2)));
    Recorder recorder;
    const auto subscription = world.subscribe(recorder);
    ASSERT_EQ(recorder.batches.size(), 1u);
    EXPECT_EQ(recorder.told.size(), 2u);
    ASSERT_TRUE(world.publish(sign(2, 0, 1)));
    ASSERT_EQ(recorder.batches.size(), 2u);
    EXPECT_EQ(recorder.told.back(), sign(2, 0, 1));
}

TEST(Introducer, ASubscriberOfNothingIsToldNothing) {
    World world;
    ASSERT_TRUE(world.publish(sign(1, 0, 1, "storage")));
    Recorder recorder;
    const auto subscription = world.subscribe(recorder, "other");
    ASSERT_TRUE(subscription);
    EXPECT_TRUE(recorder.batches.empty());
    ASSERT_TRUE(world.publish(sign(2, 0, 1, "storage")));
    EXPECT_TRUE(recorder.batches.empty());
    ASSERT_TRUE(world.publish(sign(1, 0, 1, "other")));
    EXPECT_EQ(recorder.batches.size(), 1u);
}

TEST(Introducer, GridsDoNotSeeEachOther) {
    World world;
    ASSERT_TRUE(world.publish(sign(1), GridId{1}));
    Recorder recorder;
    auto subscription = world.subscribe(recorder, "storage", GridId{2});
    ASSERT_TRUE(world.publish(sign(2), GridId{1}));
    EXPECT_TRUE(recorder.batches.empty());
    EXPECT_TRUE(world.current(GridId{2}).empty());
    subscription->reset();
    world.restart();
    EXPECT_TRUE(world.current(GridId{2}).empty());
}

TEST(Introducer, AnEndedSubscriptionIsToldNothing) {
    World world;
    Recorder recorder;
    auto subscription = world.subscribe(recorder);
    subscription->reset();
    ASSERT_TRUE(world.publish(sign(1)));
    EXPECT_TRUE(recorder.batches.empty());
}

TEST(Introducer, TheSameSubscriberIsToldOnce) {
    World world;
    ASSERT_TRUE(world.publish(sign(1)));
    Recorder recorder;
    const auto first = world.subscribe(recorder);
    const auto second = world.subscribe(recorder);
    EXPECT_TRUE(*first);
    EXPECT_FALSE(*second);
    ASSERT_TRUE(world.publish(sign(2)));
    EXPECT_EQ(recorder.batches.size(), 2u);
}

TEST(Introducer, ASubscriberMayLeaveWhileItIsTold) {
    World world;
    Recorder a, b;
    auto of_a = world.subscribe(a);
    auto of_b = world.subscribe(b);
    a.also = [&] {
        of_a->reset();
        of_b->reset();
    };
    ASSERT_TRUE(world.publish(sign(1)));
    EXPECT_EQ(a.told.size(), 1u);
    EXPECT_TRUE(b.told.empty());
}

TEST(Introducer, AllSubscribersShareOneEncoding) {
    World world;
    std::vector<Recorder> recorders(3);
    std::vector<Result<Subscription>> subscriptions;
    for (Recorder& recorder : recorders) subscriptions.push_back(world.subscribe(recorder));
    ASSERT_TRUE(world.publish(sign(1)));
    static int calls = 0;
    calls = 0;
    const Batch::Encoder encoder = [](const Batch::Items& items) {
        ++calls;
        return to_buffer(as_bytes(items[0]->message));
    };
    for (const Recorder& recorder : recorders)
        EXPECT_EQ(as_text(recorder.batches[0]->encoded(encoder)), sign(1).message);
    EXPECT_EQ(calls, 1);
    // So do those who come later, until something changes.
    Recorder late, later;
    const auto of_late = world.subscribe(late), of_later = world.subscribe(later);
    EXPECT_EQ(late.batches[0], later.batches[0]);
}

TEST(Introducer, AnnouncementsSurviveARestartUnchanged) {
    World world;
    ASSERT_TRUE(world.publish(sign(5, 1, 1)));
    ASSERT_TRUE(world.publish(sign({}, 2, 2)));
    const auto before = world.current();
    world.restart();
    EXPECT_EQ(world.current(), before);
    // The rules hold against what was stored.
    ASSERT_TRUE(world.publish(sign(4, 3, 1)));
    EXPECT_EQ(world.current(), before);
}

TEST(Introducer, ARefusedAnnouncementReachesNobody) {
    World world;
    Recorder recorder;
    const auto subscription = world.subscribe(recorder);
    SignedAnnouncement forged = sign(1);
    forged.message += ' ';
    EXPECT_EQ(world.publish(forged).error().code(), "introducer.bad_signature");
    EXPECT_TRUE(recorder.batches.empty());
    EXPECT_TRUE(world.current().empty());
}

TEST(Introducer, ADamagedRowIsLeftOut) {
    World world;
    ASSERT_TRUE(world.publish(sign(1, 0, 1)));
    ASSERT_TRUE(world.publish(sign(1, 0, 2)));
    static constexpr sql::Query kDamage{"test.damage",
                                        "UPDATE announcements SET message = $1 WHERE key = $2"};
    ASSERT_TRUE(
        world.run(world.database->write(world.ctx, [](sql::Transaction& tx) -> Result<void> {
            TRY(tx.execute(kDamage, {as_bytes("{}"), sign(1, 0, 2).key}));
            return ok();
        })));
    world.restart();
    EXPECT_EQ(world.current(), std::vector{sign(1, 0, 1)});
}

TEST(Introducer, LimitsHoldAtTheEdge) {
    World world;
    const GridLimits limits{.announcements_max = 2, .subscribers_max = 1};
    EXPECT_TRUE(world.publish(sign(1, 0, 1), kGrid, limits));
    EXPECT_TRUE(world.publish(sign(1, 0, 2), kGrid, limits));
    EXPECT_EQ(world.publish(sign(1, 0, 3), kGrid, limits).error().code(),
              "introducer.too_many_announcements");
    EXPECT_TRUE(world.publish(sign(2, 0, 2), kGrid, limits));  // takes no new place
    Recorder a, b;
    auto of_a = world.subscribe(a, "storage", kGrid, limits);
    EXPECT_TRUE(of_a);
    EXPECT_EQ(world.subscribe(b, "storage", kGrid, limits).error().code(),
              "introducer.too_many_subscribers");
    of_a->reset();
    EXPECT_TRUE(world.subscribe(b, "storage", kGrid, limits));
    EXPECT_EQ(world.subscribe(b, "").error().code(), "introducer.invalid_service");
    EXPECT_TRUE(world.subscribe(b, std::string(kServiceNameBytesMax, 's')));
    EXPECT_EQ(world.subscribe(b, std::string(kServiceNameBytesMax + 1, 's')).error().code(),
              "introducer.invalid_service");
}

TEST(Introducer, TheOwnServerIsAnnouncedWhenItChangesWithARisingNumber) {
    World world;
    const auto publish_own = [&](std::string furl) {
        return world
            .run(world.introducer->publish_own(world.ctx, kGrid, server(std::move(furl)), key()))
            .value();
    };
    const auto seqnum = [&] { return *verify(world.current().at(0))->seqnum; };
    EXPECT_TRUE(publish_own("pb://a"));
    const std::int64_t first = seqnum();
    EXPECT_FALSE(publish_own("pb://a"));
    world.restart();
    EXPECT_FALSE(publish_own("pb://a"));
    EXPECT_EQ(seqnum(), first);
    EXPECT_TRUE(publish_own("pb://b"));
    EXPECT_GT(seqnum(), first);
    // After a restore of a far later state the number still rises.
    ASSERT_TRUE(world.publish(sign(first + 1'000'000'000)));
    EXPECT_TRUE(publish_own("pb://c"));
    EXPECT_EQ(seqnum(), first + 1'000'000'001);
}

TEST(Introducer, PublicationsAtOnceAreStoredInTheOrderTheyAreTold) {
    World world;
    Recorder recorder;
    auto subscription = world.subscribe(recorder);
    const auto [one, two] =
        world.run_both(world.introducer->publish(world.ctx, kGrid, {}, sign({}, 1)),
                       world.introducer->publish(world.ctx, kGrid, {}, sign({}, 2)));
    ASSERT_TRUE(one && two);
    EXPECT_EQ(recorder.told, (std::vector{sign({}, 1), sign({}, 2)}));
    subscription->reset();
    world.restart();
    EXPECT_EQ(world.current(), std::vector{sign({}, 2)});
}

TEST(Introducer, AnIdleGridIsEvictedAndLoadedAgain) {
    World world;
    ASSERT_TRUE(world.publish(sign(1)));
    Recorder recorder;
    auto subscription = world.subscribe(recorder);
    EXPECT_EQ(world.introducer->evict_idle(Instant::max()), 0u);
    subscription->reset();
    EXPECT_EQ(world.introducer->evict_idle(Instant::min()), 0u);
    EXPECT_EQ(world.introducer->evict_idle(Instant::max()), 1u);
    EXPECT_EQ(world.introducer->loaded_count(), 0u);
    EXPECT_EQ(world.current(), std::vector{sign(1)});
}

TEST(Introducer, StatusCountsByService) {
    World world;
    ASSERT_TRUE(world.publish(sign(1, 0, 1, "storage")));
    ASSERT_TRUE(world.publish(sign(1, 0, 2, "storage")));
    ASSERT_TRUE(world.publish(sign(1, 0, 1, "other")));
    Recorder recorder;
    const auto subscription = world.subscribe(recorder);
    const Status status = world.run(world.introducer->status(world.ctx, kGrid)).value();
    EXPECT_EQ(status.announcements,
              (std::map<std::string, std::size_t>{{"other", 1}, {"storage", 2}}));
    EXPECT_EQ(status.subscribers, (std::map<std::string, std::size_t>{{"storage", 1}}));
}

TEST(Introducer, AnErasedGridHasNoAnnouncements) {
    World world;
    ASSERT_TRUE(world.publish(sign(1), GridId{1}));
    ASSERT_TRUE(world.publish(sign(1), GridId{2}));
    ASSERT_TRUE(world.run(world.database->write(
        world.ctx, [](sql::Transaction& tx) { return erase(tx, GridId{1}); })));
    world.restart();
    EXPECT_TRUE(world.current(GridId{1}).empty());
    EXPECT_EQ(world.current(GridId{2}).size(), 1u);
}

// Table B.4 in its own words, over (sequence number, content) pairs.
struct Modelled {
    std::optional<std::int64_t> seqnum;
    int content = 0;
};

bool model_accepts(const std::optional<Modelled>& old, const Modelled& offered) {
    if (!old) return true;
    if (old->seqnum == offered.seqnum && old->content == offered.content) return false;
    if (!old->seqnum) return true;
    return offered.seqnum && *offered.seqnum > *old->seqnum;
}

// One run of random publications and restarts in a grid of its own.
void follow_the_table(World& world, GridId grid) {
    std::map<std::uint64_t, std::optional<Modelled>> model;
    Recorder recorder;
    auto subscription = world.subscribe(recorder, "storage", grid);
    std::vector<SignedAnnouncement> expected_told;
    const int steps = *rc::gen::inRange(1, 15);
    for (int i = 0; i < steps; ++i) {
        if (*rc::gen::inRange(0, 8) == 0) {
            subscription->reset();
            world.restart();
            recorder.told.clear();
            subscription = world.subscribe(recorder, "storage", grid);
            expected_told = world.current(grid);
        }
        const std::uint64_t publisher = *rc::gen::inRange<std::uint64_t>(1, 3);
        Modelled offered;
        if (*rc::gen::inRange(0, 4) != 0) offered.seqnum = *rc::gen::inRange<std::int64_t>(0, 5);
        offered.content = *rc::gen::inRange(0, 3);
        const SignedAnnouncement parts = sign(offered.seqnum, offered.content, publisher);
        RC_ASSERT(world.publish(parts, grid).has_value());
        if (model_accepts(model[publisher], offered)) {
            model[publisher] = offered;
            expected_told.push_back(parts);
        }
        RC_ASSERT(recorder.told == expected_told);
    }
    std::vector<SignedAnnouncement> expected;
    for (const auto& [publisher, stands] : model)
        if (stands) expected.push_back(sign(stands->seqnum, stands->content, publisher));
    std::ranges::sort(expected, {}, &SignedAnnouncement::key);
    RC_ASSERT(world.current(grid) == expected);
}

TEST(Introducer, FollowsTheTableThroughAnySequenceAndRestarts) {
    World world;
    GridId grid;
    EXPECT_TRUE(rc::check([&] {
        ++grid.value;
        follow_the_table(world, grid);
    }));
}

}  // namespace
}  // namespace s4::introducer
