#include "crypto/hash.h"

#include <openssl/sha.h>
#include <sodium.h>

#include "base/check.h"
#include "crypto/sodium_ready.h"

namespace s4::crypto {

Sha1Digest sha1(ByteView bytes) {
    Sha1Digest out;
    CHECK(SHA1(bytes.data(), bytes.size(), out.data()) != nullptr, "OpenSSL has no SHA-1");
    return out;
}

Digest256 sha256(ByteView bytes) {
    Digest256 out;
    crypto_hash_sha256(out.data(), bytes.data(), bytes.size());
    return out;
}

Digest256 blake2b_256(ByteView bytes) {
    sodium_ready();
    Digest256 out;
    crypto_generichash(out.data(), out.size(), bytes.data(), bytes.size(), nullptr, 0);
    return out;
}

Digest256 hmac_sha256(ByteView key, ByteView bytes) {
    Digest256 out;
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key.data(), key.size());
    crypto_auth_hmacsha256_update(&state, bytes.data(), bytes.size());
    crypto_auth_hmacsha256_final(&state, out.data());
    sodium_memzero(&state, sizeof state);
    return out;
}

// RFC 5869: extract a uniform key, then expand it block by block.
Secret hkdf_sha256(const Secret& key, ByteView salt, std::string_view info, std::size_t size) {
    CHECK(size <= 255 * sizeof(Digest256), "HKDF gives at most 255 blocks");
    const std::array<std::uint8_t, 32> no_salt{};
    const Digest256 extracted = hmac_sha256(salt.empty() ? ByteView(no_salt) : salt, key.reveal());
    ByteBuffer out;
    ByteBuffer block;
    for (std::uint8_t number = 1; out.size() < size; ++number) {
        ByteBuffer input = block;
        append(input, info);
        input.push_back(number);
        const Digest256 next = hmac_sha256(extracted, input);
        block.assign(next.begin(), next.end());
        append(out, ByteView(block).first(std::min(block.size(), size - out.size())));
    }
    return Secret(std::move(out));
}

bool constant_time_equal(ByteView a, ByteView b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

namespace {

crypto_hash_sha256_state* as_state(std::array<std::uint8_t, 104>& bytes) {
    static_assert(sizeof(crypto_hash_sha256_state) == 104 &&
                  alignof(crypto_hash_sha256_state) <= 8);
    return reinterpret_cast<crypto_hash_sha256_state*>(bytes.data());
}

}  // namespace

Sha256::Sha256() {
    crypto_hash_sha256_init(as_state(state_));
}

void Sha256::update(ByteView bytes) {
    crypto_hash_sha256_update(as_state(state_), bytes.data(), bytes.size());
}

Digest256 Sha256::finish() {
    Digest256 out;
    crypto_hash_sha256_final(as_state(state_), out.data());
    return out;
}

}  // namespace s4::crypto
