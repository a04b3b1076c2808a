// GridFigures: what a grid holds, for the pages and commands that show it. Plain values, any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/units.h"
#include "storage/limits.h"

namespace s4::storage {

// What was used at the end of a day, or up to now.
struct UsageDay {
    std::int64_t day = 0;  // since 1970
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;

    std::uint64_t used_bytes() const { return data_bytes + shares * kShareOverheadBytes; }
};

struct KindFigures {
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;
};

// Leases by how long ago they were made or last renewed, in days: below the first of these, below
// the second, ..., and older. Tahoe holds a lease of more than 31 days for expired.
inline constexpr std::array<std::int64_t, 3> kLeaseAgeDays{7, 31, 90};

struct GridFigures {
    KindFigures immutable;
    KindFigures mutable_;
    std::array<std::uint64_t, kLeaseAgeDays.size() + 1> leases_by_age{};
    // When a client last wrote a share or renewed a lease; nothing when no lease is there.
    std::optional<UnixSeconds> last_activity;
    std::uint64_t advisories = 0;
    UnixSeconds counted = 0;
};

}  // namespace s4::storage
