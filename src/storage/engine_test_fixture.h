// For the engine's tests: an engine on a simulated machine, driven to completion call by call.
// Restart and power loss are those of the simulator; time is virtual.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blob/directory_store.h"
#include "crypto/hash.h"
#include "crypto/master_key.h"
#include "crypto/seeded_random.h"
#include "rt/sim/world.h"
#include "sql/database.h"
#include "storage/engine.h"
#include "storage/schema.h"

namespace s4::storage {

using namespace std::chrono_literals;

class TestPolicies final : public Policies {
  public:
    std::optional<GridPolicy> policy(GridId grid) const override {
        const auto at = by_grid.find(grid.value);
        return at == by_grid.end() ? std::nullopt : std::optional(at->second);
    }
    std::map<std::int64_t, GridPolicy> by_grid;
};

inline Secret secret32(std::uint8_t fill) {
    return Secret(ByteBuffer(32, fill));
}
inline LeaseSecrets lease_secrets(std::uint8_t fill) {
    return {secret32(fill), secret32(static_cast<std::uint8_t>(fill + 100))};
}
inline StorageIndex index_of(std::uint8_t fill) {
    StorageIndex out;
    out.bytes.fill(fill);
    return out;
}
// Bytes that differ from place to place, and from seed to seed.
inline ByteBuffer pattern(std::size_t size, std::uint64_t seed = 0) {
    ByteBuffer out(size);
    std::uint64_t x = seed * 0x9e37'79b9'7f4a'7c15U + 1;
    for (std::uint8_t& byte : out) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        byte = static_cast<std::uint8_t>(x);
    }
    return out;
}
inline ByteBuffer bytes(std::string_view text) {
    return to_buffer(as_bytes(text));
}

class EngineFixture : public testing::Test {
  protected:
    static constexpr GridId kGrid{1};
    static constexpr GridId kOther{2};

    EngineFixture() : random_(1), master_(crypto::StaticMasterKey::generate(random_)) {
        options_.collect_every = 1h;
        policies_.by_grid[1] = {.quota_bytes = kGiB};
        policies_.by_grid[2] = {.quota_bytes = kGiB};
    }
    ~EngineFixture() override {
        stop();
        world_.end();
        engine_.reset();
        store_.reset();
        database_.reset();
    }
    void SetUp() override { start(); }

    void start() {
        process_ = &machine().boot();
        rt::Runtime& runtime = process_->runtime();
        ASSERT_TRUE(runtime.files.make_directories("state"));
        ASSERT_TRUE(runtime.files.sync_directory("."));
        sql::Options options;
        options.path = "state/db";
        options.vfs = sql::Options::Vfs::files;
        options.on_fatal = [](const Error&) {};
        auto database = sql::Database::open(runtime, options, migrations());
        ASSERT_TRUE(database) << database.error().to_string();
        database_ = std::move(*database);
        auto store = blob::DirectoryStore::open(runtime, {"state/store", {}});
        ASSERT_TRUE(store) << store.error().to_string();
        store_ = std::move(*store);
        auto engine = run(Engine::create(process_->context(), runtime, *database_, *store_, master_,
                                         policies_, options_));
        ASSERT_TRUE(engine) << engine.error().to_string();
        engine_ = std::move(*engine);
    }
    // As a planned stop.
    void stop() {
        if (!process_ || !process_->alive()) return;
        run(engine_->close());
        process_->stop();
        world_.run_until([&] { return process_->ended(); }, 60s);
        engine_.reset();
        store_.reset();
        database_.reset();
        process_ = nullptr;
    }
    void restart() {
        stop();
        machine().crash(rt::sim::Crash::process);
        start();
    }
    void power_loss() {
        machine().crash(rt::sim::Crash::power);
        world_.run_for(1s);
        engine_.reset();
        store_.reset();
        database_.reset();
        start();
    }

