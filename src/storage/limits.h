// Every bound of the storage engine, by name. What a plan may change is in GridPolicy (policy.h);
// these hold for every grid.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::storage {

// Names of shares.
inline constexpr std::size_t kStorageIndexBytes = 16;
inline constexpr std::uint64_t kShareNumberMax = 0x7fff'ffff;  // Tahoe names no bound; ours
inline constexpr std::size_t kSharesPerCallMax = 256;          // protocol reference C.1, D.6
inline constexpr std::size_t kSharesPerIndexMax = 256;         // Tahoe's encodings make no more

// Secrets.
inline constexpr std::size_t kLeaseSecretBytes = 32;
inline constexpr std::size_t kWriteEnablerBytesMax = 64;  // clients send 32
inline constexpr std::size_t kUploadSecretBytesMax = 1024;

// Usage: each share counts its data and this much for its row, leases and checksums.
inline constexpr std::uint64_t kShareOverheadBytes = 512;
// How far mutable growth may go past the quota (invariant 4).
inline constexpr std::uint64_t kMutableOverdraftBytes = 16 * kMiB;

// Sizes. A share of at most kSmallShareBytesMax lives in the database (docs/decisions/0007).
inline constexpr std::uint64_t kSmallShareBytesMax = 64 * kKiB;
inline constexpr std::uint64_t kImmutableShareBytesMax = 4096 * kGiB;
inline constexpr std::uint64_t kMutableShareBytesMax = 16 * kGiB;
inline constexpr std::uint64_t kExtentBytes = kMiB;     // of a large mutable share
inline constexpr std::size_t kPiecesPerExtentMax = 8;   // then the extent is rewritten whole
inline constexpr std::size_t kExtentsInFlightMax = 16;  // in memory, on their way to the store
inline constexpr std::size_t kReadBytesMax = kMiB;      // of one ShareReader::read()

// One test-and-write.
inline constexpr std::size_t kTestVectorsPerShareMax = 30;
inline constexpr std::size_t kReadVectorsMax = 30;
inline constexpr std::size_t kWriteVectorsPerCallMax = 1 << 16;
inline constexpr std::size_t kSpecimenBytesPerCallMax = kMiB;

// Unfinished uploads.
inline constexpr Duration kUploadIdleMax = std::chrono::minutes(5);  // secret owned (D.8 b)
inline constexpr Duration kConnectionUploadIdleMax = std::chrono::minutes(30);
inline constexpr Duration kUploadReplaceableAfter = std::chrono::seconds(60);  // D.8 c
inline constexpr std::size_t kUploadRangesMax = 1024;  // separate written pieces of one share
inline constexpr std::uint64_t kUploadMemoryBytesMax = 32 * kMiB;  // of all grids; beyond: files
inline constexpr std::uint64_t kUploadGatherBytes =
    256 * kKiB;  // of one upload, on their way to its file
inline constexpr std::uint64_t kStagingMemoryBytes =
    64 * kKiB;  // of one mutable write; beyond: a file

// Leases.
inline constexpr std::int64_t kLeaseSeconds = 2'678'400;  // 31 days, as Tahoe

// Collection of shares that no client renews (invariant 5).
inline constexpr std::int64_t kBetweenPassesS = 24 * 3600;  // at least, from mark to deletion
inline constexpr std::size_t kMarkStepRows = 200;           // leases that one step looks at
inline constexpr std::size_t kFreeStepShares = 64;          // deleted by one step
inline constexpr std::size_t kEstimateStepRows = 1000;      // leases that one step counts
// Lease rows that one step reads around those: a share may have many.
inline constexpr std::size_t kStepLeasesMax = 20'000;
inline constexpr Duration kLookAtOrderEvery = std::chrono::hours(1);
inline constexpr Duration kExpiryStepPause = std::chrono::milliseconds(50);
inline constexpr std::size_t kOrdersShown = 20;
// A clock that goes apart from the monotonic one by more than this between two looks has jumped.
inline constexpr std::int64_t kClockJumpS = 600;
// A start so long after the last time seen is taken for a jump.
inline constexpr std::int64_t kClockGapS = 3 * 24 * 3600;
inline constexpr std::int64_t kClockNoteEveryS = 600;

// Usage by day.
inline constexpr std::int64_t kUsageDaysKept = 400;
inline constexpr std::size_t kUsageChangesPerStep = 500;

// Corruption advisories.
inline constexpr std::size_t kAdvisoryReasonBytesMax = 32'765;

// Counting what a grid holds: rows of one step, and how long the figures are kept for whoever asks
// again.
inline constexpr std::size_t kSurveyStepRows = 10'000;
inline constexpr Duration kFiguresKept = std::chrono::seconds(15);
inline constexpr std::size_t kFiguresGridsMax = 1024;

// Check and scrub (IoBudget): both leave the disk to the clients.
inline constexpr std::size_t kCheckSharesPerStep = 256;
inline constexpr std::uint64_t kCheckBytesPerStep = 64 * kMiB;  // a share is not divided
inline constexpr std::uint64_t kCheckBytesPerS = 64 * kMiB;
inline constexpr int kCheckPercentOfTime = 50;
// Of shares looked at by one trip to the database, where the small ones are; a share is not
// divided.
inline constexpr std::uint64_t kLookBytes = kMiB;
// In one step; with more than half of its shares' blobs missing, none of them is quarantined.
inline constexpr std::size_t kMissingBlobsSuspicious = 16;
inline constexpr std::size_t kScrubSharesPerStep = 256;
inline constexpr int kScrubPercentOfTime = 5;
inline constexpr std::int64_t kScrubRoundS = 30 * 24 * 3600;  // a round begins at most this often
inline constexpr Duration kScrubFirstAfter = std::chrono::minutes(1);
inline constexpr Duration kScrubStepEvery = std::chrono::seconds(1);
inline constexpr Duration kScrubLookEvery = std::chrono::hours(1);
inline constexpr Duration kScrubRetryAfter = std::chrono::minutes(10);

// Caches.
inline constexpr std::size_t kIndexCacheEntriesMax = 65'536;
inline constexpr std::uint64_t kShareCacheBytesMax = 32 * kMiB;
inline constexpr std::size_t kOpenBlobsMax = 256;    // files
inline constexpr std::size_t kAccountsMax = 16'384;  // grids whose usage is held in memory

}  // namespace s4::storage
