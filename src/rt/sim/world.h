// World: everything of one simulated run. One seed, one queue of events, virtual time, machines by
// name. One world at a time in a process; all on the calling thread.
//
//   World world(seed, {});
//   Machine& server = world.machine("server");
//   server.boot().spawn(serve(...));
//   world.run_for(10s);
//   server.crash(Crash::power);
//   server.boot().spawn(serve(...));
//   ...
//   world.end();                         // crashes what runs, waits until its tasks have unwound
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "rt/sim/dice.h"
#include "rt/sim/entropy.h"
#include "rt/sim/machine.h"
#include "rt/sim/network.h"
#include "rt/sim/profile.h"
#include "rt/sim/timeline.h"
#include "rt/sim/trace.h"

namespace s4::rt::sim {

class World {
  public:
    World(std::uint64_t seed, Profile profile);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    std::uint64_t seed() const { return seed_; }
    Timeline& timeline() { return timeline_; }
    Instant now() const { return timeline_.now(); }
    const Profile& profile() const { return profile_; }
    Trace& trace() { return trace_; }
    std::uint64_t trace_hash() const { return trace_.hash(); }
    Fabric& fabric() { return fabric_; }
    // The scenario's own choices.
    Dice& dice() { return dice_; }
    Dice dice_for(const std::string& part) const { return Dice(seed_, part); }

    // Made at its first mention; the name is its host name.
    Machine& machine(const std::string& name);

    // Runs events for so long.
    void run_for(Duration time);
    // Runs until `done()` holds; false if it did not within `time`.
    bool run_until(const std::function<bool()>& done, Duration time);
    // Crashes every process and runs until all their tasks have unwound.
    void end();

  private:
    std::uint64_t seed_;
    Profile profile_;
    SeededEntropy entropy_;
    Timeline timeline_;
    Trace trace_;
    Dice dice_;
    Fabric fabric_;
    std::map<std::string, std::unique_ptr<Machine>> machines_;
};

}  // namespace s4::rt::sim
