// Named limits of the use cases.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::service {

// A page's capability: random bytes, written in 32 characters of base32.
inline constexpr std::size_t kCapabilityBytes = 20;
// What a form brings to name its sign-up; the capability is made of it.
inline constexpr std::size_t kSignUpNonceBytes = 16;

// Sign-ups begun from one address within the window, unless the operator says otherwise.
inline constexpr std::size_t kSignUpsPerAddress = 20;
inline constexpr UnixSeconds kSignUpWindowS = 3600;

// Jobs: the wait after a failed attempt doubles from the first to the last of these.
inline constexpr UnixSeconds kBackOffFirstS = 1;
inline constexpr UnixSeconds kBackOffLastS = 300;
inline constexpr std::size_t kProblemBytesMax = 400;
// After so many failed checks a page tells its customer that it takes longer than it should.
inline constexpr std::int64_t kAttemptsUntilDelayed = 2;

// One check of a grid from outside.
inline constexpr Duration kGridCheckTimeMax = std::chrono::seconds(20);
// How long `s4 subscription create` waits for its grid to be shown.
inline constexpr Duration kCreateWaitMax = std::chrono::seconds(60);

// What a customer's page shows of their storage.
inline constexpr std::int64_t kUsageDaysShown = 90;
inline constexpr std::size_t kAdvisoriesShown = 20;

inline constexpr int kListPageMax = 500;
inline constexpr int kAuditPageMax = 500;

}  // namespace s4::service
