#include "crypto/ed25519.h"

#include <gtest/gtest.h>

#include "codec/hex.h"
#include "crypto/seeded_random.h"

namespace s4::crypto {
namespace {

// The first key of RFC 8032, section 7.1, in Tahoe's text forms.
constexpr std::string_view kPrivate =
    "priv-v0-tvq3dhpp7vngbouejl2jf3bmyrcetrljpmzgsglqhowaghfop5qa";
constexpr std::string_view kServerId = "v0-25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkena";
constexpr std::string_view kSignature =
    "v0-"
    "4vlegagdmcwhfeeg4lgia3ucrkcio7y6xds5s5gyopqgkisjafkv7oeccwikgo5myypds4a47g2gxus36xyfsw56ersvcq"
    "kdrz5bacy";

Ed25519PrivateKey key() {
    return Ed25519PrivateKey::parse(Secret(as_bytes(kPrivate))).value();
}

TEST(Ed25519, FollowsRfc8032InTahoesTextForms) {
    EXPECT_EQ(key().public_key().server_id(), kServerId);
    EXPECT_EQ(key().public_key().node_pubkey(), "pub-" + std::string(kServerId));
    EXPECT_EQ(key().text().reveal_text(), kPrivate);
    const Ed25519Signature signature = key().sign({});
    EXPECT_EQ(signature_text(signature), kSignature);
    EXPECT_TRUE(key().public_key().verify({}, signature));
}

TEST(Ed25519, TextFormsReadBack) {
    EXPECT_EQ(Ed25519PublicKey::parse_server_id(kServerId).value(), key().public_key());
    EXPECT_EQ(Ed25519PublicKey::parse_node_pubkey("pub-" + std::string(kServerId)).value(),
              key().public_key());
    EXPECT_EQ(parse_signature(kSignature).value(), key().sign({}));
    EXPECT_EQ(Ed25519PrivateKey::from_seed(key().seed())->public_key(), key().public_key());
}

TEST(Ed25519, RefusesAChangedMessageKeyOrSignature) {
    const ByteBuffer message = to_buffer(as_bytes("{\"seqnum\": 1}"));
    const Ed25519Signature signature = key().sign(message);
    EXPECT_TRUE(key().public_key().verify(message, signature));
    for (std::size_t i = 0; i < message.size(); ++i) {
        ByteBuffer changed = message;
        changed[i] ^= 1;
        EXPECT_FALSE(key().public_key().verify(changed, signature));
    }
    for (std::size_t i = 0; i < signature.size(); ++i) {
        Ed25519Signature changed = signature;
        changed[i] ^= 0x10;
        EXPECT_FALSE(key().public_key().verify(message, changed));
    }
    SeededRandom random(1);
    EXPECT_FALSE(Ed25519PrivateKey::generate(random).public_key().verify(message, signature));
}

TEST(Ed25519, RefusesTextsThatAreNotCanonicalKeys) {
    for (const std::string_view text :
         {"", "v0-", "v1-25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkena",
          "v0-25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhken",
          "v0-25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenb",
          "v0-25NJQAMCWEFLPVKL73J4SZAHHIHOC4XT3KTCGJNPAINGR5YHKENA",
          "pub-v0-25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkena"})
        EXPECT_EQ(Ed25519PublicKey::parse_server_id(text).error().code(), "ed25519.invalid_key")
            << text;
    EXPECT_EQ(parse_signature("v0-aa").error().code(), "ed25519.invalid_signature");
    EXPECT_EQ(Ed25519PrivateKey::parse(Secret(as_bytes(kServerId))).error().code(),
              "ed25519.invalid_key");
    EXPECT_EQ(Ed25519PrivateKey::from_seed(Secret(ByteBuffer(31))).error().code(),
              "ed25519.invalid_key");
}

TEST(Ed25519, TheSameRandomnessMakesTheSameKey) {
    SeededRandom one(5), again(5), other(6);
    EXPECT_EQ(Ed25519PrivateKey::generate(one).public_key(),
              Ed25519PrivateKey::generate(again).public_key());
    EXPECT_NE(Ed25519PrivateKey::generate(again).public_key(),
              Ed25519PrivateKey::generate(other).public_key());
}

}  // namespace
}  // namespace s4::crypto
