// Named limits of the control socket and of the jobs under way.
#pragma once

#include <cstddef>

#include "base/units.h"

namespace s4::control {

// One request or answer, a line of JSON. The longest answer is a page of subscriptions.
inline constexpr std::size_t kLineBytesMax = 1 * kMiB;
inline constexpr std::size_t kConnectionsMax = 16;
// For a client to send its request once it has connected.
inline constexpr Duration kRequestTimeMax = std::chrono::seconds(30);
// For a server to take a request, as a client waits.
inline constexpr Duration kConnectTimeMax = std::chrono::seconds(5);

inline constexpr int kSubscriptionsPerPage = 200;

inline constexpr int kJobsUnderWayMax = 16;
// How often jobs are looked at when nobody says that there is a new one.
inline constexpr Duration kJobsLookInterval = std::chrono::seconds(30);

// Grids that are announced anew side by side, in one step.
inline constexpr std::size_t kAnnouncePageGrids = 64;
inline constexpr int kAnnounceReportEveryGrids = 1024;  // in the log
// After a step that failed, until it is tried again.
inline constexpr Duration kAnnounceRetryTime = std::chrono::seconds(10);

// Steps of a check in one answer, and findings after which it is given early (each below 1 KiB).
inline constexpr int kCheckStepsPerAnswer = 64;
inline constexpr std::size_t kFindingsPerAnswer = 256;

// Between the steps of a collection that the operator asked for, so that clients get their turns.
inline constexpr Duration kCollectStepPause = std::chrono::milliseconds(5);

// How often it is looked whose usage changed.
inline constexpr Duration kUsageLookInterval = std::chrono::seconds(5);

// Bytes of a blob that a backup or a restore copies at once.
inline constexpr std::size_t kCopyBytes = 1 * kMiB;

}  // namespace s4::control
