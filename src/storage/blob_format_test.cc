#include "storage/blob_format.h"

#include <gtest/gtest.h>

#include "codec/hex.h"
#include "crypto/crc32c.h"

namespace s4::storage {
namespace {

BlobHeader sample() {
    BlobHeader out;
    out.kind = ShareKind::mutable_;
    out.grid = GridId{17};
    out.index.bytes.fill(0xaa);
    out.share = 3;
    out.name.fill(0xbb);
    out.version = 0x0102030405060708;
    out.share_length = 2'000'000;
    out.data = {1'048'576, 5};
    out.made_us = 0x1112131415161718;
    out.blobs_in_version = 2;
    out.base_version = 0x2122232425262728;
    out.sealed_enabler = {1, 2, 3};
    return out;
}

ByteBuffer sample_blob(const std::vector<CommitEntry>& entries = {}) {
    const ByteBuffer record = write_commit_record(entries);
    BlobHeader header = sample();
    header.record_bytes = static_cast<std::uint32_t>(record.size());
    ByteBuffer blob(kBlobHeaderBytes);
    append(blob, std::string_view("hello"));
    close_blob(header, blob, record);
    return blob;
}

Result<void> verify(ByteView blob, std::size_t step) {
    BlobVerifier verifier;
    for (; !blob.empty(); blob = blob.subspan(std::min(step, blob.size())))
        TRY(verifier.append(blob.first(std::min(step, blob.size()))));
    return verifier.finish();
}

TEST(BlobFormat, GoldenBytes) {
    const ByteBuffer blob = sample_blob();
    ASSERT_EQ(blob.size(), 256u + 5 + 4 + 4);
    EXPECT_EQ(codec::hex::encode(ByteView(blob).first(108)),
              "5334424c4f420d0a"  // magic
              "01"
              "01"
              "0003"
              "00000003"                          // version, kind, enabler size, share
              "0000000000000011"                  // grid
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"  // index
              "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"  // name
              "0102030405060708"                  // version of the share
              "00000000001e8480"                  // length of the share
              "0000000000100000"                  // where the data belong
              "0000000000000005"                  // how many they are
              "1112131415161718"                  // made
              "00000002"
              "00000000"  // blobs in the version, commit record
              "01020300");
    EXPECT_EQ(as_text(ByteView(blob).subspan(256, 5)), "hello");
    // CRC-32C of "hello" is 9a71bb4c.
    EXPECT_EQ(codec::hex::encode(ByteView(blob).subspan(261, 4)), "9a71bb4c");
}

TEST(BlobFormat, HeaderComesBack) {
    BlobHeader header = sample();
    EXPECT_EQ(parse_header(write_header(header)).value(), header);
    header.sealed_enabler.assign(kSealedEnablerBytesMax, 9);
    EXPECT_EQ(parse_header(write_header(header)).value(), header);
}

TEST(BlobFormat, EveryChangedByteIsFound) {
    const ByteBuffer blob = sample_blob({{1, 2, 3, 4}, {5, 6, CommitEntry::kDeleted, 0}});
    ASSERT_TRUE(verify(blob, blob.size()));
    for (std::size_t at = 0; at < blob.size(); ++at) {
        ByteBuffer bad = blob;
        bad[at] ^= 0x10;
        EXPECT_FALSE(verify(bad, bad.size())) << at;
    }
}

TEST(BlobFormat, EveryCutAndEverySurplusIsFoundInPiecesOfAnySize) {
    const ByteBuffer blob = sample_blob({{1, 2, 3, 4}, {5, 6, 7, 8}});
    for (const std::size_t step : {1u, 7u, 1000u}) {
        EXPECT_TRUE(verify(blob, step));
        for (std::size_t size = 0; size < blob.size(); ++size)
            EXPECT_FALSE(verify(ByteView(blob).first(size), step)) << size;
        ByteBuffer longer = blob;
        longer.push_back(0);
        EXPECT_FALSE(verify(longer, step));
    }
}

TEST(BlobFormat, ANewerVersionIsNamed) {
    ByteBuffer blob = sample_blob();
    blob[8] = 2;
    const auto parsed = parse_header(blob);
    EXPECT_TRUE(parsed.error().is("storage.blob_version"));
}

TEST(BlobFormat, CommitRecordComesBack) {
    const std::vector<CommitEntry> entries = {{1, 2, 3, 4}, {5, 6, CommitEntry::kDeleted, 0}};
    EXPECT_EQ(parse_commit_record(write_commit_record(entries)).value(), entries);
    EXPECT_FALSE(parse_commit_record(ByteBuffer(kCommitEntryBytes - 1)));
}

TEST(BlockSums, OneSumForEach64KiB) {
    const ByteBuffer data(2 * kBlobBlockBytes + 1, 7);
    BlockSums whole;
    whole.append(data);
    ASSERT_EQ(whole.sums().size(), 3u);
    EXPECT_EQ(whole.sums()[0], crypto::crc32c(ByteView(data).first(kBlobBlockBytes)));
    EXPECT_EQ(whole.sums()[2], crypto::crc32c(ByteView(data).last(1)));
    for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, kBlobBlockBytes, data.size()}) {
        BlockSums first;
        first.append(ByteView(data).first(cut));
        BlockSums rest = first.continuation();
        rest.append(ByteView(data).subspan(cut));
        first.extend(rest);
        EXPECT_EQ(first.sums(), whole.sums()) << cut;
        EXPECT_EQ(first.covered(), data.size());
    }
    EXPECT_TRUE(BlockSums().sums().empty());
}

}  // namespace
}  // namespace s4::storage
