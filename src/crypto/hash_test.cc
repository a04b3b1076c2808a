// Hashes, CRC-32C and randomness against published vectors and each other.
#include "crypto/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "codec/hex.h"
#include "crypto/crc32c.h"
#include "crypto/seeded_random.h"

namespace s4::crypto {
namespace {

using codec::hex::encode;

ByteBuffer hex_bytes(std::string_view text) {
    return codec::hex::decode(text).value();
}

TEST(Hash, GivesThePublishedDigests) {
    EXPECT_EQ(encode(sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(encode(sha1({})), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    EXPECT_EQ(encode(sha256(as_bytes("abc"))),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(encode(sha256({})),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(encode(blake2b_256({})),
              "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    EXPECT_EQ(encode(blake2b_256(as_bytes("abc"))),
              "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(Hash, HmacFollowsRfc4231) {
    EXPECT_EQ(encode(hmac_sha256(ByteBuffer(20, 0x0b), as_bytes("Hi There"))),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(
        encode(hmac_sha256(ByteBuffer(131, 0xaa),
                           as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hash, HkdfFollowsRfc5869) {
    const ByteBuffer info = hex_bytes("f0f1f2f3f4f5f6f7f8f9");
    const Secret key(ByteBuffer(22, 0x0b));
    EXPECT_EQ(
        encode(
            hkdf_sha256(key, hex_bytes("000102030405060708090a0b0c"), as_text(info), 42).reveal()),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    EXPECT_EQ(
        encode(hkdf_sha256(key, {}, "", 42).reveal()),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

RC_GTEST_PROP(Hash, APieceAfterAnotherIsTheWhole, (const ByteBuffer& a, const ByteBuffer& b)) {
    ByteBuffer both = a;
    append(both, b);
    Sha256 hash;
    hash.update(a);
    hash.update(b);
    RC_ASSERT(hash.finish() == sha256(both));
}

TEST(Hash, ComparesInConstantTimeOnlyEqualLengths) {
    EXPECT_TRUE(constant_time_equal(as_bytes("abc"), as_bytes("abc")));
    EXPECT_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("abd")));
    EXPECT_FALSE(constant_time_equal(as_bytes("abc"), as_bytes("abcd")));
    EXPECT_TRUE(constant_time_equal({}, {}));
}

TEST(Crc32c, GivesThePublishedChecksums) {
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
    EXPECT_EQ(crc32c(ByteBuffer(32, 0x00)), 0x8A9136AAu);  // RFC 3720, B.4
    EXPECT_EQ(crc32c(ByteBuffer(32, 0xff)), 0x62A8AB43u);
    EXPECT_EQ(crc32c({}), 0u);
}

RC_GTEST_PROP(Crc32c, TheInstructionAndTheTableAgreeAndPiecesJoin,
              (const ByteBuffer& a, const ByteBuffer& b)) {
    ByteBuffer both = a;
    append(both, b);
    RC_ASSERT(crc32c_extend(crc32c(a), b) == crc32c(both));
    RC_ASSERT(crc32c_extend_portable(0, both) == crc32c(both));
    RC_ASSERT(crc32c_extend_portable(crc32c_extend_portable(0, a), b) == crc32c(both));
}

TEST(Crc32c, TheInstructionAndTheTableAgreeOnLongBytes) {
    SeededRandom random(1);
    ByteBuffer bytes(20'000);
    random.fill(bytes);
    for (const std::size_t size : {3071, 3072, 3073, 6143, 6144, 6145, 9999, 19'990})
        for (std::size_t from = 0; from < 9; ++from) {
            const ByteView some = ByteView(bytes).subspan(from, size);
            EXPECT_EQ(crc32c_extend(7, some), crc32c_extend_portable(7, some)) << size;
        }
}

TEST(Random, NumbersBelowABoundStayBelowAndReachEachValue) {
    SeededRandom random(1);
    std::array<int, 7> seen{};
    for (int i = 0; i < 1000; ++i) ++seen.at(random_below(random, seen.size()));
    for (const int count : seen) EXPECT_GT(count, 80);
    EXPECT_EQ(random_below(random, 1), 0u);
}

TEST(Random, TheSystemsBytesDiffer) {
    SystemRandom random;
    EXPECT_NE(random_bytes<32>(random), random_bytes<32>(random));
}

}  // namespace
}  // namespace s4::crypto
