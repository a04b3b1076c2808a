// Ed25519 keys in Tahoe's text forms (reference B.2):
//   v0-...       a public key as server id and in announcements; also a signature's form
//   pub-v0-...   a public key in node.pubkey
//   priv-v0-...  a private key (its 32-byte seed) in node.privkey
// Values; any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/random.h"

namespace s4::crypto {

using Ed25519Signature = std::array<std::uint8_t, 64>;

class Ed25519PublicKey {
  public:
    explicit Ed25519PublicKey(const std::array<std::uint8_t, 32>& bytes) : bytes_(bytes) {}
    // Of "v0-..." or "pub-v0-...". Errors: ed25519.invalid_key.
    static Result<Ed25519PublicKey> parse_server_id(std::string_view text);
    static Result<Ed25519PublicKey> parse_node_pubkey(std::string_view text);

    bool verify(ByteView message, const Ed25519Signature& signature) const;

    ByteView bytes() const { return bytes_; }
    std::string server_id() const;    // v0-...
    std::string node_pubkey() const;  // pub-v0-...
    friend bool operator==(const Ed25519PublicKey&, const Ed25519PublicKey&) = default;

  private:
    std::array<std::uint8_t, 32> bytes_;
};

class Ed25519PrivateKey {
  public:
    static Ed25519PrivateKey generate(Random& random);
    // Of the 32-byte seed. Errors: ed25519.invalid_key.
    static Result<Ed25519PrivateKey> from_seed(const Secret& seed);
    // Of "priv-v0-...". Errors: ed25519.invalid_key.
    static Result<Ed25519PrivateKey> parse(const Secret& text);

    Ed25519Signature sign(ByteView message) const;

    Secret seed() const;
    Secret text() const;  // priv-v0-...
    const Ed25519PublicKey& public_key() const { return public_; }

  private:
    Ed25519PrivateKey(Secret expanded, const Ed25519PublicKey& public_key)
        : expanded_(std::move(expanded)), public_(public_key) {}

    Secret expanded_;  // seed, then public key: what libsodium signs with
    Ed25519PublicKey public_;
};

// "v0-..." of a signature, and back. Errors: ed25519.invalid_signature.
std::string signature_text(const Ed25519Signature& signature);
Result<Ed25519Signature> parse_signature(std::string_view text);

}  // namespace s4::crypto
