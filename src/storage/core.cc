#include "storage/core.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "crypto/hash.h"
#include "crypto/random.h"

namespace s4::storage {

Core::Core(const rt::Context& life, rt::Runtime& runtime_in, sql::Database& db_in,
           blob::Store& blobs_in, const Policies& policies_in, EngineOptions options_in,
           crypto::Sealer sealer_in, crypto::KeyedHash enabler_hash_in)
    : runtime(runtime_in),
      db(db_in),
      blobs(blobs_in),
      policies(policies_in),
      options(options_in),
      sealer(std::move(sealer_in)),
      enabler_hash(std::move(enabler_hash_in)),
      run(static_cast<std::int64_t>(crypto::random_below(runtime_in.random, INT64_MAX)) + 1),
      turns(runtime_in.reactor),
      collecting(runtime_in.reactor, 1),
      background(life) {}

Result<GridPolicy> Core::policy(GridId grid) const {
    if (closing)
        return fail(ErrorKind::unavailable, "storage.closed",
                    "the storage engine is shutting down");
    const std::optional<GridPolicy> found = policies.policy(grid);
    if (!found)
        return fail(ErrorKind::not_found, "storage.no_such_grid", "there is no such grid here");
    if (found->access == Access::frozen)
        return fail(ErrorKind::unavailable, "storage.frozen",
                    "the grid takes no requests at the moment");
    return *found;
}

Result<GridPolicy> Core::writable(GridId grid) const {
    const GridPolicy found = TRY(policy(grid));
    if (found.access != Access::read_write)
        return fail(ErrorKind::no_space, "storage.read_only", "the grid is read-only");
    return found;
}

rt::Task<Result<std::shared_ptr<const IndexRows>>> Core::index(const rt::Context& ctx,
                                                               IndexKey key) {
    if (auto known = indexes.find(key)) co_return known;
    // What a write committed during the reading is not in it; whoever decides on it reads again.
    static constexpr int kAttempts = 3;
    for (int attempt = 1;; ++attempt) {
        const std::uint32_t ticket = indexes.ticket(key);
        auto rows = std::make_shared<const IndexRows>(CO_TRY(co_await db.read(
            ctx, [&](sql::Reader& reader) { return tables::load_index(reader, key); })));
        indexes.fill(key, ticket, rows);
        if (indexes.ticket(key) == ticket || attempt == kAttempts) co_return rows;
    }
}

rt::Task<Result<UsageRow>> Core::used(const rt::Context& ctx, GridId grid) {
    if (const auto known = accounts.used(grid)) co_return *known;
    const UsageRow row = CO_TRY(co_await db.read(
        ctx, [&](sql::Reader& reader) { return tables::load_usage(reader, grid); }));
    accounts.recall(grid, row);
    co_return accounts.used(grid).value_or(row);
}

std::uint64_t Core::room(const GridPolicy& policy, const UsageRow& used, GridId grid) const {
    if (policy.access != Access::read_write) return 0;
    const std::uint64_t taken = used.used_bytes() + accounts.reserved_bytes(grid);
    const std::uint64_t quota_left = policy.quota_bytes > taken ? policy.quota_bytes - taken : 0;
    if (disk_free_bytes == UINT64_MAX) return quota_left;
    const std::uint64_t promised = options.disk_reserve_bytes + accounts.reserved_bytes_of_all();
    const std::uint64_t disk_left = disk_free_bytes > promised ? disk_free_bytes - promised : 0;
    return std::min(quota_left, disk_left);
}

rt::Task<Result<std::shared_ptr<blob::Blob>>> Core::open_blob(const rt::Context& ctx,
                                                              blob::Key key) {
    if (const auto* known = open_blobs.find(key)) co_return *known;
    auto opened = co_await blobs.open(ctx, key);
    if (!opened) co_return fail(alarm(std::move(opened).error()));
    std::shared_ptr<blob::Blob> blob = std::move(*opened);
    open_blobs.put(key, blob, 1);
    co_return blob;
}

tables::Lease Core::lease(const LeaseSecrets& secrets) const {
    return {crypto::blake2b_256(secrets.renew.reveal()),
            crypto::blake2b_256(secrets.cancel.reveal()), now_s() + kLeaseSeconds};
}

std::string Core::enabler_place(const IndexKey& key) const {
    return fmt::format("storage.slot {} {}", key.grid.value, key.index.to_text());
}

Error Core::alarm(Error error) {
    // The quota's no_space is the customer's affair; these are the operator's.
    const bool disk_full =
        error.kind() == ErrorKind::no_space && !error.code().starts_with("storage.");
    const bool disk_fails = error.kind() == ErrorKind::io;
    const bool damaged = error.kind() == ErrorKind::corrupt || error.is("blob.not_found");
    if (!disk_full && !disk_fails && !damaged) return error;
    static constexpr const char* kName = "s4_storage_alarms_total";
    static constexpr const char* kHelp = "Failures of the disk or of what is on it";
    static metrics::Counter& full = metrics::counter(kName, kHelp, {{"why", "disk_full"}});
    static metrics::Counter& io = metrics::counter(kName, kHelp, {{"why", "io"}});
    static metrics::Counter& corrupt = metrics::counter(kName, kHelp, {{"why", "damaged"}});
    (disk_full ? full : disk_fails ? io : corrupt).add();
    if (now() >= next_alarm_log) {
        next_alarm_log = now() + std::chrono::minutes(1);
        log::error("storage", "the disk or what is on it failed", {{"error", error}});
    }
    return error;
}

Result<void> check_secrets(const LeaseSecrets& secrets) {
    if (secrets.renew.size() != kLeaseSecretBytes || secrets.cancel.size() != kLeaseSecretBytes)
        return fail(ErrorKind::invalid, "storage.invalid_secret",
                    "Lease secrets must be 32 bytes long");
    return ok();
}

}  // namespace s4::storage
