#include "tenants/directory.h"

#include <fmt/format.h>

#include <cstring>

#include "crypto/hash.h"

namespace s4::tenants {
namespace {

std::unexpected<Error> no_such_grid() {
    return fail(ErrorKind::not_found, "tenants.no_such_grid", "there is no such grid");
}

}  // namespace

struct Directory::Held {
    std::shared_ptr<const bool> pin;
    Grid grid;
};

GridPtr Directory::snapshot(const std::shared_ptr<const bool>& pin, Grid grid) {
    auto held = std::make_shared<const Held>(Held{.pin = pin, .grid = std::move(grid)});
    return {held, &held->grid};
}

// The entry itself holds the newest snapshot once, and the pin once directly and once through that
// snapshot.
bool Directory::in_use(const Entry& entry) {
    return entry.grid.use_count() > 1 || entry.pin.use_count() > 2;
}

std::size_t Directory::DigestHash::operator()(const crypto::Digest256& digest) const {
    std::size_t out;  // a keyed hash: any bytes of it will do
    std::memcpy(&out, digest.data(), sizeof out);
    return out;
}

rt::Task<Result<std::unique_ptr<Directory>>> Directory::create(const rt::Context& ctx,
                                                               sql::Database& database,
                                                               const Keyring& keyring,
                                                               std::size_t idle_grids_max) {
    std::unique_ptr<Directory> out(new Directory(database, keyring, idle_grids_max));
    out->seen_change_ =
        CO_TRY(co_await database.read(ctx, [](sql::Reader& db) { return last_change(db); }));
    co_return out;
}

rt::Task<Result<GridPtr>> Directory::by_id(const rt::Context& ctx, GridId grid) {
    if (const auto entry = entries_.find(grid); entry != entries_.end())
        co_return touch(entry->second);
    for (;;) {
        const std::int64_t seen = seen_change_;
        auto loaded = CO_TRY(
            co_await database_.read(ctx, [&](sql::Reader& db) { return load_grid(db, grid); }));
        if (!loaded) co_return no_such_grid();
        // What was read may be older than a change that catch_up() has already gone past.
        if (seen_change_ == seen) co_return remember(std::move(*loaded));
    }
}

rt::Task<Result<FoundTub>> Directory::by_tub_id(const rt::Context& ctx, std::string tub_id) {
    std::optional<TubOwner> owner;
    if (const auto known = tubs_.find(tub_id); known != tubs_.end()) {
        owner = known->second;
    } else {
        owner = CO_TRY(
            co_await database_.read(ctx, [&](sql::Reader& db) { return find_tub(db, tub_id); }));
    }
    if (!owner) co_return no_such_grid();
    GridPtr grid = CO_TRY(co_await by_id(ctx, owner->grid));
    if (grid->policy.state == GridState::closed) co_return no_such_grid();
    co_return FoundTub{.grid = std::move(grid), .role = owner->role};
}

rt::Task<Result<GridPtr>> Directory::by_storage_swissnum(const rt::Context& ctx, Secret swissnum) {
    const auto lookup = keyring_.lookup_hash(TubRole::storage, swissnum.reveal());
    GridId id;
    if (const auto known = swissnums_.find(lookup); known != swissnums_.end()) {
        id = known->second;
    } else {
        const auto owner = CO_TRY(co_await database_.read(
            ctx, [&](sql::Reader& db) { return find_swissnum(db, lookup); }));
        if (!owner || owner->role != TubRole::storage) co_return no_such_grid();
        id = owner->grid;
    }
    GridPtr grid = CO_TRY(co_await by_id(ctx, id));
    const Entry& entry = entries_.at(id);
    if (!entry.storage_swissnum.equals(swissnum.reveal())) co_return no_such_grid();
    if (grid->policy.state == GridState::closed) co_return no_such_grid();
    co_return grid;
}

GridPtr Directory::cached(GridId grid) const {
    const auto entry = entries_.find(grid);
    return entry == entries_.end() ? nullptr : entry->second.grid;
}

Result<bool> Directory::is_swissnum(const Tub& tub, ByteView name) const {
    return TRY(keyring_.swissnum(tub))
    .equals(name);
}

// Puts a record that was just read into the cache, unless a newer one came first.
Result<GridPtr> Directory::remember(Grid grid) {
    const GridId id = grid.id;
    if (const auto entry = entries_.find(id); entry != entries_.end()) {
        if (entry->second.grid->change < grid.change)
            entry->second.grid = snapshot(entry->second.pin, std::move(grid));
        return touch(entry->second);
    }
    Secret swissnum = TRY(keyring_.swissnum(grid.storage));
    const auto lookup = keyring_.lookup_hash(TubRole::storage, swissnum.reveal());
    auto pin = std::make_shared<const bool>(true);
    auto shared = snapshot(pin, std::move(grid));
    recency_.push_front(id);
    entries_.emplace(id, Entry{.grid = shared,
                               .pin = std::move(pin),
                               .storage_swissnum = std::move(swissnum),
                               .storage_lookup = lookup,
                               .recency = recency_.begin()});
    tubs_[shared->introducer.tub_id] = {.grid = id, .role = TubRole::introducer};
    tubs_[shared->storage.tub_id] = {.grid = id, .role = TubRole::storage};
    swissnums_[lookup] = id;
    evict_idle();
    return shared;
}

GridPtr Directory::touch(Entry& entry) {
    recency_.splice(recency_.begin(), recency_, entry.recency);
    return entry.grid;
}

void Directory::forget(GridId grid) {
    const auto entry = entries_.find(grid);
    tubs_.erase(entry->second.grid->introducer.tub_id);
    tubs_.erase(entry->second.grid->storage.tub_id);
    swissnums_.erase(entry->second.storage_lookup);
    recency_.erase(entry->second.recency);
    entries_.erase(entry);
}

// Drops the least recently used records that nobody holds. Those in use are passed over a few at a
// time, so that many grids in use do not make each insertion long.
void Directory::evict_idle() {
    constexpr int kPassedOverMax = 8;
    for (int passed = 0; entries_.size() > idle_grids_max_ && passed < kPassedOverMax;) {
        Entry& oldest = entries_.at(recency_.back());
        if (!in_use(oldest)) {
            forget(recency_.back());
        } else {
            recency_.splice(recency_.begin(), recency_, oldest.recency);
            ++passed;
        }
    }
}

rt::Task<Result<void>> Directory::catch_up(const rt::Context& ctx) {
    for (;;) {
        const std::int64_t after = seen_change_;  // the closure runs on another thread
        const auto changes = CO_TRY(co_await database_.read(
            ctx, [after](sql::Reader& db) { return changes_since(db, after, kPageMax); }));
        for (const Change& change : changes) CO_TRY(co_await follow(ctx, change));
        if (changes.size() < kPageMax) co_return ok();
    }
}

rt::Task<Result<void>> Directory::follow(const rt::Context& ctx, const Change& change) {
    std::optional<Grid> loaded;
    if (entries_.contains(change.grid)) {
        loaded = CO_TRY(co_await database_.read(
            ctx, [&](sql::Reader& db) { return load_grid(db, change.grid); }));
    }
    // From here on by_id() loads nothing older than this change.
    seen_change_ = std::max(seen_change_, change.number);
    const auto entry = entries_.find(change.grid);
    if (!loaded || entry == entries_.end()) co_return ok();
    if (entry->second.grid->change >= loaded->change) co_return ok();
    entry->second.grid = snapshot(entry->second.pin, std::move(*loaded));
    const GridPtr grid = entry->second.grid;
    for (const auto& watcher : watchers_) watcher(grid);
    co_return ok();
}

void Directory::watch(std::function<void(const GridPtr&)> watcher) {
    watchers_.push_back(std::move(watcher));
}

rt::Task<Result<std::vector<ServiceIdentity>>> load_service_identities(const rt::Context& ctx,
                                                                       sql::Database& database,
                                                                       const Keyring& keyring,
                                                                       crypto::Random& random,
                                                                       UnixSeconds now) {
    auto stored =
        CO_TRY(co_await database.read(ctx, [](sql::Reader& db) { return service_identities(db); }));
    if (stored.empty()) {
        const SealedServiceIdentity first = keyring.new_service_identity(random, 1, 0, now);
        CO_TRY(co_await database.write(
            ctx, [&](sql::Transaction& tx) { return insert_service_identity(tx, first); }));
        stored.push_back(first);
    }
    std::vector<ServiceIdentity> out;
    for (const SealedServiceIdentity& sealed : stored) out.push_back(CO_TRY(keyring.open(sealed)));
    co_return out;
}

}  // namespace s4::tenants
