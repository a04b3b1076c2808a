// Profile: how unkind a world is. A scenario chooses one, often by the seed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::rt::sim {

struct Profile {
    // Messages.
    Duration latency_min = std::chrono::microseconds(50);
    Duration latency_max = std::chrono::milliseconds(5);
    std::size_t window_bytes = 65'536;  // of one direction: on the way and not yet read
    double partial_read_chance = 0.3;
    double reset_chance = 0;  // that a connection is reset some time in its first seconds
    Duration reset_within = std::chrono::seconds(5);

    // Pool jobs.
    Duration job_wait_max = std::chrono::milliseconds(2);
    double slow_job_chance = 0.02;
    Duration slow_job_wait = std::chrono::milliseconds(200);
    std::size_t pool_threads = 4;

    // Disks.
    std::uint64_t disk_bytes = 4 * kGiB;
};

}  // namespace s4::rt::sim
