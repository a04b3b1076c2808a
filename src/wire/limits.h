// What one connection may cost at most, in time and in memory. A pump takes its own struct; these
// are the defaults.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/units.h"
#include "proto/foolscap/keepalive.h"
#include "proto/foolscap/limits.h"
#include "proto/http1/limits.h"

namespace s4::wire {

struct TlsLimits {
    // From the first byte to the end of the handshake.
    Duration handshake_time_max = std::chrono::seconds(30);
};

struct HttpServerLimits {
    proto::http1::Limits message;
    std::size_t connections_max = 16'384;
    // From the first byte of a request to the end of its head.
    Duration head_time_max = std::chrono::seconds(30);
    // Between two requests. Tahoe's client keeps idle connections for 240 s and does not repeat
    // requests with bodies, so the server must not close first (reference D.9).
    Duration idle_time_max = std::chrono::seconds(300);
    // Silence in the middle of a request's body.
    Duration body_silence_max = std::chrono::seconds(60);
    // For the peer to take one piece of an answer (kHttpPieceBytesMax).
    Duration write_time_max = std::chrono::seconds(60);
    // What a handler left unread of a body is read and dropped up to here, so that the peer can
    // read the answer; beyond, the connection is closed.
    std::size_t unread_body_bytes_max = 2 * kMiB;
};

// A connection waits for a request with this much room, and grows to the second while a body comes.
inline constexpr std::size_t kHttpReadBytesMin = 4 * 1024;
inline constexpr std::size_t kHttpReadBytesMax = 64 * 1024;
// Answers are written in pieces of at most this length, each with its own time limit.
inline constexpr std::size_t kHttpPieceBytesMax = 256 * 1024;
// How often time limits are looked at: a limit may be exceeded by this.
inline constexpr Duration kHttpSweepInterval = std::chrono::seconds(2);

// How long a closing connection waits for the peer to have read the last answer.
inline constexpr Duration kHttpGoodbyeTime = std::chrono::seconds(2);
// After a failed accept (no descriptors left) before the next.
inline constexpr Duration kAcceptRetryTime = std::chrono::milliseconds(100);

struct FoolscapLimits {
    proto::foolscap::BrokerLimits broker;
    proto::foolscap::KeepalivePolicy keepalive;
    Duration negotiation_time_max = proto::foolscap::kNegotiationTime;
    // Bytes that wait to be written: above the first nothing is read until the peer has taken some,
    // above the second a peer that is told of news is given up.
    std::size_t unsent_bytes_max = 1 * kMiB;
    std::size_t lag_bytes_max = 8 * kMiB;
    // For the peer to take one piece (kFoolscapPieceBytesMax).
    Duration write_time_max = std::chrono::seconds(120);
};

// A connection waits for a call with this much room, and grows to the second while much comes.
inline constexpr std::size_t kFoolscapReadBytesMin = 4 * 1024;
inline constexpr std::size_t kFoolscapReadBytesMax = 64 * 1024;
inline constexpr std::size_t kFoolscapPieceBytesMax = 256 * 1024;
// Up to here, what stands before or after a supplied piece of an answer leaves in one write with
// it.
inline constexpr std::size_t kFoolscapBesideBytesMax = 16 * 1024;
// How long an ending connection tries to get its last words written.
inline constexpr Duration kFoolscapGoodbyeTime = std::chrono::seconds(5);

struct HttpClientLimits {
    proto::http1::Limits message;
    std::size_t idle_connections_max = 16;  // per endpoint
    Duration idle_time_max = std::chrono::seconds(60);
    std::size_t body_bytes_max = 32 * kMiB;  // of an answer, unless the call says otherwise
};

}  // namespace s4::wire
