// The engine's words: which share, which secrets, what is tested and written. Plain values, any
// thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/units.h"
#include "storage/limits.h"

namespace s4::storage {

// Tahoe's name of a file or slot, as 16 bytes. Its text is 26 characters of base32.
struct StorageIndex {
    std::array<std::uint8_t, kStorageIndexBytes> bytes{};

    // Fails with storage.invalid_index.
    static Result<StorageIndex> from_bytes(ByteView raw);
    static Result<StorageIndex> from_text(std::string_view text);
    std::string to_text() const;

    friend auto operator<=>(const StorageIndex&, const StorageIndex&) = default;
};

using ShareNumber = std::uint32_t;  // at most kShareNumberMax

enum class ShareKind : std::uint8_t { immutable = 0, mutable_ = 1 };

// Bytes [offset, offset + size) of a share.
struct ByteRange {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};
inline constexpr ByteRange kWholeShare{0, UINT64_MAX};

// The two secrets of a lease, 32 bytes each.
struct LeaseSecrets {
    Secret renew;
    Secret cancel;
};

// Who may write to an unfinished upload, and how it ends:
// - the holder of an upload secret (GBS): complete when every byte was written; freed when idle;
// - a connection (Foolscap): complete at finish_upload(); aborted by connection_lost().
// Connection numbers are the caller's, unique while the process lives.
using ConnectionId = Id<struct ConnectionTag>;
using UploadOwner = std::variant<Secret, ConnectionId>;

// Which unfinished upload.
struct UploadKey {
    GridId grid;
    StorageIndex index;
    ShareNumber share = 0;
    friend auto operator<=>(const UploadKey&, const UploadKey&) = default;
};

struct AllocateRequest {
    StorageIndex index;
    LeaseSecrets secrets;
    UploadOwner owner;
    std::vector<ShareNumber> shares;  // at most kSharesPerCallMax; duplicates are ignored
    std::uint64_t size = 0;           // of each share's data
};

struct AllocateAnswer {
    std::vector<ShareNumber> already_have;  // all complete shares of the index, sorted
    std::vector<ShareNumber> allocated;     // of those asked, sorted
};

struct WriteAnswer {
    // What is still missing; empty when complete.
    std::vector<ByteRange> required;
    // The share is durable and visible.
    bool complete = false;
};

// A missing share reads as empty. The bytes at [offset, offset + size), clipped at the end of the
// data, are compared with the specimen.
struct TestVector {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    ByteBuffer specimen;
};

// `data` says which bytes of the request's staging area are written at `offset`.
struct WriteVector {
    std::uint64_t offset = 0;
    ByteRange data;
};

struct ShareTestWrite {
    std::vector<TestVector> tests;
    std::vector<WriteVector> writes;  // applied in order
    // 0 deletes the share; less than its length truncates it after the writes; more does nothing.
    std::optional<std::uint64_t> new_length;
};

// What a grid uses and may use; bytes.
struct Usage {
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;
    std::uint64_t reserved_bytes = 0;  // promised to unfinished uploads, overhead included

    std::uint64_t used_bytes() const { return data_bytes + shares * kShareOverheadBytes; }
};

// What `version` answers.
struct Space {
    std::uint64_t available_bytes = 0;
    std::uint64_t immutable_share_bytes_max = 0;
    std::uint64_t mutable_share_bytes_max = 0;
};

struct Advisory {
    std::int64_t id = 0;
    UnixSeconds at = 0;
    StorageIndex index;
    ShareNumber share = 0;
    ShareKind kind = ShareKind::immutable;
    std::string reason;  // the client's words: foreign text
};

// One row of the index, for what walks a grid (export, check, scrub).
struct ShareInfo {
    StorageIndex index;
    ShareNumber share = 0;
    ShareKind kind = ShareKind::immutable;
    std::uint64_t length = 0;
    UnixSeconds created = 0;
    UnixSeconds changed = 0;
};

// A lease as it is at rest: Tahoe's v2 hashes (unkeyed BLAKE2b-256) of both secrets.
struct LeaseInfo {
    std::array<std::uint8_t, 32> renew_hash{};
    std::array<std::uint8_t, 32> cancel_hash{};
    UnixSeconds expires = 0;
};

// The leases that a share brings with it from another server.
struct AdoptedLeases {
    ShareNumber share = 0;
    std::vector<LeaseInfo> leases;
};

}  // namespace s4::storage

template <>
struct std::hash<s4::storage::StorageIndex> {
    // Indexes are outputs of a hash, so that any eight bytes of one are a hash.
    std::size_t operator()(const s4::storage::StorageIndex& index) const noexcept {
        std::size_t out;
        std::memcpy(&out, index.bytes.data(), sizeof out);
        return out;
    }
};
