// The bytes of a share's blob (docs/formats/blob.md): header, data, block checksums, commit record.
//
// BlobHeader and its two functions are the header; BlockSums gathers checksums as data passes by;
// make_trailer closes a blob; BlobVerifier checks a whole one as it passes by. Pure functions and
// values, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "storage/types.h"

namespace s4::storage {

inline constexpr std::size_t kBlobHeaderBytes = 256;
inline constexpr std::size_t kBlobBlockBytes = 64 * kKiB;
inline constexpr std::size_t kSealedEnablerBytesMax = 109;
inline constexpr std::size_t kCommitEntryBytes = 24;

struct BlobHeader {
    ShareKind kind = ShareKind::immutable;
    GridId grid;
    StorageIndex index;
    ShareNumber share = 0;
    std::array<std::uint8_t, 16> name{};
    std::uint64_t version = 0;       // of the share
    std::uint64_t share_length = 0;  // in that version
    ByteRange data;                  // which bytes of the share
    std::uint64_t made_us = 0;
    std::uint32_t blobs_in_version = 1;
    std::uint64_t base_version = 0;  // of the large share that this version changed; 0: none
    std::uint32_t record_bytes = 0;
    ByteBuffer sealed_enabler;

    friend bool operator==(const BlobHeader&, const BlobHeader&) = default;
};

std::array<std::uint8_t, kBlobHeaderBytes> write_header(const BlobHeader& header);
// Errors: storage.blob_damaged (corrupt), storage.blob_version (unsupported).
Result<BlobHeader> parse_header(ByteView bytes);

// One share's part in a commit that changed several.
struct CommitEntry {
    static constexpr std::uint64_t kDeleted = UINT64_MAX;

    ShareNumber share = 0;
    std::uint64_t version = 0;
    std::uint64_t length = 0;
    std::uint32_t blobs = 0;

    friend bool operator==(const CommitEntry&, const CommitEntry&) = default;
};

ByteBuffer write_commit_record(const std::vector<CommitEntry>& entries);
Result<std::vector<CommitEntry>> parse_commit_record(ByteView bytes);

// CRC-32C of each 64 KiB block of data that passes by in order.
class BlockSums {
  public:
    std::uint64_t covered() const { return covered_; }
    void append(ByteView bytes);
    // Goes on where this one stands, and knows nothing of what came before; extend() takes in what
    // it gathered.
    BlockSums continuation() const;
    void extend(const BlockSums& continued);
    // With that of the last, short block.
    std::vector<std::uint32_t> sums() const;

  private:
    std::vector<std::uint32_t> whole_;
    std::uint32_t last_ = 0;
    std::uint64_t covered_ = 0;
};

ByteBuffer make_trailer(const BlockSums& sums, ByteView record);
std::uint64_t blob_size(std::uint64_t data_size, std::size_t record_bytes);
// Makes a blob of a buffer whose first kBlobHeaderBytes are room for the header and whose rest are
// the data.
void close_blob(const BlobHeader& header, ByteBuffer& room_and_data, ByteView record);

// Takes a blob's bytes in order, in pieces of any size; finish() says whether it was whole.
class BlobVerifier {
  public:
    Result<void> append(ByteView bytes);
    // Errors: storage.blob_damaged.
    Result<void> finish();
    // Valid once the first 256 bytes were taken.
    const BlobHeader& header() const { return header_; }
    const std::vector<CommitEntry>& record() const { return record_; }

  private:
    ByteBuffer head_;
    BlobHeader header_;
    BlockSums sums_;
    ByteBuffer trailer_;
    std::vector<CommitEntry> record_;
    bool have_header_ = false;
};

// Takes what follows the data, in pieces of any size, without the data: says whether it is whole,
// and gives the commit record.
class TrailerVerifier {
  public:
    explicit TrailerVerifier(const BlobHeader& header);
    void append(ByteView bytes);
    // The record's bytes. Errors: storage.blob_damaged.
    Result<ByteBuffer> finish();

  private:
    std::uint64_t sums_left_;
    std::size_t record_bytes_;
    std::uint32_t crc_ = 0;  // of the block checksums
    ByteBuffer rest_;        // record and checksum
};

}  // namespace s4::storage
