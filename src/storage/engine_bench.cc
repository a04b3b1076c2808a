// What the engine costs on a real disk, without any protocol around it: run on the machine in
// question, on the disk in question (S4_BENCH_DIR, the current folder if unset). Every write is
// synced. It compares both places of a share at several sizes: where kSmallShareBytesMax belongs.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

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
constexpr std::uint64_t kAllSmall = 4 * kMiB;  // a threshold that nothing passes

class OneGrid final : public Policies {
  public:
    std::optional<GridPolicy> policy(GridId) const override {
        return GridPolicy{.quota_bytes = 1024 * kGiB, .uploads_max = 100'000};
    }
};

class Bench {
  public:
    explicit Bench(std::uint64_t small_max) {
        const char* where = std::getenv("S4_BENCH_DIR");
        folder_ =
            std::string(where ? where : ".") + "/s4-engine-bench-" + std::to_string(::getpid());
        std::filesystem::create_directories(folder_);
        sql::Options options;
        options.path = folder_ + "/db";
        database_ = sql::Database::open(backend_.runtime(), options, migrations()).value();
        store_ = blob::DirectoryStore::open(backend_.runtime(), {folder_ + "/store", {}}).value();
        EngineOptions engine_options;
        engine_options.small_share_bytes_max = small_max;
        auto made = run(Engine::create(ctx, backend_.runtime(), *database_, *store_, master_,
                                       policies_, engine_options));
        engine = std::move(made.value());
    }
    ~Bench() {
        backend_.run(engine->close());
        engine.reset();
        store_.reset();
        database_.reset();
        std::filesystem::remove_all(folder_);
    }

    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        backend_.run(keep(std::move(task), out));
        return std::move(*out);
    }
    // `count` calls of `work(i)`, `width` at a time.
    template <typename Work>
    void run_wide(std::size_t count, std::size_t width, Work work) {
        next_ = 0;
        count_ = count;
        backend_.run(wide(width, &work));
    }

    // Everything on the disk, for each byte of `data`.
    double disk_bytes_for_each(double data) const {
        double all = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_))
            if (entry.is_regular_file()) all += static_cast<double>(entry.file_size());
        return all / data;
    }

    StorageIndex fresh_index() {
        StorageIndex out;
        random_.fill(out.bytes);
        return out;
    }

    rt::Context ctx;
    std::unique_ptr<Engine> engine;

  private:
    template <typename T>
    static rt::Task<void> keep(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }
    template <typename Work>
    rt::Task<void> wide(std::size_t width, Work* work) {
        rt::Scope scope(ctx);
        for (std::size_t i = 0; i < width; ++i) scope.spawn(worker(work));
        co_await scope.join();
    }
    template <typename Work>
    rt::Task<void> worker(Work* work) {
        while (next_ < count_) co_await (*work)(next_++);
    }

    crypto::SystemRandom random_;
    crypto::StaticMasterKey master_ = crypto::StaticMasterKey::generate(random_);
    OneGrid policies_;
    std::string folder_;
    rt::asio::Backend backend_{4};
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<blob::DirectoryStore> store_;
    std::size_t next_ = 0;
    std::size_t count_ = 0;
};

const LeaseSecrets& secrets() {
    static const LeaseSecrets made{Secret(ByteBuffer(32, 1)), Secret(ByteBuffer(32, 2))};
    return made;
}
UploadOwner owner() {
    return Secret(ByteBuffer(20, 3));
}

rt::Task<void> put(Bench& bench, StorageIndex index, const ByteBuffer& data) {
    const auto allocated = co_await bench.engine->allocate(
        bench.ctx, kGrid, {index, secrets(), owner(), {0}, data.size()});
    CHECK(allocated && allocated->allocated.size() == 1, "there is room");
    const UploadKey key{kGrid, index, 0};
    const UploadOwner who = owner();
    const auto written = co_await bench.engine->write(bench.ctx, key, who, 0, data);
    CHECK(written && written->complete, "a share is stored");
}

rt::Task<void> get(Bench& bench, StorageIndex index, std::size_t size) {
    const auto reader =
        co_await bench.engine->open(bench.ctx, kGrid, index, 0, ShareKind::immutable, kWholeShare);
    CHECK(reader, "the share is there");
    ByteBuffer scratch;
    const auto read = co_await (*reader)->read(bench.ctx, 0, size, scratch);
    CHECK(read && read->size() == size, "and whole");
}

