#include "blob/directory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "rt/sim/world.h"

namespace s4::blob {
namespace {

using namespace std::chrono_literals;

Key key_of(std::int64_t grid, std::uint8_t fill) {
    Key::Name name;
    name.fill(fill);
    return {GridId{grid}, name};
}

class DirectoryStoreTest : public testing::Test {
  protected:
    DirectoryStoreTest() { start({}); }
    ~DirectoryStoreTest() override { world_.end(); }

    void start(DirectoryOptions::PlantedBugs bugs) {
        process_ = &machine().boot();
        ASSERT_TRUE(files().make_directories("state"));
        ASSERT_TRUE(files().sync_directory("."));
        auto opened = DirectoryStore::open(process_->runtime(), {"state/store", bugs});
        ASSERT_TRUE(opened) << opened.error().to_string();
        store_ = std::move(*opened);
    }
    void power_loss(DirectoryOptions::PlantedBugs bugs = {}) {
        machine().crash(rt::sim::Crash::power);
        start(bugs);
    }

    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        process_->spawn(keep(std::move(task), out));
        CHECK(world_.run_until([&] { return out.has_value(); }, 600s), "the call ends");
        return std::move(*out);
    }
    template <typename T>
    static rt::Task<void> keep(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }
    Result<ByteBuffer> content(const Key& key) {
        const auto blob = TRY(run(store_->open(ctx(), key)));
        ByteBuffer out(10'000);
        out.resize(TRY(run(blob->read_at(ctx(), 0, out))));
        return out;
    }
    std::vector<std::string> listing() {
        std::vector<std::string> out;
        std::string from;
        do {
            Page page = run(store_->list(ctx(), from)).value();
            for (const Listed& blob : page.blobs) out.push_back(blob.key.text());
            from = page.next;
        } while (!from.empty());
        return out;
    }

    rt::sim::Machine& machine() { return world_.machine("m"); }
    rt::Files& files() { return process_->runtime().files; }
    const rt::Context& ctx() { return process_->context(); }

    rt::sim::World world_{1, {}};
    rt::sim::Process* process_ = nullptr;
    std::unique_ptr<DirectoryStore> store_;
};

TEST(Key, HasOneSpelling) {
    const Key key = key_of(17, 0xa3);
    EXPECT_EQ(key.text(), "17/a/a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3");
    EXPECT_EQ(Key::parse(key.text()), key);
    for (const std::string& bad :
         {std::string(), std::string("17"), std::string("/a/") + std::string(32, 'a'),
          "0/a/" + std::string(32, 'a'), "-1/a/" + std::string(32, 'a'),
          "017/a/" + std::string(32, 'a'), "17/b/" + std::string(32, 'a'),
          "17/A/" + std::string(32, 'A'), "17/a/" + std::string(31, 'a'),
          "17/a/" + std::string(33, 'a'), "17/a/" + std::string(31, 'a') + "g",
          "99999999999999999999/a/" + std::string(32, 'a')})
        EXPECT_FALSE(Key::parse(bad)) << bad;
}

TEST_F(DirectoryStoreTest, ADraftIsReadBackAndPublishedOnce) {
    const auto draft = run(store_->begin(ctx())).value();
    ASSERT_TRUE(run(draft->write_at(ctx(), 5, as_bytes("world"))));
    ASSERT_TRUE(run(draft->write_at(ctx(), 0, as_bytes("hello"))));
    ByteBuffer back(20);
    EXPECT_EQ(run(draft->read_at(ctx(), 2, back)).value(), 8u);
    EXPECT_EQ(as_text(ByteView(back).first(8)), "lloworld");
    EXPECT_TRUE(listing().empty());
    ASSERT_TRUE(run(draft->publish(ctx(), key_of(1, 1), 7)));
    ASSERT_TRUE(run(draft->publish(ctx(), key_of(1, 1), 7)));
    EXPECT_EQ(content(key_of(1, 1)).value(), to_buffer(as_bytes("hellowo")));
    EXPECT_TRUE(content(key_of(2, 1)).error().is("blob.not_found"));
    const auto blob = run(store_->open(ctx(), key_of(1, 1))).value();
    EXPECT_EQ(blob->read_at_hand(1, back), 3u) << "the simulator holds half of what is there";
    EXPECT_EQ(as_text(ByteView(back).first(3)), "ell");
    EXPECT_EQ(blob->read_at_hand(7, back), 0u);
}

TEST_F(DirectoryStoreTest, AnUnpublishedDraftVanishes) {
    {
        const auto draft = run(store_->begin(ctx())).value();
        ASSERT_TRUE(run(draft->write_at(ctx(), 0, as_bytes("x"))));
        EXPECT_EQ(files().list("state/store/drafts").value().size(), 1u);
    }
    world_.run_for(1s);
    EXPECT_TRUE(files().list("state/store/drafts").value().empty());
    auto draft = run(store_->begin(ctx())).value();
    machine().crash(rt::sim::Crash::process);
    draft.reset();  // a ghost's: it can remove nothing
    world_.run_for(1s);
    start({});
    EXPECT_TRUE(files().list("state/store/drafts").value().empty());
}

TEST_F(DirectoryStoreTest, APublishedBlobSurvivesPowerLossWhole) {
    for (std::uint8_t i = 0; i < 30; ++i) {
        const ByteBuffer bytes(3000, i);
        ASSERT_TRUE(run(store_->put(ctx(), key_of(i + 1, i), bytes)));
        power_loss();
        for (std::uint8_t j = 0; j <= i; ++j)
            ASSERT_EQ(content(key_of(j + 1, j)).value(), ByteBuffer(3000, j)) << int{j};
    }
}

TEST_F(DirectoryStoreTest, WithoutTheSyncPowerLossIsSeen) {
    bool harmed = false;
    for (std::uint8_t i = 0; i < 30 && !harmed; ++i) {
        power_loss({.skip_sync = true});
        ASSERT_TRUE(run(store_->put(ctx(), key_of(1, i), ByteBuffer(3000, i))));
        power_loss();
        const auto after = content(key_of(1, i));
        harmed = !after || *after != ByteBuffer(3000, i);
    }
    EXPECT_TRUE(harmed);
}

TEST_F(DirectoryStoreTest, AfterAFailedSyncADraftIsLost) {
    const auto draft = run(store_->begin(ctx())).value();
    ASSERT_TRUE(run(draft->write_at(ctx(), 0, as_bytes("x"))));
    machine().faults().sync_error = 1;
    EXPECT_EQ(run(draft->publish(ctx(), key_of(1, 1), 1)).error().kind(), ErrorKind::io);
    machine().faults().sync_error = 0;
    EXPECT_TRUE(run(draft->publish(ctx(), key_of(1, 1), 1)).error().is("blob.draft_lost"));
}

TEST_F(DirectoryStoreTest, RemovalCanBeRepeated) {
    ASSERT_TRUE(run(store_->put(ctx(), key_of(1, 1), as_bytes("x"))));
    EXPECT_TRUE(run(store_->remove(ctx(), key_of(1, 1))));
    EXPECT_TRUE(run(store_->remove(ctx(), key_of(1, 1))));
    EXPECT_TRUE(run(store_->remove(ctx(), key_of(9, 9))));
    EXPECT_TRUE(listing().empty());
}

TEST_F(DirectoryStoreTest, ListsEveryBlobOnceInPagesAndNothingElse) {
    std::vector<std::string> expected;
    // More folders than a page looks into, and names around the digits' order.
    for (const std::int64_t grid : {1, 2, 9, 10, 17, 100})
        for (int digit = 0; digit < 16; ++digit) {
            const Key key = key_of(grid, static_cast<std::uint8_t>(digit * 16 + 3));
            ASSERT_TRUE(run(store_->put(ctx(), key, as_bytes("x"))));
            expected.push_back(key.text());
        }
    ASSERT_TRUE(rt::replace_file(files(), "state/store/blobs/1/0/foreign", as_bytes("x")));
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(listing(), expected);

    ASSERT_TRUE(files().make_directories("state/store/blobs/lost+found"));
    ASSERT_TRUE(files().make_directories("state/store/blobs/018"));
    EXPECT_THAT(run(store_->grids(ctx())).value(),
                testing::UnorderedElementsAre(GridId{1}, GridId{2}, GridId{9}, GridId{10},
                                              GridId{17}, GridId{100}));
}

TEST_F(DirectoryStoreTest, AFullFolderIsListedInPages) {
    constexpr std::size_t kBlobs = 1001;
    std::set<std::string> expected;
    for (std::size_t i = 0; i < kBlobs; ++i) {
        Key::Name name{};
        name[14] = static_cast<std::uint8_t>(i >> 8);
        name[15] = static_cast<std::uint8_t>(i);
        const Key key(GridId{1}, name);
        ASSERT_TRUE(run(store_->put(ctx(), key, as_bytes("x"))));
        expected.insert(key.text());
    }
    const Page first = run(store_->list(ctx(), "")).value();
    EXPECT_EQ(first.blobs.size(), 1000u);
    EXPECT_FALSE(first.next.empty());
    const auto all = listing();
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()), expected);
    EXPECT_EQ(all.size(), kBlobs);
}

}  // namespace
}  // namespace s4::blob
