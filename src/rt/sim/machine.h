// Machine: what outlives its processes, a disk and an address. Process: one boot of it, with the
// rt::Runtime that services are given. Both are made and kept by the World.
//
// A process that crashed is a ghost: it stays in memory, each of its calls fails, and its tasks are
// cancelled, so that they unwind by their own error paths.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rt/runtime.h"
#include "rt/scope.h"
#include "rt/sim/disk.h"
#include "rt/sim/network.h"
#include "rt/sim/pools.h"

namespace s4::rt::sim {

class World;
class Machine;

enum class Crash : std::uint8_t { process, power };

// Chances of a failing disk, thrown at each call.
struct DiskFaults {
    double read_error = 0;
    double write_error = 0;
    double sync_error = 0;
};

class SimReactor final : public Reactor {
  public:
    // `clock_shift`: how far the machine's wall clock is off.
    SimReactor(Timeline& timeline, const Duration& clock_shift)
        : timeline_(timeline), clock_shift_(clock_shift) {}

    Instant now() const override { return timeline_.now(); }
    std::int64_t unix_us() const override;
    void post(Job job) override;
    TimerId call_at(Instant when, Job job) override {
        return timeline_.schedule(when, std::move(job));
    }
    void cancel(TimerId timer) override { timeline_.cancel(timer); }

  private:
    Timeline& timeline_;
    const Duration& clock_shift_;
};

class Process {
  public:
    Process(World& world, Machine& machine, std::uint64_t boot);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    Runtime& runtime() { return *runtime_; }
    // Cancelled when the process crashes or is asked to stop.
    const Context& context() const { return scope_->context(); }
    void spawn(Task<void> task) { scope_->spawn(std::move(task)); }

    bool alive() const { return alive_; }
    // Nothing of it runs any more.
    bool ended() const { return scope_->running() == 0; }
    // Cancels its tasks and lets them end in order.
    void stop() { scope_->cancel(); }
    void crash(Crash how);
    // Crashes at the `calls`-th call of its files from now on (1: the next), before it has its
    // effect; a write may have a part of it.
    void crash_at_file_call(std::uint64_t calls, Crash how);
    std::uint64_t file_calls() const { return file_calls_; }

    const std::string& name() const { return name_; }
    const std::string& host() const;
    Machine& machine() { return machine_; }
    World& world() { return world_; }

  private:
    friend class SimFiles;
    friend class SimFile;

    bool crashes_next() const { return alive_ && crash_at_ && file_calls_ + 1 >= crash_at_->first; }
    // Called first by each call of the files: fails for a ghost, and makes one when it is time.
    Result<void> file_call(std::string_view what, const std::string& path, std::uint64_t number = 0,
                           ByteView bytes = {});

    World& world_;
    Machine& machine_;
    std::string name_;
    bool alive_ = true;
    std::uint64_t file_calls_ = 0;
    std::optional<std::pair<std::uint64_t, Crash>> crash_at_;
    SimReactor reactor_;
    SimNetwork network_;
    std::unique_ptr<Files> files_;
    SimPool pool_;
    SimPool writer_;
    SeededRandom random_;
    std::unique_ptr<Runtime> runtime_;
    Context no_context_;
    std::unique_ptr<Scope> scope_;
};

class Machine {
  public:
    Machine(World& world, std::string host);

    const std::string& host() const { return host_; }
    Disk& disk() { return disk_; }
    DiskFaults& faults() { return faults_; }
    // Moves the wall clock, of the running process and of later ones; the monotonic one goes on.
    void shift_clock(Duration by) { clock_shift_ += by; }

    // Starts a process; the one before has crashed or ended.
    Process& boot();
    // The process that runs, if one does.
    Process* running();
    // Crashes what runs; with Crash::power the disk forgets even when nothing does.
    void crash(Crash how);

  private:
    friend class World;
    friend class Process;
    friend class SimFiles;
    friend class SimFile;

    World& world_;
    std::string host_;
    Disk disk_;
    DiskFaults faults_;
    Duration clock_shift_{};
    Dice dice_;
    std::map<std::string, std::uint64_t> locks_;  // by path; the number of the process's boot
    std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace s4::rt::sim
