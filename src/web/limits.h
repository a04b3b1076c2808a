// Named limits of the site.
#pragma once

#include <cstddef>

#include "base/units.h"

namespace s4::web {

// A form's body. The sign-up form has about 300 bytes.
inline constexpr std::size_t kFormBodyBytesMax = 16 * 1024;
// How long a form may stand open before it is sent.
inline constexpr UnixSeconds kFormSecondsMax = 24 * 3600;
// How much of a cookie header or of a list of forwarded addresses is looked at.
inline constexpr std::size_t kCookieBytesMax = 4 * 1024;
inline constexpr std::size_t kForwardedBytesMax = 1024;

// How often a progress page looks again: at first, and once it takes longer than it should.
inline constexpr int kProgressRefreshS = 1;
inline constexpr int kDelayedRefreshS = 10;
// What a visitor who signed up too often is told to wait.
inline constexpr int kTooManyRetryS = 3600;
inline constexpr int kUnavailableRetryS = 10;

}  // namespace s4::web
