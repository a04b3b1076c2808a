// Directory: a node's way to grids. Finds them by id, tub id or swissnum, keeps the records of
// those in use and of the last used in memory, and follows what changes them.
//
// Lives on one reactor, as long as the node. A snapshot handed out stays valid and unchanged;
// cached() gives the newest.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "rt/context.h"
#include "rt/task.h"
#include "sql/database.h"
#include "tenants/grid.h"
#include "tenants/keyring.h"
#include "tenants/limits.h"
#include "tenants/records.h"

namespace s4::tenants {

using GridPtr = std::shared_ptr<const Grid>;

// A grid, and which of its two tubs was asked for.
struct FoundTub {
    GridPtr grid;
    TubRole role = TubRole::storage;
};

class Directory {
  public:
    // The references outlive the directory; the database's schema holds migrations(). The program
    // passes kIdleGridsMax.
    static rt::Task<Result<std::unique_ptr<Directory>>> create(const rt::Context& ctx,
                                                               sql::Database& database,
                                                               const Keyring& keyring,
                                                               std::size_t idle_grids_max);

    // Errors of all three: tenants.no_such_grid (not_found), sql.*, seal.*. Closed grids are found
    // by id alone.
    rt::Task<Result<GridPtr>> by_id(const rt::Context& ctx, GridId grid);
    // For Foolscap's first line: which certificate to present.
    rt::Task<Result<FoundTub>> by_tub_id(const rt::Context& ctx, std::string tub_id);
    // For GBS: the storage server that this swissnum authorises, found by keyed hash and then
    // compared in constant time (invariant 6). `swissnum` is copied.
    rt::Task<Result<GridPtr>> by_storage_swissnum(const rt::Context& ctx, Secret swissnum);

    // The newest record of a grid that is in memory, else null. A grid whose snapshot someone holds
    // is always in memory.
    GridPtr cached(GridId grid) const;
    // Whether this is the swissnum of that tub, compared in constant time: for getReferenceByName.
    Result<bool> is_swissnum(const Tub& tub, ByteView name) const;

    const Keyring& keyring() const { return keyring_; }

    // Loads again what changed in the database since the last call, and tells the watchers. To be
    // awaited after each commit that changed a grid's policy, and from time to time where other
    // nodes write too.
    rt::Task<Result<void>> catch_up(const rt::Context& ctx);
    // `watcher` is called on the reactor with the new record of a grid that is in memory and
    // changed. It lives as long as the directory.
    void watch(std::function<void(const GridPtr&)> watcher);

    std::size_t cached_count() const { return entries_.size(); }

  private:
    // A snapshot and what shows that it, or an older one of the same grid, is in use.
    struct Held;
    struct Entry {
        GridPtr grid;
        std::shared_ptr<const bool> pin;  // shared by all snapshots of the grid
        Secret storage_swissnum;
        crypto::Digest256 storage_lookup{};
        std::list<GridId>::iterator recency;
    };
    struct DigestHash {
        std::size_t operator()(const crypto::Digest256& digest) const;
    };

    Directory(sql::Database& database, const Keyring& keyring, std::size_t idle_grids_max)
        : database_(database), keyring_(keyring), idle_grids_max_(idle_grids_max) {}

    Result<GridPtr> remember(Grid grid);
    GridPtr touch(Entry& entry);
    static GridPtr snapshot(const std::shared_ptr<const bool>& pin, Grid grid);
    static bool in_use(const Entry& entry);
    void forget(GridId grid);
    void evict_idle();
    rt::Task<Result<void>> follow(const rt::Context& ctx, const Change& change);

    sql::Database& database_;
    const Keyring& keyring_;
    std::size_t idle_grids_max_;
    std::int64_t seen_change_ = 0;
    std::unordered_map<GridId, Entry> entries_;
    std::unordered_map<std::string, TubOwner> tubs_;
    std::unordered_map<crypto::Digest256, GridId, DigestHash> swissnums_;
    std::list<GridId> recency_;  // most recently used first
    std::vector<std::function<void(const GridPtr&)>> watchers_;
};

// The service's TLS identities, newest first; makes the first one if there is none. For start.
rt::Task<Result<std::vector<ServiceIdentity>>> load_service_identities(const rt::Context& ctx,
                                                                       sql::Database& database,
                                                                       const Keyring& keyring,
                                                                       crypto::Random& random,
                                                                       UnixSeconds now);

}  // namespace s4::tenants
