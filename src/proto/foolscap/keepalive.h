// When to ping and when to give a silent connection up (A.7): a pure function of time that passed.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"
#include "proto/foolscap/limits.h"

namespace s4::proto::foolscap {

struct KeepalivePolicy {
    Duration ping_after = kPingAfter;
    Duration disconnect_after = kDisconnectAfter;
};

enum class KeepaliveAction : std::uint8_t { nothing, ping, disconnect };

struct KeepaliveDecision {
    KeepaliveAction action = KeepaliveAction::nothing;
    Duration look_again_in{};
};

// `silent`: since the last byte was received. `since_ping`: since our last ping, or since the
// connection began.
inline KeepaliveDecision keepalive(const KeepalivePolicy& policy, Duration silent,
                                   Duration since_ping) {
    if (silent >= policy.disconnect_after) return {KeepaliveAction::disconnect, Duration::zero()};
    const Duration idle = std::min(silent, since_ping);
    const Duration until_disconnect = policy.disconnect_after - silent;
    if (idle >= policy.ping_after)
        return {KeepaliveAction::ping, std::min(policy.ping_after, until_disconnect)};
    return {KeepaliveAction::nothing, std::min(policy.ping_after - idle, until_disconnect)};
}

}  // namespace s4::proto::foolscap
