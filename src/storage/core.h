// Core: what all parts of the engine share: the outside world, the caches, the accounts. One for
// each Engine, made before its parts and gone after them. Lives on the engine's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "blob/store.h"
#include "crypto/seal.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sync.h"
#include "rt/task.h"
#include "sql/database.h"
#include "storage/accounts.h"
#include "storage/blob_names.h"
#include "storage/engine.h"
#include "storage/index_cache.h"
#include "storage/lru.h"
#include "storage/policy.h"
#include "storage/tables.h"
#include "storage/turns.h"

namespace s4::storage {

// What the keyed hash of write enablers is for.
inline constexpr std::string_view kEnablerHashPurpose = "s4 write enabler v1";

struct Core {
    // `life` is what the background work belongs to.
    Core(const rt::Context& life, rt::Runtime& runtime, sql::Database& db, blob::Store& blobs,
         const Policies& policies, EngineOptions options, crypto::Sealer sealer,
         crypto::KeyedHash enabler_hash);

    rt::Runtime& runtime;
    sql::Database& db;
    blob::Store& blobs;
    const Policies& policies;
    EngineOptions options;
    crypto::Sealer sealer;
    crypto::KeyedHash enabler_hash;
    std::int64_t run;  // names this run of the process in intents

    IndexCache indexes{kIndexCacheEntriesMax};
    Lru<std::int64_t, std::shared_ptr<const ByteBuffer>> small_shares{kShareCacheBytesMax};
    Lru<blob::Key, std::shared_ptr<blob::Blob>, blob::KeyHash> open_blobs{kOpenBlobsMax};
    Accounts accounts{kAccountsMax};
    Turns turns;
    BlobNames names;
    rt::Semaphore collecting;                    // one walk over the store's keys at a time
    std::uint64_t disk_free_bytes = UINT64_MAX;  // as last asked; UINT64_MAX: not yet known
    Instant next_alarm_log{};
    bool closing = false;
    rt::Scope background;  // joined by Engine::close()

    Instant now() const { return runtime.reactor.now(); }
    UnixSeconds now_s() const { return runtime.reactor.unix_s(); }
    std::uint64_t now_us() const { return static_cast<std::uint64_t>(runtime.reactor.unix_us()); }

    // Fails with storage.no_such_grid, .frozen, .closed.
    Result<GridPolicy> policy(GridId grid) const;
    // The same for what changes something: also fails with storage.read_only.
    Result<GridPolicy> writable(GridId grid) const;

    // What the index has: from the cache, or read and put there.
    rt::Task<Result<std::shared_ptr<const IndexRows>>> index(const rt::Context& ctx, IndexKey key);
    rt::Task<Result<UsageRow>> used(const rt::Context& ctx, GridId grid);
    // What is left of quota and disk for immutable shares; may be called when `used` is known.
    std::uint64_t room(const GridPolicy& policy, const UsageRow& used, GridId grid) const;

    // An open blob, kept open for a while.
    rt::Task<Result<std::shared_ptr<blob::Blob>>> open_blob(const rt::Context& ctx, blob::Key key);
    blob::Key new_blob(GridId grid) {
        return {grid, crypto::random_bytes<blob::Key::kNameBytes>(runtime.random)};
    }

    tables::Lease lease(const LeaseSecrets& secrets) const;
    std::string enabler_place(const IndexKey& key) const;

    // Counts a failure of the disk or of what is on it, and logs one a minute for the operator;
    // hands the error on.
    Error alarm(Error error);
};

// Fails with storage.invalid_secret.
Result<void> check_secrets(const LeaseSecrets& secrets);

}  // namespace s4::storage
