#include "crypto/ed25519.h"

#include <sodium.h>

#include <algorithm>

#include "base/check.h"
#include "codec/base32.h"
#include "crypto/sodium_ready.h"

namespace s4::crypto {
namespace {

constexpr std::string_view kVersion = "v0-";
constexpr std::string_view kPublicPrefix = "pub-v0-";
constexpr std::string_view kPrivatePrefix = "priv-v0-";
constexpr std::size_t kSeedBytes = crypto_sign_SEEDBYTES;

// The bytes of "<prefix><base32>" if there are exactly N of them.
template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> parse_prefixed(std::string_view text,
                                                          std::string_view prefix) {
    if (!text.starts_with(prefix)) return std::nullopt;
    const auto bytes = codec::base32::decode(text.substr(prefix.size()));
    if (!bytes || bytes->size() != N) return std::nullopt;
    std::array<std::uint8_t, N> out;
    std::ranges::copy(*bytes, out.begin());
    return out;
}

std::string prefixed(std::string_view prefix, ByteView bytes) {
    return std::string(prefix) + codec::base32::encode(bytes);
}

std::unexpected<Error> invalid_key(std::string message) {
    return fail(ErrorKind::invalid, "ed25519.invalid_key", std::move(message));
}

Result<Ed25519PublicKey> parse_public(std::string_view text, std::string_view prefix) {
    const auto bytes = parse_prefixed<32>(text, prefix);
    if (!bytes)
        return invalid_key("an Ed25519 public key is " + std::string(prefix) +
                           " and 52 characters of base32");
    return Ed25519PublicKey(*bytes);
}

}  // namespace

Result<Ed25519PublicKey> Ed25519PublicKey::parse_server_id(std::string_view text) {
    return parse_public(text, kVersion);
}

Result<Ed25519PublicKey> Ed25519PublicKey::parse_node_pubkey(std::string_view text) {
    return parse_public(text, kPublicPrefix);
}

bool Ed25519PublicKey::verify(ByteView message, const Ed25519Signature& signature) const {
    sodium_ready();
    return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                       bytes_.data()) == 0;
}

std::string Ed25519PublicKey::server_id() const {
    return prefixed(kVersion, bytes_);
}

std::string Ed25519PublicKey::node_pubkey() const {
    return prefixed(kPublicPrefix, bytes_);
}

Ed25519PrivateKey Ed25519PrivateKey::generate(Random& random) {
    return from_seed(random_secret(random, kSeedBytes)).value();
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::from_seed(const Secret& seed) {
    sodium_ready();
    if (seed.size() != kSeedBytes) return invalid_key("an Ed25519 private key has 32 bytes");
    std::array<std::uint8_t, 32> public_bytes;
    ByteBuffer expanded(crypto_sign_SECRETKEYBYTES);
    crypto_sign_seed_keypair(public_bytes.data(), expanded.data(), seed.reveal().data());
    return Ed25519PrivateKey(Secret(std::move(expanded)), Ed25519PublicKey(public_bytes));
}

Result<Ed25519PrivateKey> Ed25519PrivateKey::parse(const Secret& text) {
    auto seed = parse_prefixed<kSeedBytes>(text.reveal_text(), kPrivatePrefix);
    if (!seed) return invalid_key("an Ed25519 private key is priv-v0- and 52 characters of base32");
    auto key = from_seed(Secret(ByteView(*seed)));
    sodium_memzero(seed->data(), seed->size());
    return key;
}

Ed25519Signature Ed25519PrivateKey::sign(ByteView message) const {
    Ed25519Signature out;
    crypto_sign_detached(out.data(), nullptr, message.data(), message.size(),
                         expanded_.reveal().data());
    return out;
}

Secret Ed25519PrivateKey::seed() const {
    return Secret(expanded_.reveal().first(kSeedBytes));
}

Secret Ed25519PrivateKey::text() const {
    std::string text = prefixed(kPrivatePrefix, expanded_.reveal().first(kSeedBytes));
    Secret out(as_bytes(text));
    sodium_memzero(text.data(), text.size());
    return out;
}

std::string signature_text(const Ed25519Signature& signature) {
    return prefixed(kVersion, signature);
}

Result<Ed25519Signature> parse_signature(std::string_view text) {
    const auto bytes = parse_prefixed<64>(text, kVersion);
    if (!bytes)
        return fail(ErrorKind::invalid, "ed25519.invalid_signature",
                    "an Ed25519 signature is v0- and 103 characters of base32");
    return *bytes;
}

}  // namespace s4::crypto
