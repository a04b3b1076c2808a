#include "storage/blob_format.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "crypto/crc32c.h"

namespace s4::storage {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {'S', '4', 'B', 'L', 'O', 'B', '\r', '\n'};
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeaderChecksumAt = kBlobHeaderBytes - 4;
constexpr std::size_t kBaseVersionAt = kHeaderChecksumAt - 8;

std::unexpected<Error> damaged(std::string_view what) {
    return fail(ErrorKind::corrupt, "storage.blob_damaged", fmt::format("the blob's {}", what));
}

std::size_t block_count(std::uint64_t data_size) {
    return static_cast<std::size_t>((data_size + kBlobBlockBytes - 1) / kBlobBlockBytes);
}

template <std::size_t N>
std::array<std::uint8_t, N> array_of(ByteView bytes) {
    std::array<std::uint8_t, N> out;
    std::copy_n(bytes.begin(), N, out.begin());
    return out;
}

}  // namespace

std::array<std::uint8_t, kBlobHeaderBytes> write_header(const BlobHeader& header) {
    CHECK(header.sealed_enabler.size() <= kSealedEnablerBytesMax, "a sealed enabler is short");
    ByteWriter out;
    out.bytes(kMagic)
        .u8(kVersion)
        .u8(static_cast<std::uint8_t>(header.kind))
        .u16(static_cast<std::uint16_t>(header.sealed_enabler.size()))
        .u32(header.share)
        .u64(static_cast<std::uint64_t>(header.grid.value))
        .bytes(header.index.bytes)
        .bytes(header.name)
        .u64(header.version)
        .u64(header.share_length)
        .u64(header.data.offset)
        .u64(header.data.size)
        .u64(header.made_us)
        .u32(header.blobs_in_version)
        .u32(header.record_bytes)
        .bytes(header.sealed_enabler);
    while (out.size() < kBaseVersionAt) out.u8(0);
    out.u64(header.base_version);
    out.u32(crypto::crc32c(out.view()));
    return array_of<kBlobHeaderBytes>(out.view());
}

Result<BlobHeader> parse_header(ByteView bytes) {
    if (bytes.size() < kBlobHeaderBytes) return damaged("header is cut short");
    bytes = bytes.first(kBlobHeaderBytes);
    if (!equal(bytes.first(kMagic.size()), kMagic)) return damaged("first bytes are of no blob");
    if (bytes[8] != kVersion)
        return fail(
            ErrorKind::unsupported, "storage.blob_version",
            fmt::format("a blob has format version {}; this program reads {}", bytes[8], kVersion));
    const ByteView checksum = bytes.subspan(kHeaderChecksumAt);
    if (*ByteReader(checksum).u32() != crypto::crc32c(bytes.first(kHeaderChecksumAt)))
        return damaged("header fails its checksum");

    ByteReader in(bytes.subspan(9));
    BlobHeader out;
    const std::uint8_t kind = *in.u8();
    if (kind > 1) return damaged("kind is unknown");
    out.kind = static_cast<ShareKind>(kind);
    const std::uint16_t enabler_size = *in.u16();
    out.share = *in.u32();
    out.grid.value = static_cast<std::int64_t>(*in.u64());
    out.index.bytes = array_of<kStorageIndexBytes>(*in.take(kStorageIndexBytes));
    out.name = array_of<16>(*in.take(16));
    out.version = *in.u64();
    out.share_length = *in.u64();
    out.data.offset = *in.u64();
    out.data.size = *in.u64();
    out.made_us = *in.u64();
    out.blobs_in_version = *in.u32();
    out.record_bytes = *in.u32();
    out.base_version = *ByteReader(bytes.subspan(kBaseVersionAt)).u64();
    if (enabler_size > kSealedEnablerBytesMax) return damaged("write enabler is too long");
    out.sealed_enabler = to_buffer(*in.take(enabler_size));
    if (out.record_bytes > kSharesPerIndexMax * kCommitEntryBytes)
        return damaged("commit record is too long");
    if (out.share_length > kImmutableShareBytesMax) return damaged("share is too long");
    if (out.data.offset > out.share_length || out.data.size > out.share_length - out.data.offset)
        return damaged("data lies past the end of its share");
    return out;
}

ByteBuffer write_commit_record(const std::vector<CommitEntry>& entries) {
    ByteWriter out;
    for (const CommitEntry& e : entries) out.u32(e.share).u64(e.version).u64(e.length).u32(e.blobs);
    return std::move(out).take();
}

Result<std::vector<CommitEntry>> parse_commit_record(ByteView bytes) {
    if (bytes.size() % kCommitEntryBytes != 0) return damaged("commit record is cut short");
    ByteReader in(bytes);
    std::vector<CommitEntry> out;
    while (!in.at_end()) {
        CommitEntry entry;
        entry.share = *in.u32();
        entry.version = *in.u64();
        entry.length = *in.u64();
        entry.blobs = *in.u32();
        out.push_back(entry);
    }
    return out;
}

