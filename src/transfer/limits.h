// Named limits of importing and exporting storage nodes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::transfer {

// Bytes of a share that are copied at once, and indexes under way at a time: together the memory
// that a transfer takes, beside the names in one of the 1024 folders of a node.
inline constexpr std::size_t kCopyBytes = 256 * kKiB;
inline constexpr std::size_t kIndexesInFlight = 8;
// Of the engine's list of shares.
inline constexpr std::size_t kSharesPerPage = 1024;
// A node's configuration, keys and FURLs.
inline constexpr std::uint64_t kNodeFileBytesMax = 64 * kKiB;
// Skipped files that are kept in memory until they are written down.
inline constexpr std::size_t kSkippedBufferBytes = 64 * kKiB;

}  // namespace s4::transfer
