// What strangers and grids may take of the public port. What a plan may change is in the grid's
// policy (tenants/policy.h).
#pragma once

#include <chrono>
#include <cstddef>

#include "base/units.h"

namespace s4::gate {

// The first bytes decide which protocol is spoken (design: one port, every tenant).
inline constexpr std::size_t kFirstBytesMax = 8;
inline constexpr Duration kFirstBytesTimeMax = std::chrono::seconds(30);

// Connections that have not yet said what they speak, or not finished their TLS handshake. A
// further one takes the place of the oldest (strangers.h).
inline constexpr std::size_t kStrangersMax = 2048;
inline constexpr std::size_t kStrangersPerHostMax = 128;

// A client cycles through up to 10 pooled connections with its poll for the version. Beyond this
// many of one host on one grid, that answer closes the connection it came on: the pool shrinks
// without a failed request.
inline constexpr std::size_t kPooledConnectionsPerHostMax = 6;

// Shares are read and sent in pieces of this length.
inline constexpr std::size_t kReadPieceBytes = 256 * kKiB;
// Of a piece, what is encrypted and given to the socket before other grids come up; with the
// answer's head it is what the TLS stream encrypts at once.
inline constexpr std::size_t kSendBytesMax = 60 * kKiB;
// Answers up to here are put together and sent in one write.
inline constexpr std::size_t kGatheredAnswerBytesMax = 64 * kKiB;

// Over Foolscap, answers whose bytes are longer than this in all are read while they are sent. Each
// answer on its way costs one or two pieces of that length, and one connection has this many; the
// others wait until the peer has
// taken some.
inline constexpr std::uint64_t kWholeAnswerBytesMax = kReadPieceBytes;
inline constexpr std::size_t kAnswersUnderWayMax = 8;
// Byte strings of at least this length are sent from where they were read; shorter ones are copied
// into the answer.
inline constexpr std::uint64_t kUncopiedBytesMin = 16 * kKiB;

// Requests of all grids that are worked on at a time (turnstile.h). Reads soon end and should not
// queue behind each other in the pool; writes that are under way together share a commit.
inline constexpr std::size_t kReadTurnsMax = 8;
inline constexpr std::size_t kWriteTurnsMax = 64;
// While several grids wanted turns within this time, one grid has no more than this many of them:
// what it has under way is what the others wait for.
inline constexpr Duration kCompanyTime = std::chrono::seconds(1);
inline constexpr std::size_t kReadTurnsSharedMax = 4;
inline constexpr std::size_t kWriteTurnsSharedMax = 8;
// Of its rate, a grid may use so much before it waits.
inline constexpr Duration kSpendAheadTime = std::chrono::seconds(1);
// Grids whose rates are remembered before those that have spent nothing lately are looked for.
inline constexpr std::size_t kMetersMin = 64;

// Foolscap connections that have not yet named a tub of ours. Further ones are closed at once.
inline constexpr std::size_t kFoolscapStrangersMax = 2048;
// Tubs kept in memory though nobody is connected to them (certificate, key and the table of
// connections: about 10 KiB each).
inline constexpr std::size_t kIdleTubsMax = 1024;
// While the node stops: how often connections that have finished negotiating are looked for.
inline constexpr Duration kDrainRoundTime = std::chrono::milliseconds(100);

}  // namespace s4::gate
