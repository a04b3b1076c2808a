#include "rt/sim/world.h"

#include <utility>

#include "rt/sim/files.h"

namespace s4::rt::sim {
namespace {

// Wall time at a world's beginning: 2026-01-01 00:00:00 UTC.
constexpr std::int64_t kBeginningUnixUs = 1'767'225'600'000'000;
// How long ghosts may take to unwind; longer is a task that ignores cancellation.
constexpr Duration kUnwindTimeMax = std::chrono::minutes(10);

}  // namespace

std::int64_t SimReactor::unix_us() const {
    const auto passed = timeline_.now().time_since_epoch() + clock_shift_;
    return kBeginningUnixUs + std::chrono::duration_cast<std::chrono::microseconds>(passed).count();
}

void SimReactor::post(Job job) {
    SimPool* const pool = SimPool::running();
    timeline_.schedule(pool != nullptr ? pool->arrival() : timeline_.now(), std::move(job));
}

Process::Process(World& world, Machine& machine, std::uint64_t boot)
    : world_(world),
      machine_(machine),
      name_(fmt::format("{}#{}", machine.host(), boot)),
      reactor_(world.timeline(), machine.clock_shift_),
      network_(world.fabric(), *this),
      files_(make_files(*this)),
      pool_(world.timeline(), world.profile(), world.profile().pool_threads,
            world.dice_for(name_ + " pool")),
      writer_(world.timeline(), world.profile(), 1, world.dice_for(name_ + " writer")),
      random_(world.seed(), name_ + " random"),
      runtime_(new Runtime{reactor_, network_, *files_, pool_, writer_, random_}),
      scope_(std::make_unique<Scope>(no_context_)) {}

Process::~Process() = default;

const std::string& Process::host() const {
    return machine_.host();
}

void Process::crash(Crash how) {
    if (!std::exchange(alive_, false)) return;
    world_.trace().note(how == Crash::power ? "power-loss" : "death", name_, file_calls_);
    machine_.locks_.clear();
    if (how == Crash::power) machine_.disk_.lose_power();
    network_.crash(how);
    // Not from within whatever call it was that crashed.
    world_.timeline().schedule(world_.now(), [this] { scope_->cancel(); });
}

void Process::crash_at_file_call(std::uint64_t calls, Crash how) {
    crash_at_ = {file_calls_ + calls, how};
}

Result<void> Process::file_call(std::string_view what, const std::string& path,
                                std::uint64_t number, ByteView bytes) {
    const auto gone = [&] { return fail(ErrorKind::io, "files.crashed", "the machine is down"); };
    if (!alive_) return gone();
    ++file_calls_;
    world_.trace().note(what, path, number, bytes);
    if (!crash_at_ || file_calls_ < crash_at_->first) return ok();
    const Crash how = crash_at_->second;
    crash_at_.reset();
    crash(how);
    return gone();
}

Machine::Machine(World& world, std::string host)
    : world_(world),
      host_(std::move(host)),
      disk_(host_, world.profile().disk_bytes, world.dice_for(host_ + " disk"), world.trace()),
      dice_(world.dice_for(host_ + " faults")) {}

Process* Machine::running() {
    if (processes_.empty() || !processes_.back()->alive()) return nullptr;
    return processes_.back().get();
}

Process& Machine::boot() {
    if (Process* const before = running()) {
        CHECK(before->ended(), "one process of a machine at a time");
        before->crash(Crash::process);
    }
    world_.trace().note("boot", host_, processes_.size());
    processes_.push_back(std::make_unique<Process>(world_, *this, processes_.size()));
    return *processes_.back();
}

void Machine::crash(Crash how) {
    if (Process* const process = running())
        process->crash(how);
    else if (how == Crash::power)
        disk_.lose_power();
}

World::World(std::uint64_t seed, Profile profile)
    : seed_(seed),
      profile_(profile),
      entropy_(seed),
      trace_(timeline_),
      dice_(seed, "world"),
      fabric_(timeline_, profile_, trace_, Dice(seed, "network")) {}

World::~World() {
    end();
}

Machine& World::machine(const std::string& name) {
    auto& machine = machines_[name];
    if (!machine) machine = std::make_unique<Machine>(*this, name);
    return *machine;
}

void World::run_for(Duration time) {
    const Instant limit = now() + time;
    while (timeline_.step(limit)) {
    }
    timeline_.advance_to(limit);
}

bool World::run_until(const std::function<bool()>& done, Duration time) {
    const Instant limit = now() + time;
    while (!done())
        if (!timeline_.step(limit)) return false;
    return true;
}

void World::end() {
    for (auto& [name, machine] : machines_) machine->crash(Crash::process);
    const bool unwound = run_until(
        [this] {
            for (auto& [name, machine] : machines_)
                for (const auto& process : machine->processes_)
                    if (!process->ended()) return false;
            return true;
        },
        kUnwindTimeMax);
    CHECK(unwound, "every task ends when its process is gone");
    // What is left are pool jobs of ghosts and messages to nobody.
    run_for(kUnwindTimeMax);
}

}  // namespace s4::rt::sim
