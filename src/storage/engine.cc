#include "storage/engine.h"

#include <utility>

#include "base/log.h"
#include "rt/reactor.h"
#include "storage/engine_state.h"
#include "storage/staging.h"

namespace s4::storage {
namespace {

constexpr Duration kSweepEvery = std::chrono::seconds(10);
constexpr Duration kCountEvery = std::chrono::minutes(1);

}  // namespace

rt::Task<void> EngineState::run_collector(rt::Context ctx) {
    while (co_await rt::sleep(core.runtime.reactor, ctx, core.options.collect_every)) {
        if (collector_pauses != 0) continue;
        const auto done = co_await collector.step(ctx);
        if (!done && done.error().kind() != ErrorKind::cancelled) (void)core.alarm(done.error());
    }
}

rt::Task<void> EngineState::run_expiry(rt::Context ctx) {
    Duration pause = core.options.collect_every;
    while (co_await rt::sleep(core.runtime.reactor, ctx, pause)) {
        const auto done = co_await expiry.step(ctx);
        if (!done && done.error().kind() != ErrorKind::cancelled) (void)core.alarm(done.error());
        pause = done && done->more ? kExpiryStepPause : core.options.collect_every;
    }
}

rt::Task<void> EngineState::run_sweeper(rt::Context ctx) {
    while (co_await rt::sleep(core.runtime.reactor, ctx, kSweepEvery)) {
        uploads.sweep();
        co_await look_at_disk(ctx);
    }
}

rt::Task<void> EngineState::run_counting(rt::Context ctx) {
    static metrics::Gauge& shares = metrics::gauge("s4_storage_shares", "Shares of all grids");
    static metrics::Gauge& bytes =
        metrics::gauge("s4_storage_data_bytes", "Bytes of the shares of all grids");
    static metrics::Gauge& quarantined =
        metrics::gauge("s4_storage_quarantined_shares", "Damaged shares taken out of service");
    static metrics::Gauge& advisories =
        metrics::gauge("s4_storage_advisories", "Corruption advisories that are kept");
    do {
        const auto status = co_await checker.status(ctx);
        if (!status) continue;
        shares.set(static_cast<double>(status->shares));
        bytes.set(static_cast<double>(status->data_bytes));
        quarantined.set(static_cast<double>(status->quarantined));
        advisories.set(static_cast<double>(status->advisories));
    } while (co_await rt::sleep(core.runtime.reactor, ctx, kCountEvery));
}

rt::Task<void> EngineState::look_at_disk(const rt::Context& ctx) {
    static metrics::Gauge& gauge =
        metrics::gauge("s4_storage_disk_free_bytes", "Free space where the blobs are");
    const auto free = co_await core.blobs.free_bytes(ctx);
    if (!free) {
        (void)core.alarm(free.error());
        co_return;
    }
    const bool was_low = core.disk_free_bytes < core.options.disk_reserve_bytes;
    const bool low = *free < core.options.disk_reserve_bytes;
    core.disk_free_bytes = *free;
    gauge.set(static_cast<double>(*free));
    if (low && !was_low)
        log::error("storage", "the disk is nearly full; no new shares are promised",
                   {{"free_bytes", *free}});
}

Engine::Engine(std::unique_ptr<EngineState> state) : state_(std::move(state)) {}
Engine::~Engine() = default;

rt::Task<Result<std::unique_ptr<Engine>>> Engine::create(
    const rt::Context& ctx, rt::Runtime& runtime, sql::Database& database, blob::Store& blobs,
    const crypto::MasterKey& master, const Policies& policies, EngineOptions options) {
    auto sealer = CO_TRY(crypto::Sealer::create(master));
    auto hash = CO_TRY(crypto::KeyedHash::create(master, kEnablerHashPurpose));
    auto state = std::make_unique<EngineState>(ctx, runtime, database, blobs, policies, options,
                                               std::move(sealer), std::move(hash));
    while (CO_TRY(co_await state->collector.collect_intents(ctx)) != 0) {
    }
    // A disk that is full at start keeps nobody from reading.
    const auto clock = co_await state->expiry.look_at_clock(ctx);
    if (!clock) (void)state->core.alarm(clock.error());
    co_await state->look_at_disk(ctx);
    rt::Scope& background = state->core.background;
    background.spawn(state->run_collector(background.context()));
    background.spawn(state->run_expiry(background.context()));
    background.spawn(state->run_sweeper(background.context()));
    if (options.scrub_bytes_per_s != 0) {
        background.spawn(state->scrub.run(background.context()));
        background.spawn(state->run_counting(background.context()));
    }
    co_return std::unique_ptr<Engine>(new Engine(std::move(state)));
}

rt::Task<Result<Space>> Engine::space(const rt::Context& ctx, GridId grid) {
    const Core& core = state_->core;
    const GridPolicy policy = CO_TRY(core.policy(grid));
    const UsageRow used = CO_TRY(co_await state_->core.used(ctx, grid));
    const std::uint64_t room = core.room(policy, used, grid);
    const std::uint64_t largest = room > kShareOverheadBytes ? room - kShareOverheadBytes : 0;
    co_return Space{room, std::min(largest, kImmutableShareBytesMax), kMutableShareBytesMax};
}

rt::Task<Result<Usage>> Engine::usage(const rt::Context& ctx, GridId grid) {
    const UsageRow used = CO_TRY(co_await state_->core.used(ctx, grid));
    co_return Usage{used.shares, used.data_bytes, state_->core.accounts.reserved_bytes(grid)};
}

rt::Task<Result<GridFigures>> Engine::figures(const rt::Context& ctx, GridId grid) {
    co_return co_await state_->survey.figures(ctx, grid);
}

rt::Task<Result<AllocateAnswer>> Engine::allocate(const rt::Context& ctx, GridId grid,
                                                  AllocateRequest request) {
    co_return co_await state_->uploads.allocate(ctx, grid, std::move(request));
}

rt::Task<Result<std::unique_ptr<UploadWrite>>> Engine::begin_write(const rt::Context& ctx,
                                                                   const UploadKey& key,
                                                                   const UploadOwner& owner,
                                                                   std::uint64_t offset,
                                                                   std::uint64_t length) {
    co_return co_await state_->uploads.begin_write(ctx, key, owner, {offset, length});
}

rt::Task<Result<WriteAnswer>> Engine::write(const rt::Context& ctx, const UploadKey& key,
                                            const UploadOwner& owner, std::uint64_t offset,
                                            ByteView bytes) {
    const auto write =
        CO_TRY(co_await state_->uploads.begin_write(ctx, key, owner, {offset, bytes.size()}));
    CO_TRY(co_await write->append(ctx, bytes));
    co_return co_await write->finish(ctx);
}

rt::Task<Result<void>> Engine::finish_upload(const rt::Context& ctx, const UploadKey& key,
                                             const UploadOwner& owner) {
    co_return co_await state_->uploads.finish(ctx, key, owner);
}

rt::Task<Result<void>> Engine::abort_upload(const rt::Context& ctx, const UploadKey& key,
                                            const UploadOwner& owner) {
    co_return co_await state_->uploads.abort(ctx, key, owner);
}

void Engine::connection_lost(ConnectionId connection) {
    state_->uploads.connection_lost(connection);
}

rt::Task<Result<std::vector<ShareNumber>>> Engine::list(const rt::Context& ctx, GridId grid,
                                                        const StorageIndex& index, ShareKind kind) {
    co_return co_await state_->reading.list(ctx, grid, index, kind);
}

rt::Task<Result<std::shared_ptr<ShareReader>>> Engine::open(const rt::Context& ctx, GridId grid,
                                                            const StorageIndex& index,
                                                            ShareNumber share, ShareKind kind,
                                                            ByteRange wanted) {
    co_return co_await state_->reading.open(ctx, grid, index, share, kind, wanted);
}

rt::Task<Result<std::vector<std::shared_ptr<ShareReader>>>> Engine::open_all(
    const rt::Context& ctx, GridId grid, const StorageIndex& index, ShareKind kind) {
    co_return co_await state_->reading.open_all(ctx, grid, index, kind);
}

std::unique_ptr<Staging> Engine::stage() {
    return std::make_unique<MemoryThenFile>(state_->core);
}

rt::Task<Result<std::vector<ShareExtracts>>> Engine::read_slot(const rt::Context& ctx, GridId grid,
                                                               const StorageIndex& index,
                                                               std::vector<ShareNumber> shares,
                                                               std::vector<ByteRange> reads) {
    co_return co_await state_->reading.read_slot(ctx, grid, index, std::move(shares),
                                                 std::move(reads));
}

rt::Task<Result<TestWriteAnswer>> Engine::read_test_write(const rt::Context& ctx, GridId grid,
                                                          TestWriteRequest request) {
    co_return co_await state_->slots.read_test_write(ctx, grid, std::move(request));
}

rt::Task<Result<std::size_t>> Engine::add_lease(const rt::Context& ctx, GridId grid,
                                                const StorageIndex& index, LeaseSecrets secrets) {
    co_return co_await state_->walk.add_lease(ctx, grid, index, std::move(secrets));
}

rt::Task<Result<void>> Engine::advise_corrupt(const rt::Context& ctx, GridId grid,
                                              const StorageIndex& index, ShareNumber share,
                                              ShareKind kind, std::string reason) {
    co_return co_await state_->walk.advise_corrupt(ctx, grid,
                                                   {0, 0, index, share, kind, std::move(reason)});
}

rt::Task<Result<std::vector<Advisory>>> Engine::advisories(const rt::Context& ctx, GridId grid,
                                                           std::int64_t before, std::size_t limit) {
    co_return co_await state_->walk.advisories(ctx, grid, before, limit);
}

rt::Task<Result<std::vector<ShareInfo>>> Engine::shares_after(
    const rt::Context& ctx, GridId grid, std::optional<std::pair<StorageIndex, ShareNumber>> after,
    std::size_t limit) {
    co_return co_await state_->walk.shares_after(ctx, grid, std::move(after), limit);
}

rt::Task<Result<std::vector<LeaseInfo>>> Engine::leases(const rt::Context& ctx, GridId grid,
                                                        const StorageIndex& index,
                                                        ShareNumber share) {
    co_return co_await state_->walk.leases(ctx, grid, index, share);
}

rt::Task<Result<void>> Engine::adopt_leases(const rt::Context& ctx, GridId grid,
                                            const StorageIndex& index,
                                            std::vector<AdoptedLeases> adopted,
                                            LeaseSecrets instead_of) {
    co_return co_await state_->walk.adopt_leases(ctx, grid, index, std::move(adopted),
                                                 std::move(instead_of));
}

rt::Task<Result<Secret>> Engine::write_enabler(const rt::Context& ctx, GridId grid,
                                               const StorageIndex& index) {
    co_return co_await state_->walk.write_enabler(ctx, grid, index);
}

rt::Task<Result<Usage>> Engine::recount(const rt::Context& ctx, GridId grid) {
    co_return co_await state_->walk.recount(ctx, grid);
}

rt::Task<Result<void>> Engine::verify(const rt::Context& ctx, GridId grid,
                                      const StorageIndex& index, ShareNumber share) {
    std::uint64_t bytes = 0;
    co_return co_await Verify(state_->core).share(ctx, {grid, index}, share, nullptr, bytes);
}

rt::Task<Result<CheckReport>> Engine::check_step(const rt::Context& ctx, CheckRequest request) {
    co_return co_await state_->checker.step(ctx, std::move(request));
}

rt::Task<Result<CareStatus>> Engine::care_status(const rt::Context& ctx) {
    co_return co_await state_->checker.status(ctx);
}

rt::Task<Result<std::size_t>> Engine::purge_step(const rt::Context& ctx, GridId grid,
                                                 std::size_t limit) {
    co_return co_await state_->walk.purge_step(ctx, grid, limit);
}

Expiry& Engine::expiry() {
    return state_->expiry;
}

UsageHistory& Engine::usage_history() {
    return state_->history;
}

rt::Task<Result<Engine::CollectReport>> Engine::collect_step(const rt::Context& ctx) {
    co_return co_await state_->collector.step(ctx);
}

void Engine::pause_collector() {
    ++state_->collector_pauses;
}

void Engine::resume_collector() {
    CHECK(state_->collector_pauses != 0, "the collector is resumed as often as it was paused");
    --state_->collector_pauses;
}

rt::Task<void> Engine::drain(const rt::Context& ctx) {
    state_->uploads.drain();
    (void)co_await state_->uploads.wait_idle(ctx);
}

rt::Task<void> Engine::close() {
    Core& core = state_->core;
    core.closing = true;
    core.background.cancel();
    co_await core.background.join();
    state_->uploads.abort_all();
    (void)co_await state_->uploads.wait_idle(rt::Context{});
}

}  // namespace s4::storage