    // Drives the task to its end.
    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        process_->spawn(keep(std::move(task), out));
        CHECK(world_.run_until([&] { return out.has_value(); }, 3600s), "the call ends");
        return std::move(*out);
    }
    void run(rt::Task<void> task) {
        bool done = false;
        process_->spawn(mark(std::move(task), done));
        CHECK(world_.run_until([&] { return done; }, 3600s), "the call ends");
    }
    template <typename T>
    static rt::Task<void> keep(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }
    static rt::Task<void> mark(rt::Task<void> task, bool& done) {
        co_await std::move(task);
        done = true;
    }
    void pass(Duration time) { world_.run_for(time); }

    rt::sim::Machine& machine() { return world_.machine("node"); }
    const rt::Context& ctx() { return process_->context(); }

    // -- calls in short --

    static Secret upload_secret(std::uint8_t fill = 7) { return Secret(ByteBuffer(20, fill)); }

    Result<AllocateAnswer> allocate(const StorageIndex& index, std::vector<ShareNumber> shares,
                                    std::uint64_t size, UploadOwner owner = upload_secret(),
                                    std::uint8_t lease = 1, GridId grid = kGrid) {
        return run(engine_->allocate(
            ctx(), grid, {index, lease_secrets(lease), std::move(owner), std::move(shares), size}));
    }
    Result<WriteAnswer> write(const StorageIndex& index, ShareNumber share, std::uint64_t offset,
                              ByteView data, UploadOwner owner = upload_secret(),
                              GridId grid = kGrid) {
        return run(engine_->write(ctx(), {grid, index, share}, owner, offset, data));
    }
    // Allocates and writes a whole share.
    Result<WriteAnswer> put(const StorageIndex& index, ShareNumber share, ByteView data,
                            std::uint8_t lease = 1, GridId grid = kGrid) {
        TRY(allocate(index, {share}, data.size(), upload_secret(), lease, grid));
        return write(index, share, 0, data, upload_secret(), grid);
    }
    std::vector<ShareNumber> list(const StorageIndex& index, ShareKind kind = ShareKind::immutable,
                                  GridId grid = kGrid) {
        return run(engine_->list(ctx(), grid, index, kind)).value();
    }
    Result<std::shared_ptr<ShareReader>> open(const StorageIndex& index, ShareNumber share,
                                              ShareKind kind = ShareKind::immutable,
                                              GridId grid = kGrid) {
        return run(engine_->open(ctx(), grid, index, share, kind, kWholeShare));
    }
    Result<ByteBuffer> read(ShareReader& reader, std::uint64_t offset, std::uint64_t size) {
        ByteBuffer out;
        while (out.size() < size) {
            ByteBuffer scratch;
            const std::size_t n =
                static_cast<std::size_t>(std::min<std::uint64_t>(size - out.size(), kReadBytesMax));
            const ByteView got = TRY(run(reader.read(ctx(), offset + out.size(), n, scratch)));
            if (got.empty()) break;
            append(out, got);
        }
        return out;
    }
    Result<ByteBuffer> content(const StorageIndex& index, ShareNumber share,
                               ShareKind kind = ShareKind::immutable, GridId grid = kGrid) {
        const auto reader = TRY(open(index, share, kind, grid));
        return read(*reader, 0, reader->length());
    }

    struct Write {
        std::uint64_t offset;
        ByteBuffer data;
    };
    struct Change {
        std::vector<TestVector> tests;
        std::vector<Write> writes;
        std::optional<std::uint64_t> new_length;
    };
    Result<TestWriteAnswer> change(const StorageIndex& index,
                                   const std::map<ShareNumber, Change>& changes,
                                   std::vector<ByteRange> reads = {}, std::uint8_t enabler = 50,
                                   std::uint8_t lease = 1, GridId grid = kGrid) {
        TestWriteRequest request;
        request.index = index;
        request.write_enabler = secret32(enabler);
        request.secrets = lease_secrets(lease);
        request.reads = std::move(reads);
        request.staging = engine_->stage();
        for (const auto& [share, wanted] : changes) {
            ShareTestWrite& out = request.shares[share];
            out.tests = wanted.tests;
            out.new_length = wanted.new_length;
            for (const Write& w : wanted.writes) {
                out.writes.push_back({w.offset, {request.staging->size(), w.data.size()}});
                TRY(run(request.staging->append(ctx(), w.data)));
            }
        }
        return run(engine_->read_test_write(ctx(), grid, std::move(request)));
    }
    ByteBuffer extract_bytes(const Extract& extract) {
        return read(*extract.reader, extract.range.offset, extract.range.size).value();
    }

    Usage usage(GridId grid = kGrid) { return run(engine_->usage(ctx(), grid)).value(); }
    void expect_usage_exact(GridId grid = kGrid) {
        const Usage counted = run(engine_->recount(ctx(), grid)).value();
        const Usage kept = usage(grid);
        EXPECT_EQ(counted.shares, kept.shares);
        EXPECT_EQ(counted.data_bytes, kept.data_bytes);
        EXPECT_EQ(counted.reserved_bytes, kept.reserved_bytes);
    }
    std::size_t blobs_in_store() {
        std::size_t count = 0;
        std::string from;
        do {
            blob::Page page = run(store_->list(ctx(), from)).value();
            count += page.blobs.size();
            from = page.next;
        } while (!from.empty());
        return count;
    }

    rt::sim::World world_{1, {}};
    crypto::SeededRandom random_;
    crypto::StaticMasterKey master_;
    TestPolicies policies_;
    EngineOptions options_;
    rt::sim::Process* process_ = nullptr;
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<blob::DirectoryStore> store_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace s4::storage
