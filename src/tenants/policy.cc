#include "tenants/policy.h"

#include <fmt/format.h>

#include "tenants/limits.h"

namespace s4::tenants {

std::string_view to_string(GridState state) {
    switch (state) {
        case GridState::served:
            return "served";
        case GridState::read_only:
            return "read-only";
        case GridState::frozen:
            return "frozen";
        case GridState::closed:
            return "closed";
    }
    return "unknown";
}

std::string_view to_string(Transports transports) {
    switch (transports) {
        case Transports::both:
            return "both";
        case Transports::foolscap_only:
            return "foolscap";
    }
    return "unknown";
}

std::optional<Transports> parse_transports(std::string_view text) {
    for (const Transports one : {Transports::both, Transports::foolscap_only})
        if (to_string(one) == text) return one;
    return std::nullopt;
}

Result<void> validate(const Policy& policy) {
    const auto refuse = [](std::string message) {
        return fail(ErrorKind::invalid, "tenants.invalid_policy", std::move(message));
    };
    if (policy.quota_bytes > kQuotaBytesMax)
        return refuse(fmt::format("a grid's quota is at most {} bytes", kQuotaBytesMax));
    if (policy.connections_max == 0 || policy.connections_max > kConnectionsMax)
        return refuse(fmt::format("a grid has 1 to {} connections", kConnectionsMax));
    const std::uint32_t counts[] = {policy.unfinished_uploads_max, policy.leases_per_share_max,
                                    policy.advisories_max,         policy.announcements_max,
                                    policy.subscribers_max,        policy.requests_max};
    for (const std::uint32_t count : counts)
        if (count == 0 || count > kPerGridCountMax)
            return refuse(fmt::format("a grid's limits are 1 to {}", kPerGridCountMax));
    if (policy.bytes_per_s != 0 &&
        (policy.bytes_per_s < kBytesPerSecondMin || policy.bytes_per_s > kBytesPerSecondMax))
        return refuse(fmt::format("a grid's rate is {} to {} bytes a second, or 0 for no limit",
                                  kBytesPerSecondMin, kBytesPerSecondMax));
    return ok();
}

}  // namespace s4::tenants
