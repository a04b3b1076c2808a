// The files in which a Tahoe-LAFS storage node keeps its shares (reference E.2, E.3): what their
// first and last bytes say, and those bytes written anew.
//
//   immutable  head (12 bytes), data, lease records of 72 bytes up to the end of the file
//   mutable    head (468 bytes, with four lease slots of 92), data, slack, count (4), more leases
//
// Read are versions 1 and 2 of both, written is version 2. Version 1 holds the secrets of leases
// in clear, version 2 their BLAKE2b-256; read_leases() gives hashes for both. A file is read in two
// steps, so that nobody holds its data: parse_head() of its first bytes and its size, then
// parse_leases() of the bytes that the head names. Pure functions and values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "tahoe/limits.h"

namespace s4::tahoe {

inline constexpr std::size_t kImmutableHeadBytes = 12;
inline constexpr std::size_t kImmutableLeaseBytes = 72;
inline constexpr std::size_t kMutableHeadBytes = 468;
inline constexpr std::size_t kMutableLeaseBytes = 92;
inline constexpr std::size_t kLeasesInHead = 4;  // of a mutable container
inline constexpr std::size_t kHeadBytes = kMutableHeadBytes;
inline constexpr std::size_t kTubIdBytes = 20;
inline constexpr std::size_t kWriteEnablerBytes = 32;

enum class Kind : std::uint8_t { immutable, mutable_ };
enum class Version : std::uint8_t { v1 = 1, v2 = 2 };

using TubId = std::array<std::uint8_t, kTubIdBytes>;
using SecretHash = std::array<std::uint8_t, 32>;

struct Lease {
    std::uint32_t owner = 1;
    std::uint32_t expires_s = 0;  // since 1970
    SecretHash renew_hash{};
    SecretHash cancel_hash{};

    friend bool operator==(const Lease&, const Lease&) = default;
};

// What a head says, checked against the file's size.
struct ShareFile {
    Kind kind = Kind::immutable;
    Version version = Version::v2;
    std::uint64_t data_at = 0;
    std::uint64_t data_bytes = 0;
    // Where parse_leases() finds its bytes; of a mutable container the number of leases stands in
    // them, so these are at most what may follow.
    std::uint64_t leases_at = 0;
    std::size_t leases_bytes = 0;

    // Of a mutable container alone.
    TubId tub_id{};  // of the node that recorded the write enabler
    Secret write_enabler;
    std::vector<Lease> leases_in_head;
};

// `head` is the file's first kHeadBytes, or all of it when it has less. Errors: tahoe.cut (the file
// is shorter than it says, or another length than it says: half copied), tahoe.unknown_version,
// tahoe.too_many_leases, tahoe.bad_head.
Result<ShareFile> parse_head(ByteView head, std::uint64_t file_bytes);

// All leases of the file. `bytes` is what stands at [leases_at, leases_at + leases_bytes). Errors:
// tahoe.cut, tahoe.too_many_leases.
Result<std::vector<Lease>> parse_leases(const ShareFile& file, ByteView bytes);

// Version 2, before the data and behind it; at most kLeasesMax leases.
ByteBuffer write_immutable_head(std::uint64_t data_bytes, std::size_t leases);
ByteBuffer write_immutable_tail(std::span<const Lease> leases);
ByteBuffer write_mutable_head(const TubId& tub_id, const Secret& write_enabler,
                              std::uint64_t data_bytes, std::span<const Lease> leases);
ByteBuffer write_mutable_tail(const TubId& tub_id, std::span<const Lease> leases);

}  // namespace s4::tahoe
