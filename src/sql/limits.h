// Named limits of the database door.
#pragma once

#include <bit>
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

// Shipping the log: how often, and when it is tried again after a failure.
inline constexpr Duration kShipEvery = std::chrono::milliseconds(500);
inline constexpr Duration kShipRetryAfter = std::chrono::seconds(10);
inline constexpr Duration kShipAlarmEvery = std::chrono::minutes(1);
// Commits that wait in memory to be shipped; beyond, the generation is given up. The first record
// of a generation is all that the database's log holds, and that log at most so long.
inline constexpr std::uint64_t kShipPendingBytesMax = 64 * kMiB;
inline constexpr std::uint64_t kShipFirstBytesMax = 256 * kMiB;
// A segment is ended once it is so long.
inline constexpr std::uint64_t kSegmentBytes = 16 * kMiB;
// A generation is followed by another at this age, and when its log is longer than its snapshot and
// than this; and not tried again sooner than kGenerationRetryAfter.
inline constexpr std::uint64_t kGenerationLogBytesMin = 64 * kMiB;
inline constexpr Duration kGenerationAgeMax = std::chrono::hours(24);
inline constexpr Duration kGenerationRetryAfter = std::chrono::minutes(1);
inline constexpr std::size_t kGenerationsKept = 2;
// A snapshot is copied in such steps, with a pause after each: at most 64 MiB a second.
inline constexpr std::size_t kSnapshotStepBytes = 4 * kMiB;
inline constexpr Duration kSnapshotPause = std::chrono::microseconds(62'500);
inline constexpr std::uint64_t kShipSpareBytes = 64 * kMiB;  // beyond the snapshot

// What SQLite allows for the size of a page.
constexpr bool is_page_size(std::uint32_t bytes) {
    return bytes >= 512 && bytes <= 65'536 && std::has_single_bit(bytes);
}

inline constexpr std::size_t kQueryParamsMax = 64;

}  // namespace s4::sql
