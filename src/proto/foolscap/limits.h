// Every bound of the Foolscap machines. What the protocol fixes carries its source (sections of the
// protocol reference); the rest are ours, chosen so that one connection never holds more than a few
// MiB.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/units.h"

namespace s4::proto::foolscap {

// Tokens (A.8).
inline constexpr std::size_t kTokenHeaderBytesMax = 64;
inline constexpr std::size_t kErrorTextBytesMax = 1000;
inline constexpr std::size_t kLongIntegerBytesMax = 1024;
inline constexpr std::size_t kOpentypeBytesMax = 32;  // the longest known one has 16

// Negotiation (A.4, A.6).
inline constexpr std::size_t kNegotiationBytesMax = 4096;
inline constexpr std::chrono::seconds kNegotiationTime{120};
// How much a master may send before the slave has spoken: a peer that reads it together with the
// decision would refuse more than 4096 bytes as "Header too long".
inline constexpr std::size_t kUnprovokedBytesMax = 3072;

// Keepalive (A.7).
inline constexpr std::chrono::seconds kPingAfter{240};
inline constexpr std::chrono::seconds kDisconnectAfter{600};

// FURLs (A.1).
inline constexpr std::size_t kTubIdSize = 32;
inline constexpr std::size_t kFurlBytesMax = 2048;
inline constexpr std::size_t kFurlHintsMax = 32;

// Failures (A.12); the receiving client enforces the first four.
inline constexpr std::size_t kFailureTypeBytesMax = 200;
inline constexpr std::size_t kFailureValueBytesMax = 1000;
inline constexpr std::size_t kFailureTracebackBytesMax = 2000;
inline constexpr std::size_t kFailureParentBytesMax = 200;
inline constexpr std::size_t kFailureParentsMax = 30;

// Messages.
inline constexpr std::size_t kNestingMax = 32;  // the deepest call of Tahoe's has 8
inline constexpr std::size_t kInterfaceNameBytesMax = 200;
inline constexpr std::size_t kMethodNameBytesMax = 200;
// Byte strings of at least this size go to the stream sink where a method asked for it.
inline constexpr std::size_t kStreamedStringBytesMin = 16 * kKiB;

// The bounds of one connection that its owner may set. A call is answered with a Violation when it
// alone is too large; too many calls at once only stop the reading.
struct BrokerLimits {
    std::size_t message_values_max = 65'536;     // values in one message, expanded
    std::size_t message_bytes_max = 4 * kMiB;    // bytes of one message that are held
    std::size_t calls_in_flight_max = 256;       // begun by the peer, not answered
    std::size_t held_bytes_max = 4 * kMiB;       // arguments of those calls
    std::size_t own_calls_max = 1024;            // ours, not answered
    std::size_t exported_objects_max = 16'384;   // ours that the peer holds
    std::size_t remote_references_max = 16'384;  // the peer's that we hold
};

// Peers whose last connection a Tub remembers (A.5); the oldest unconnected one is forgotten first.
inline constexpr std::size_t kRememberedPeersMax = 1024;

}  // namespace s4::proto::foolscap
