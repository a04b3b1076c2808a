// Sizes and times with their units in the name or the type.
#pragma once

#include <chrono>
#include <cstdint>

namespace s4 {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

using Duration = std::chrono::nanoseconds;

// Monotonic time since some start; never compared across processes.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Wall time in whole seconds since 1970 (UTC): what leases, ledgers and announcements store.
using UnixSeconds = std::int64_t;

}  // namespace s4
