// Named limits of Tahoe's share files, as this house reads them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace s4::tahoe {

// Of one share file. Tahoe names no bound; a real share has a few, and one for each client that
// ever renewed it.
inline constexpr std::size_t kLeasesMax = 4096;
// What a mutable container may say it holds: Tahoe's own bound.
inline constexpr std::uint64_t kMutableDataBytesMax = 69'105'000'000'000'000;

}  // namespace s4::tahoe
