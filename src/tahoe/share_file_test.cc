#include "tahoe/share_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "crypto/hash.h"

namespace s4::tahoe {
namespace {

ByteBuffer golden(const std::string& name) {
    std::ifstream file(std::string(S4_SOURCE_DIR) + "/src/tahoe/testdata/" + name,
                       std::ios::binary);
    EXPECT_TRUE(file.good()) << name;
    return {std::istreambuf_iterator<char>(file), {}};
}

ByteView head_of(const ByteBuffer& file) {
    return ByteView(file).first(std::min(file.size(), kHeadBytes));
}

Result<ShareFile> parse(const ByteBuffer& file) {
    return parse_head(head_of(file), file.size());
}

Result<std::vector<Lease>> leases_of(const ByteBuffer& file) {
    const ShareFile share = TRY(parse(file));
    return parse_leases(share, ByteView(file).subspan(share.leases_at, share.leases_bytes));
}

std::string data_of(const ByteBuffer& file) {
    const ShareFile share = *parse(file);
    return to_string(ByteView(file).subspan(share.data_at, share.data_bytes));
}

// As tests/golden/share_files.py makes them.
Lease golden_lease(std::uint8_t n) {
    return {1, 1'700'000'000u + n, crypto::blake2b_256(ByteBuffer(32, n)),
            crypto::blake2b_256(ByteBuffer(32, static_cast<std::uint8_t>(0x80 + n)))};
}
std::vector<Lease> golden_leases(int count) {
    std::vector<Lease> out;
    for (int n = 1; n <= count; ++n) out.push_back(golden_lease(static_cast<std::uint8_t>(n)));
    return out;
}
TubId golden_tub() {
    TubId out;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(i);
    return out;
}
const Secret kGoldenEnabler(ByteBuffer(32, 0x77));

std::string code_of(const ByteBuffer& file) {
    const auto share = parse(file);
    return share ? "accepted" : std::string(share.error().code());
}

void put_u32(ByteBuffer& file, std::size_t at, std::uint32_t value) {
    const ByteBuffer bytes = ByteWriter().u32(value).view();
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}
void put_u64(ByteBuffer& file, std::size_t at, std::uint64_t value) {
    const ByteBuffer bytes = ByteWriter().u64(value).view();
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

TEST(ShareFile, ImmutableFilesOfTahoeAreRead) {
    for (const int version : {1, 2}) {
        const ByteBuffer file = golden("immutable-v" + std::to_string(version) + "-2");
        const auto share = parse(file);
        ASSERT_TRUE(share) << share.error().to_string();
        EXPECT_EQ(share->kind, Kind::immutable);
        EXPECT_EQ(static_cast<int>(share->version), version);
        EXPECT_EQ(data_of(file), "immutable data");
        EXPECT_EQ(*leases_of(file), golden_leases(2)) << "secrets are hashed, version " << version;
    }
    EXPECT_EQ(data_of(golden("immutable-v2-0")), "");
    EXPECT_TRUE(leases_of(golden("immutable-v2-0"))->empty());
}

TEST(ShareFile, MutableFilesOfTahoeAreRead) {
    for (const std::string version : {"v1", "v2"}) {
        for (const int count : {2, 6}) {
            const ByteBuffer file = golden("mutable-" + version + "-" + std::to_string(count));
            const auto share = parse(file);
            ASSERT_TRUE(share) << share.error().to_string();
            EXPECT_EQ(share->kind, Kind::mutable_);
            EXPECT_EQ(share->tub_id, golden_tub());
            EXPECT_EQ(share->write_enabler, kGoldenEnabler);
            EXPECT_EQ(data_of(file), "mutable data");
            EXPECT_EQ(*leases_of(file), golden_leases(count)) << version;
        }
    }
}

TEST(ShareFile, AMutableFileThatShrankKeepsItsLeasesBehindTheSlack) {
    const ByteBuffer file = golden("mutable-v2-5-shrunk");
    EXPECT_EQ(data_of(file), "mutable data");
    EXPECT_GT(parse(file)->leases_at, kMutableHeadBytes + 12);
    EXPECT_EQ(*leases_of(file), golden_leases(5));
}

TEST(ShareFile, WhatIsWrittenIsWhatTahoeWrites) {
    const std::vector<Lease> two = golden_leases(2);
    ByteBuffer immutable = write_immutable_head(14, 2);
    append(immutable, "immutable data");
    append(immutable, write_immutable_tail(two));
    EXPECT_EQ(immutable, golden("immutable-v2-2"));
    for (const int count : {2, 6}) {
        const std::vector<Lease> leases = golden_leases(count);
        ByteBuffer file = write_mutable_head(golden_tub(), kGoldenEnabler, 12, leases);
        append(file, "mutable data");
        append(file, write_mutable_tail(golden_tub(), leases));
        EXPECT_EQ(file, golden("mutable-v2-" + std::to_string(count)));
    }
}

TEST(ShareFile, AFreeSlotIsNoLease) {
    ByteBuffer file = golden("mutable-v2-6");
    put_u32(file, 100 + kMutableLeaseBytes, 0);  // the owner of the second
    std::vector<Lease> expected = golden_leases(6);
    expected.erase(expected.begin() + 1);
    EXPECT_EQ(*leases_of(file), expected);
}

TEST(ShareFile, EveryCutIsSeen) {
    for (const char* name : {"immutable-v1-2", "immutable-v2-2", "mutable-v1-6", "mutable-v2-6"}) {
        const ByteBuffer whole = golden(name);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const ByteBuffer part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            const auto leases = leases_of(part);
            ASSERT_FALSE(leases) << name << " cut to " << size;
            EXPECT_TRUE(leases.error().is("tahoe.cut")) << leases.error().to_string();
        }
    }
}

TEST(ShareFile, AFileThatGrewIsNotWhatItsHeadSays) {
    ByteBuffer file = golden("immutable-v2-2");
    file.push_back(0);
    EXPECT_EQ(code_of(file), "tahoe.cut");
}

TEST(ShareFile, ALengthBeyondFourGigabytesIsTheFilesOwn) {
    ByteBuffer head = write_immutable_head(std::uint64_t{5} << 30, 1);
    const std::uint64_t size = (std::uint64_t{5} << 30) + 12 + 72;
    head.resize(kHeadBytes);
    const auto share = parse_head(head, size);
    ASSERT_TRUE(share);
    EXPECT_EQ(share->data_bytes, std::uint64_t{5} << 30);
    EXPECT_TRUE(parse_head(head, size - 1)) << "such a cut cannot be seen";
    EXPECT_FALSE(parse_head(head, std::uint64_t{3} << 30));
}

TEST(ShareFile, UnknownVersionsAreRefused) {
    ByteBuffer file = golden("immutable-v2-2");
    put_u32(file, 0, 3);
    EXPECT_EQ(code_of(file), "tahoe.unknown_version");
    put_u32(file, 0, 0);
    EXPECT_EQ(code_of(file), "tahoe.unknown_version");
    ByteBuffer slot = golden("mutable-v2-2");
    slot[25] = '3';
    EXPECT_EQ(code_of(slot), "tahoe.unknown_version");
    slot[25] = '1';  // the bytes behind the line are version 2's
    EXPECT_EQ(code_of(slot), "tahoe.unknown_version");
}

TEST(ShareFile, LengthsThatContradictEachOtherAreRefused) {
    ByteBuffer file = golden("mutable-v2-2");
    put_u64(file, 92, kMutableHeadBytes + 11);  // within the 12 bytes of data
    EXPECT_EQ(code_of(file), "tahoe.bad_head");
    put_u64(file, 92, UINT64_MAX);
    EXPECT_EQ(code_of(file), "tahoe.cut");
    put_u64(file, 84, UINT64_MAX);
    EXPECT_EQ(code_of(file), "tahoe.bad_head");
    put_u64(file, 84, kMutableDataBytesMax + 1);
    EXPECT_EQ(code_of(file), "tahoe.bad_head");
}

TEST(ShareFile, AsManyLeasesAsMayBeAreReadAndOneMoreIsNot) {
    const std::vector<Lease> most(kLeasesMax, golden_lease(1));
    ByteBuffer file = write_immutable_head(0, most.size());
    append(file, write_immutable_tail(most));
    EXPECT_EQ(leases_of(file)->size(), kLeasesMax);
    put_u32(file, 8, kLeasesMax + 1);
    file.resize(file.size() + kImmutableLeaseBytes);
    EXPECT_EQ(code_of(file), "tahoe.too_many_leases");

    ByteBuffer slot = write_mutable_head(golden_tub(), kGoldenEnabler, 0, most);
    append(slot, write_mutable_tail(golden_tub(), most));
    EXPECT_EQ(leases_of(slot)->size(), kLeasesMax);
    put_u32(slot, kMutableHeadBytes, kLeasesMax - kLeasesInHead + 1);
    slot.resize(slot.size() + kMutableLeaseBytes);
    const auto leases = leases_of(slot);
    ASSERT_FALSE(leases);
    EXPECT_TRUE(leases.error().is("tahoe.too_many_leases"));
}

}  // namespace
}  // namespace s4::tahoe
