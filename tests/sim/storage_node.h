// What the scenarios with a storage engine share: the story outside the machine, the engine of one
// process, and the comparison of one with the other.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "blob/store.h"
#include "crypto/master_key.h"
#include "rt/task.h"
#include "run.h"
#include "sql/database.h"
#include "storage/engine.h"
#include "storage_model.h"

namespace s4::simulation {

inline constexpr std::size_t kActors = 5;
inline constexpr std::uint64_t kIndexesEach = 4;  // of an actor; two of them slots
inline constexpr std::int64_t kGrids = 2;

class FixedPolicies final : public storage::Policies {
  public:
    std::optional<storage::GridPolicy> policy(GridId grid) const override {
        if (grid.value < 1 || grid.value > kGrids) return std::nullopt;
        return only;
    }
    storage::GridPolicy only;
};

// Outlives every process.
struct StorageStory {
    explicit StorageStory(Run& r);

    Run& run;
    StorageModel model;
    rt::sim::SeededRandom key_source;
    crypto::StaticMasterKey master;
    FixedPolicies policies;
    storage::EngineOptions options;
    std::uint64_t last_secret = 0;
};

// The engine of one process.
struct Node {
    StorageStory& story;
    rt::sim::Process& process;
    storage::Engine& engine;
    bool faults = false;  // of the disk

    rt::sim::Dice& dice() { return story.run.dice(); }
    bool gone() const { return !process.alive(); }
};

Secret secret_of(std::uint64_t number);

struct MadeLease {
    storage::LeaseSecrets secrets;
    LeaseHash hash;
};
MadeLease lease_of(std::uint64_t number);
// Where the numbers of uploads' leases begin, past those of last_secret.
inline constexpr std::uint64_t kUploadLeases = 900'000;
// A lease under way may come to be on every share of the index.
void lease_unanswered(IndexModel& model, const LeaseHash& hash);
// It was made, on every share that is known for sure.
void lease_acknowledged(IndexModel& model, const LeaseHash& hash);

// An immutable share's bytes follow from its name, as a real one's follow from the file.
ByteBuffer content_of(const StorageStory& story, const IndexName& name, ShareNumber share);

// A change of a slot and what it makes of it.
struct Change {
    std::map<ShareNumber, storage::ShareTestWrite> shares;
    std::set<ShareNumber> mentioned;  // on these of them that remain, a lease is made
    ByteBuffer data;                  // to be staged
    Slot after;
};
Change some_change(rt::sim::Dice& dice, const Slot& before);
// A test of what is there: the first bytes of the first share changed. A wrong one must fail.
void add_test(Change& change, const Slot& before, bool wrong);
// Before the call: what may be lost or made when it gets no answer; after it: what is known.
void change_unanswered(IndexModel& model, const Change& change, const LeaseHash& lease);
void change_acknowledged(IndexModel& model, const Change& change, const LeaseHash& lease);

inline constexpr const char* kDatabasePath = "state/db";

// Opens the database with these tables; nothing if it does not, which without faults is a
// violation.
std::unique_ptr<sql::Database> open_database(Run& run, rt::sim::Process& process, bool faults,
                                             std::span<const sql::Migration> migrations,
                                             const std::string& path = kDatabasePath);
std::unique_ptr<blob::Store> open_store(Run& run, rt::sim::Process& process, bool faults);

rt::Task<Result<Slot>> read_all(Node& node, const IndexName& name, storage::ShareKind kind,
                                rt::Context ctx);
rt::Task<Result<Observed>> observe(Node& node, const IndexName& name, rt::Context ctx);
// A whole grid, as the engine holds it.
struct Contents {
    std::vector<std::pair<IndexName, Observed>> indexes;

    std::vector<std::pair<IndexName, ShareNumber>> shares() const;
    std::uint64_t bytes() const;
};
// Nothing if it cannot be read, which violates `invariant`, or the process is gone.
rt::Task<std::optional<Contents>> observe_grid(Node& node, GridId grid, int invariant);
// Everything the engine holds against everything the model allows, usage too. Nothing is under way.
rt::Task<void> check_grid(Node& node, GridId grid, StorageModel::When when);
// That the grid counts these bytes in so many shares, and reserves none.
rt::Task<void> check_usage(Node& node, GridId grid, std::uint64_t bytes, std::uint64_t shares);
rt::Task<void> check_all(Node& node, StorageModel::When when);

}  // namespace s4::simulation
