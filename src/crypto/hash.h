// Hashes and what is made of them. Pure functions; the incremental forms are plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"

namespace s4::crypto {

using Sha1Digest = std::array<std::uint8_t, 20>;
using Digest256 = std::array<std::uint8_t, 32>;

// For tub ids and Foolscap's vocabulary check, where the protocol fixes it; not for anything new.
Sha1Digest sha1(ByteView bytes);
Digest256 sha256(ByteView bytes);
// Unkeyed, as Tahoe's v2 containers hash lease secrets.
Digest256 blake2b_256(ByteView bytes);
Digest256 hmac_sha256(ByteView key, ByteView bytes);
// HKDF (RFC 5869) with SHA-256: `size` bytes (at most 8160) of key material for the use that `info`
// names.
Secret hkdf_sha256(const Secret& key, ByteView salt, std::string_view info, std::size_t size);

// Whether two byte strings are equal, in a time that depends on their lengths alone.
bool constant_time_equal(ByteView a, ByteView b);

// SHA-256 over bytes that come in pieces.
class Sha256 {
  public:
    Sha256();
    void update(ByteView bytes);
    Digest256 finish();  // once

  private:
    // libsodium's state, whose header is not seen outside; the size is checked in hash.cc.
    alignas(8) std::array<std::uint8_t, 104> state_;
};

}  // namespace s4::crypto
