// The storage engine with its database and its blobs: after each restart it must agree with what
// its callers were told.
#include "run.h"
#include "storage_actors.h"

namespace s4::simulation {

using namespace std::chrono_literals;
using rt::sim::Dice;
using rt::sim::Process;

void play_storage(Run& run) {
    StorageStory story(run);
    Dice& dice = run.dice();
    story.policies.only.quota_bytes = dice.chance(0.3) ? dice.between(200'000, 2'000'000) : kGiB;
    story.options.disk_reserve_bytes = kMiB;
    story.options.collect_every = 2s;
    story.options.blob_retention_s = dice.chance(0.5) ? 5 : 7 * 24 * 3600;
    if (dice.chance(0.5)) story.options.small_share_bytes_max = dice.between(500, 5000);
    rt::sim::Machine& machine = run.world().machine("storage");
    for (int round = 0; round < 6 && !run.failed(); ++round) {
        const bool faults = dice.chance(0.2);
        rt::sim::Disk& disk = machine.disk();
        run.boot_and_crash(machine, [&](Process& process) {
            if (faults) {
                if (dice.chance(0.5))
                    machine.faults().write_error = 0.001;
                else
                    disk.set_capacity(disk.used_bytes() + kMiB + dice.below(3 * kMiB));
            }
            process.spawn(serve_storage(story, process, true, faults));
        });
        machine.faults() = {};
        disk.set_capacity(4 * kGiB);
    }
    run.boot_and_stop(
        machine,
        [&](Process& process) { process.spawn(serve_storage(story, process, false, false)); },
        1min);
}

}  // namespace s4::simulation
