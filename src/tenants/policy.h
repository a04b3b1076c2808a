// Policy: what a grid may do. `service` derives it from the plan and the subscription's state and
// writes it; the roles that serve grids read it. A plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace s4::tenants {

enum class GridState : std::uint8_t {
    served = 1,
    read_only = 2,  // a suspended subscription: reads and lease renewals
    frozen = 3,     // nobody is served for now (being moved or exported)
    closed = 4,     // purged: the row stays, so that its tub ids are never given out again
};

std::string_view to_string(GridState state);

// What the grid's own storage server announces.
enum class Transports : std::uint8_t {
    both = 1,
    foolscap_only = 2,
};

// "both", "foolscap": as command lines, forms and files say it.
std::string_view to_string(Transports transports);
std::optional<Transports> parse_transports(std::string_view text);

struct Policy {
    GridState state = GridState::served;
    Transports announced = Transports::both;
    std::uint64_t quota_bytes = 5 * kGiB;
    std::uint32_t connections_max = 256;  // of both protocols together
    std::uint32_t unfinished_uploads_max = 1024;
    std::uint32_t leases_per_share_max = 64;
    std::uint32_t advisories_max = 1000;
    std::uint32_t announcements_max = 100;
    std::uint32_t subscribers_max = 1000;
    std::uint32_t requests_max = 64;  // being worked on; further ones wait
    std::uint64_t bytes_per_s = 0;    // both ways together; 0: no limit

    friend bool operator==(const Policy&, const Policy&) = default;
};

// Errors: tenants.invalid_policy.
Result<void> validate(const Policy& policy);

}  // namespace s4::tenants
