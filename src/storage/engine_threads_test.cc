// The engine on real threads and a real disk: what TSan looks at. The rules are tested elsewhere.
#include <gtest/gtest.h>

#include <optional>

#include "base/scratch_folder_test.h"
#include "blob/directory_store.h"
#include "crypto/master_key.h"
#include "crypto/random.h"
#include "rt/asio/backend.h"
#include "rt/scope.h"
#include "sql/database.h"
#include "storage/engine.h"
#include "storage/schema.h"

namespace s4::storage {
namespace {

constexpr GridId kGrid{1};
constexpr int kRounds = 12;

class OneGrid final : public Policies {
  public:
    std::optional<GridPolicy> policy(GridId) const override {
        return GridPolicy{.quota_bytes = kGiB};
    }
};

class EngineThreadsTest : public testing::Test {
  protected:
    EngineThreadsTest() {
        sql::Options options;
        options.path = folder_.file("db");
        database_ = sql::Database::open(backend_.runtime(), options, migrations()).value();
        store_ =
            blob::DirectoryStore::open(backend_.runtime(), {folder_.file("store"), {}}).value();
    }
    rt::Task<void> everyone() {
        auto made = co_await Engine::create(ctx_, backend_.runtime(), *database_, *store_, master_,
                                            policies_, {});
        engine_ = std::move(made.value());
        rt::Scope scope(ctx_);
        for (std::uint8_t who = 1; who <= 4; ++who) {
            scope.spawn(upload(who));
            scope.spawn(rewrite(who));
            scope.spawn(look(who));
        }
        co_await scope.join();
        const auto counted = co_await engine_->recount(ctx_, kGrid);
        const auto kept = co_await engine_->usage(ctx_, kGrid);
        EXPECT_EQ(counted->data_bytes, kept->data_bytes);
        EXPECT_EQ(counted->shares, kept->shares);
        co_await engine_->close();
        engine_.reset();
    }

    static StorageIndex index(std::uint8_t who, std::uint8_t round) {
        StorageIndex out;
        out.bytes[0] = who;
        out.bytes[1] = round;
        return out;
    }
    static LeaseSecrets secrets() { return {Secret(ByteBuffer(32, 1)), Secret(ByteBuffer(32, 2))}; }

    rt::Task<void> upload(std::uint8_t who) {
        for (std::uint8_t round = 0; round < kRounds; ++round) {
            const ByteBuffer data(round % 3 == 0 ? 200'000 : 2000, who);
            const UploadOwner owner = Secret(ByteBuffer(20, who));
            const auto allocated = co_await engine_->allocate(
                ctx_, kGrid, {index(who, round), secrets(), owner, {0}, data.size()});
            EXPECT_TRUE(allocated && allocated->allocated.size() == 1);
            const UploadKey key{kGrid, index(who, round), 0};
            const auto written = co_await engine_->write(ctx_, key, owner, 0, data);
            EXPECT_TRUE(written && written->complete);
            EXPECT_TRUE((co_await engine_->verify(ctx_, kGrid, key.index, 0)).has_value());
        }
    }
    rt::Task<void> rewrite(std::uint8_t who) {
        for (std::uint8_t round = 0; round < kRounds; ++round) {
            TestWriteRequest request;
            request.index = index(200, who % 2);  // two fight for each
            request.write_enabler = Secret(ByteBuffer(32, 4));
            request.secrets = secrets();
            request.staging = engine_->stage();
            const ByteBuffer data(round % 4 == 0 ? 100'000 : 500, who);
            EXPECT_TRUE((co_await request.staging->append(ctx_, data)).has_value());
            request.shares[who].writes.push_back({round * 10u, {0, data.size()}});
            request.reads.push_back({0, 50});
            const auto done = co_await engine_->read_test_write(ctx_, kGrid, std::move(request));
            EXPECT_TRUE(done && done->success);
        }
    }
    rt::Task<void> look(std::uint8_t who) {
        for (std::uint8_t round = 0; round < kRounds; ++round) {
            const StorageIndex name = index(who, round);
            EXPECT_TRUE(
                (co_await engine_->list(ctx_, kGrid, name, ShareKind::immutable)).has_value());
            const auto all = co_await engine_->open_all(ctx_, kGrid, name, ShareKind::immutable);
            for (const auto& reader : *all) {
                ByteBuffer scratch;
                const auto read = co_await reader->read(ctx_, 0, 100, scratch);
                EXPECT_TRUE(read && read->size() == 100);
            }
            EXPECT_TRUE((co_await engine_->add_lease(ctx_, kGrid, name, secrets())).has_value());
            // One step at a time, as the engine itself does.
            if (who == 1) {
                const auto step = co_await engine_->collect_step(ctx_);
                EXPECT_TRUE(step.has_value()) << step.error().to_string();
            }
        }
    }

    ScratchFolder folder_;
    rt::asio::Backend backend_{3};
    rt::Context ctx_;
    crypto::SystemRandom random_;
    crypto::StaticMasterKey master_ = crypto::StaticMasterKey::generate(random_);
    OneGrid policies_;
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<blob::DirectoryStore> store_;
    std::unique_ptr<Engine> engine_;
};

TEST_F(EngineThreadsTest, ManyCallsSideBySide) {
    backend_.run(everyone());
}

}  // namespace
}  // namespace s4::storage