rt::Task<void> rewrite(Bench& bench, StorageIndex index, const ByteBuffer& data) {
    TestWriteRequest request;
    request.index = index;
    request.write_enabler = Secret(ByteBuffer(32, 4));
    request.secrets = secrets();
    request.staging = bench.engine->stage();
    CHECK(co_await request.staging->append(bench.ctx, data), "memory takes it");
    request.shares[0].writes.push_back({0, {0, data.size()}});
    const auto done = co_await bench.engine->read_test_write(bench.ctx, kGrid, std::move(request));
    CHECK(done && done->success, "it is written");
}

// Arguments: bytes of a share, 1 if it goes into the database, calls at a time.
void create(benchmark::State& state) {
    Bench bench(state.range(1) != 0 ? kAllSmall : 1);
    const ByteBuffer data(static_cast<std::size_t>(state.range(0)), 7);
    const std::size_t width = static_cast<std::size_t>(state.range(2));
    for (auto _ : state)
        bench.run_wide(width * 8, width, [&] [[clang::coro_wrapper]] (std::size_t) {
            return put(bench, bench.fresh_index(), data);
        });
    const auto shares = state.iterations() * static_cast<std::int64_t>(width * 8);
    state.SetItemsProcessed(shares);
    state.counters["disk_bytes_a_byte"] =
        bench.disk_bytes_for_each(static_cast<double>(shares * state.range(0)));
}
// Items a second are shares; the CPU time of an iteration is that of 8 or 512 shares.
BENCHMARK(create)
    ->ArgsProduct({{4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20},
                   {1, 0},
                   {1, 64}})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// The same first arguments; shares are read in turn, more of them than the cache holds if the third
// is 1.
void read(benchmark::State& state) {
    Bench bench(state.range(1) != 0 ? kAllSmall : 1);
    const ByteBuffer data(static_cast<std::size_t>(state.range(0)), 7);
    const std::size_t shares =
        state.range(2) != 0 ? static_cast<std::size_t>(2 * kShareCacheBytesMax / data.size()) : 64;
    std::vector<StorageIndex> indexes(shares);
    for (StorageIndex& index : indexes) index = bench.fresh_index();
    bench.run_wide(shares, 64, [&] [[clang::coro_wrapper]] (std::size_t i) {
        return put(bench, indexes[i], data);
    });
    std::size_t at = 0;
    for (auto _ : state)
        bench.run_wide(512, 16, [&] [[clang::coro_wrapper]] (std::size_t) {
            return get(bench, indexes[at++ % indexes.size()], data.size());
        });
    state.SetItemsProcessed(state.iterations() * 512);
}
BENCHMARK(read)
    ->ArgsProduct({{4 << 10, 32 << 10, 128 << 10}, {1, 0}, {0, 1}})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void mutable_rewrite(benchmark::State& state) {
    Bench bench(kSmallShareBytesMax);
    const ByteBuffer data(1024, 7);
    std::vector<StorageIndex> indexes(64);
    for (StorageIndex& index : indexes) index = bench.fresh_index();
    const std::size_t width = static_cast<std::size_t>(state.range(0));
    for (auto _ : state)
        bench.run_wide(width * 8, width, [&] [[clang::coro_wrapper]] (std::size_t i) {
            return rewrite(bench, indexes[i % 64], data);
        });
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(width * 8));
}
BENCHMARK(mutable_rewrite)->Arg(1)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

rt::Task<void> renew(Bench& bench, StorageIndex index) {
    CHECK((co_await bench.engine->add_lease(bench.ctx, kGrid, index, secrets())).has_value(),
          "the lease is renewed");
}

void renew_lease(benchmark::State& state) {
    Bench bench(kSmallShareBytesMax);
    std::vector<StorageIndex> indexes(64);
    for (StorageIndex& index : indexes) index = bench.fresh_index();
    const ByteBuffer data(1024, 7);
    bench.run_wide(64, 64, [&] [[clang::coro_wrapper]] (std::size_t i) {
        return put(bench, indexes[i], data);
    });
    for (auto _ : state)
        bench.run_wide(512, 64, [&] [[clang::coro_wrapper]] (std::size_t i) {
            return renew(bench, indexes[i % 64]);
        });
    state.SetItemsProcessed(state.iterations() * 512);
}
BENCHMARK(renew_lease)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace s4::storage
