// Named limits of the grid records.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::tenants {

// Grids whose record is kept in memory though nobody uses it (about 3 KiB each).
inline constexpr std::size_t kIdleGridsMax = 4096;
// Rows that one page of a list or of the change feed has at most.
inline constexpr std::size_t kPageMax = 500;
// A policy that asks for more is refused.
inline constexpr std::uint64_t kQuotaBytesMax = 1024 * 1024 * kGiB;
inline constexpr std::uint32_t kConnectionsMax = 10'000;
inline constexpr std::uint32_t kPerGridCountMax = 1'000'000;
// Less would keep a client waiting for one piece of a share longer than its patience.
inline constexpr std::uint64_t kBytesPerSecondMin = 1 * kMiB;
inline constexpr std::uint64_t kBytesPerSecondMax = 1024 * kGiB;

}  // namespace s4::tenants
