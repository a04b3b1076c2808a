// Named limits of the introducer. Counts per grid come from its policy (GridLimits in
// introducer.h).
#pragma once

#include <cstddef>

namespace s4::introducer {

// The signed text of one announcement. Real ones have about 700 bytes, with certificates of a grid
// manager some thousands.
inline constexpr std::size_t kMessageBytesMax = 32 * 1024;
// The texts of signature and key, which have 106 and 55 bytes.
inline constexpr std::size_t kSignatureTextBytesMax = 256;
inline constexpr std::size_t kKeyTextBytesMax = 256;
inline constexpr std::size_t kServiceNameBytesMax = 64;
inline constexpr std::size_t kMessageDepthMax = 16;
// Calls to one grid's introducer that wait for the one under way; one more is refused.
inline constexpr std::size_t kWaitingCallsMax = 1024;

}  // namespace s4::introducer
