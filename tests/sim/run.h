// Run: one scenario under one seed. A scenario builds machines in the run's world, plays its story,
// and reports what should never be by violated().
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rt/sim/world.h"
#include "sql/database.h"

namespace s4::simulation {

// Bugs on purpose, one at a time, each of which some seed must find.
enum class Plant : std::uint8_t {
    none,
    synchronous_off,       // SQLite without syncs
    missing_blob_sync,     // blobs published without being synced
    answer_before_commit,  // the writer answers first and commits then
    lease_not_stored,      // an acknowledged lease is not written
    job_not_stored,        // what should go on after a payment is not written
    unbounded_calls,       // a connection may hold calls of any size and number
    base_not_written,      // blobs do not say what their version was made from
    second_pass_blind,     // what was marked goes, whatever happened to it since
    clock_trusted,         // a clock that jumped counts as right
    freed_not_recorded,    // what was freed is not in the record
};

std::string_view name_of(Plant plant);
std::span<const Plant> all_plants();

class Run {
  public:
    Run(std::uint64_t seed, Plant plant);

    rt::sim::World& world() { return world_; }
    rt::sim::Dice& dice() { return world_.dice(); }
    Plant plant() const { return plant_; }

    // `invariant` is its number in the design's section 4.
    void violated(int invariant, const std::string& sentence);
    bool failed() const { return !violations_.empty(); }
    const std::vector<std::string>& violations() const { return violations_; }

    // Counted so that a scenario which does nothing is seen to do nothing.
    void acknowledged() { ++acknowledged_; }
    std::uint64_t acknowledgements() const { return acknowledged_; }

    sql::Options database_options(rt::sim::Process& process, std::string path) const;

    // Boots `machine`, starts the service on it, and crashes it somehow by the seed's choice:
    // in the middle of a file call or at some time, losing power or not. Returns when it is gone.
    using Start = std::function<void(rt::sim::Process&)>;  // spawns the service
    // `calls_max`: of the files, before one in the middle of which it dies.
    void boot_and_crash(rt::sim::Machine& machine, const Start& start,
                        std::uint64_t calls_max = 3000);
    // The same without a crash: the service ends by itself, or is asked to after `time`.
    void boot_and_stop(rt::sim::Machine& machine, const Start& start, Duration time);

  private:
    void wait_for_end(rt::sim::Process& process);

    Plant plant_;
    rt::sim::World world_;
    std::vector<std::string> violations_;
    std::uint64_t acknowledged_ = 0;
};

struct Scenario {
    std::string_view name;
    std::string_view what;
    std::uint64_t seeds;  // that CI runs: 1 to this
    void (*play)(Run& run);
    std::span<const Plant> finds;  // the planted bugs that it must find within those seeds
};

std::span<const Scenario> scenarios();

// Each in its own file.
void play_sql(Run& run);
void play_storage(Run& run);
void play_gbs(Run& run);
void play_foolscap(Run& run);
void play_introducer(Run& run);
void play_memory(Run& run);
void play_service(Run& run);
void play_rebuild(Run& run);
void play_collection(Run& run);

}  // namespace s4::simulation
