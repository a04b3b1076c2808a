// Named limits of the database door.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::sql {

// Writes that wait for the writer; one more is refused with "sql.writer_busy".
inline constexpr std::size_t kQueuedWritesMax = 8192;
// One group commit takes at most so many requests, and starts no further one after this time.
inline constexpr std::size_t kGroupWritesMax = 512;
inline constexpr Duration kGroupTimeMax = std::chrono::milliseconds(50);

// Connections that read, and reads that wait for one of them.
inline constexpr std::size_t kReadersDefault = 4;
inline constexpr std::size_t kQueuedReadsMax = 8192;
// A read transaction longer than this holds up checkpoints and is logged.
inline constexpr Duration kReadTimeWarning = std::chrono::milliseconds(100);

// Pages in the write-ahead log after which it is copied back into the database (4 KiB each).
inline constexpr std::int64_t kCheckpointPages = 2000;
// From here on the writer itself finishes the copying, so that the log can begin anew.
inline constexpr std::int64_t kCheckpointPagesMax = 16'000;
// A backup copies so many pages between two groups.
inline constexpr int kBackupStepPages = 256;

inline constexpr std::size_t kQueryParamsMax = 64;

}  // namespace s4::sql
