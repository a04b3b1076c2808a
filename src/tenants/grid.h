// Grid: the record of one grid, an immutable snapshot: its two tubs, the key that signs its storage
// server's announcement, its policy. Secrets are in it sealed; Keyring opens them.
//
// Loaded by Directory (directory.h), which shares snapshots by shared_ptr; any thread may read one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/id.h"
#include "base/units.h"
#include "crypto/ed25519.h"
#include "tenants/policy.h"

namespace s4::tenants {

// A grid has one tub of each role, and each tub one object, which its swissnum names.
enum class TubRole : std::uint8_t { introducer = 1, storage = 2 };

// How a tub's private key stands in its sealed bytes.
enum class KeyForm : std::uint8_t {
    p256_scalar = 1,  // 32 bytes; the point is in the certificate
    pkcs8 = 2,        // DER: keys that came from elsewhere
};

struct Tub {
    TubRole role = TubRole::storage;
    std::string tub_id;  // 32 characters
    ByteBuffer certificate_der;
    KeyForm key_form = KeyForm::p256_scalar;
    ByteBuffer sealed_key;
    ByteBuffer sealed_swissnum;
};

struct Grid {
    GridId id;
    UnixSeconds created = 0;
    std::int64_t change = 0;  // the number of its last change, see changes_since()
    Policy policy;
    Tub introducer;
    Tub storage;
    crypto::Ed25519PublicKey server_key;  // its text is the storage server's id
    ByteBuffer sealed_server_key;
    std::string permutation_seed;  // base32, as announced

    const Tub& tub(TubRole role) const {
        return role == TubRole::introducer ? introducer : storage;
    }
};

}  // namespace s4::tenants
