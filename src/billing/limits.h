// Named limits of billing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::billing {

inline constexpr std::size_t kPlansMax = 32;
inline constexpr std::size_t kPlanIdBytesMax = 32;
inline constexpr std::size_t kPlanNameBytesMax = 64;
inline constexpr std::uint64_t kPlanQuotaBytesMax = std::uint64_t{1} << 50;  // 1 PiB
inline constexpr std::int64_t kPlanPriceCentsMax = 100'000'000;
inline constexpr int kPlanDaysMax = 3'660;
// Of what one grid may take at a time. Less than so many bytes a second would keep a client waiting
// for one piece of a share longer than its patience.
inline constexpr std::uint32_t kPlanRequestsMax = 1'000'000;
inline constexpr std::uint64_t kPlanBytesPerSecondMin = 1 * kMiB;
inline constexpr std::uint64_t kPlanBytesPerSecondMax = 1024 * kGiB;
// Of the standard plans: about what a Tahoe client reaches beside its server. More leaves too
// little of a disk to the other grids.
inline constexpr std::uint64_t kStandardBytesPerSecond = 50'000'000;

// RFC 5321: 64 for the local part, 254 for the whole.
inline constexpr std::size_t kEmailBytesMax = 254;
inline constexpr std::size_t kEmailLocalBytesMax = 64;

inline constexpr std::size_t kPaymentReferenceBytesMax = 128;

// A sign-up that nobody paid for ends after this time (design section 6).
inline constexpr UnixSeconds kPendingSecondsMax = 24 * 3600;

}  // namespace s4::billing