void BlockSums::append(ByteView bytes) {
    while (!bytes.empty()) {
        const std::size_t in_block = static_cast<std::size_t>(covered_ % kBlobBlockBytes);
        const std::size_t n = std::min(bytes.size(), kBlobBlockBytes - in_block);
        last_ = crypto::crc32c_extend(last_, bytes.first(n));
        covered_ += n;
        bytes = bytes.subspan(n);
        if (covered_ % kBlobBlockBytes == 0) {
            whole_.push_back(last_);
            last_ = 0;
        }
    }
}

BlockSums BlockSums::continuation() const {
    BlockSums out;
    out.last_ = last_;
    out.covered_ = covered_;
    return out;
}

void BlockSums::extend(const BlockSums& continued) {
    whole_.insert(whole_.end(), continued.whole_.begin(), continued.whole_.end());
    last_ = continued.last_;
    covered_ = continued.covered_;
}

std::vector<std::uint32_t> BlockSums::sums() const {
    std::vector<std::uint32_t> out = whole_;
    if (covered_ % kBlobBlockBytes != 0) out.push_back(last_);
    return out;
}

ByteBuffer make_trailer(const BlockSums& sums, ByteView record) {
    ByteWriter out;
    for (const std::uint32_t sum : sums.sums()) out.u32(sum);
    out.bytes(record);
    out.u32(crypto::crc32c(out.view()));
    return std::move(out).take();
}

std::uint64_t blob_size(std::uint64_t data_size, std::size_t record_bytes) {
    return kBlobHeaderBytes + data_size + 4 * block_count(data_size) + record_bytes + 4;
}

void close_blob(const BlobHeader& header, ByteBuffer& room_and_data, ByteView record) {
    CHECK(room_and_data.size() == kBlobHeaderBytes + header.data.size &&
              header.record_bytes == record.size(),
          "a blob's header speaks of its data");
    const auto head = write_header(header);
    std::copy(head.begin(), head.end(), room_and_data.begin());
    BlockSums sums;
    sums.append(ByteView(room_and_data).subspan(kBlobHeaderBytes));
    append(room_and_data, make_trailer(sums, record));
}

Result<void> BlobVerifier::append(ByteView bytes) {
    if (!have_header_) {
        const std::size_t n = std::min(bytes.size(), kBlobHeaderBytes - head_.size());
        s4::append(head_, bytes.first(n));
        bytes = bytes.subspan(n);
        if (head_.size() < kBlobHeaderBytes) return ok();
        header_ = TRY(parse_header(head_));
        have_header_ = true;
    }
    const std::uint64_t data_left = header_.data.size - sums_.covered();
    const std::size_t n =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), data_left));
    sums_.append(bytes.first(n));
    bytes = bytes.subspan(n);
    const std::uint64_t trailer_size =
        blob_size(header_.data.size, header_.record_bytes) - kBlobHeaderBytes - header_.data.size;
    if (bytes.size() > trailer_size - trailer_.size()) return damaged("end is followed by more");
    s4::append(trailer_, bytes);
    return ok();
}

Result<void> BlobVerifier::finish() {
    if (!have_header_) return damaged("header is cut short");
    if (sums_.covered() < header_.data.size) return damaged("data is cut short");
    const std::size_t sums_size = 4 * block_count(header_.data.size);
    if (trailer_.size() != sums_size + header_.record_bytes + 4) return damaged("end is cut short");
    const ByteView covered = ByteView(trailer_).first(sums_size + header_.record_bytes);
    if (*ByteReader(ByteView(trailer_).last(4)).u32() != crypto::crc32c(covered))
        return damaged("block checksums fail their own checksum");
    ByteReader in(covered);
    std::size_t block = 0;
    for (const std::uint32_t sum : sums_.sums()) {
        if (*in.u32() != sum)
            return damaged(fmt::format("data fails the checksum of block {}", block));
        ++block;
    }
    record_ = TRY(parse_commit_record(in.rest()));
    return ok();
}

TrailerVerifier::TrailerVerifier(const BlobHeader& header)
    : sums_left_(4 * block_count(header.data.size)), record_bytes_(header.record_bytes) {}

void TrailerVerifier::append(ByteView bytes) {
    const std::size_t n =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), sums_left_));
    crc_ = crypto::crc32c_extend(crc_, bytes.first(n));
    sums_left_ -= n;
    // One byte more than there may be is enough to know that there are too many.
    bytes = bytes.subspan(n);
    s4::append(rest_, bytes.first(std::min(bytes.size(), record_bytes_ + 5 - rest_.size())));
}

Result<ByteBuffer> TrailerVerifier::finish() {
    if (sums_left_ != 0 || rest_.size() != record_bytes_ + 4)
        return damaged("end has another length than its header says");
    const ByteView record = ByteView(rest_).first(record_bytes_);
    if (*ByteReader(ByteView(rest_).last(4)).u32() != crypto::crc32c_extend(crc_, record))
        return damaged("block checksums fail their own checksum");
    TRY(parse_commit_record(record));
    return to_buffer(record);
}

}  // namespace s4::storage
