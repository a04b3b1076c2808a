// What one message of the storage protocol may hold at most. Numbers without a reason beside them
// are Tahoe 1.20's (reference D.4, D.6).
#pragma once

#include <cstddef>
#include <cstdint>

namespace s4::proto::gbs {

inline constexpr std::size_t kAllocateBodyBytesMax = 8 * 1024;
inline constexpr std::size_t kCorruptBodyBytesMax = 32 * 1024;
inline constexpr std::size_t kReasonBytesMax = 32'765;

inline constexpr std::size_t kShareNumbersMax = 256;  // in one set
inline constexpr std::size_t kSlotSharesMax = 256;    // in one read-test-write
inline constexpr std::size_t kTestVectorsMax = 30;    // for one share
inline constexpr std::size_t kReadVectorsMax = 30;
// Tahoe has no bound for these two. A mutable file of 8 GB makes 64 Ki write vectors; real
// specimens are 41 or 57 bytes.
inline constexpr std::size_t kWriteVectorsMax = 1 << 16;
inline constexpr std::size_t kSpecimenBytesMax = 1024 * 1024;

// Share numbers above 255 are legal (reference I.5.49); Tahoe names no bound.
inline constexpr std::uint64_t kShareNumberMax = 0x7fff'ffff;

// The last byte that a range can name, so that its length and its end are numbers of 64 bits.
inline constexpr std::uint64_t kLastByteMax = UINT64_MAX - 1;

inline constexpr std::size_t kLeaseSecretBytes = 32;
inline constexpr std::size_t kSecretBytesMax = 1024;  // of the others, any length above 0

// The client reads at most 10,000 bytes of an error (reference D.4).
inline constexpr std::size_t kErrorTextBytesMax = 2'000;

// The client refuses longer CBOR answers (reference D.9), and our client does too.
inline constexpr std::size_t kAnswerBytesMax = 30 * 1024 * 1024;

inline constexpr std::size_t kNurlBytesMax = 1024;

}  // namespace s4::proto::gbs
