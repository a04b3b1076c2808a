// Secrets at rest, encrypted and bound to their place (docs/formats/sealed.md).
//
// What is sealed in one place cannot be opened in another: `place` ("tenants.grid 17 storage tub
// key") is authenticated with it, so that a row copied over another's is found out. Sealer and
// KeyedHash are immutable after creation; any thread.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/master_key.h"
#include "crypto/random.h"

namespace s4::crypto {

// Bytes that a sealed secret has more than the secret: version, key id, nonce, authenticator.
inline constexpr std::size_t kSealOverheadBytes = 1 + 4 + 24 + 16;

class Sealer {
  public:
    // `master` must outlive the sealer.
    static Result<Sealer> create(const MasterKey& master);

    ByteBuffer seal(Random& random, const Secret& secret, std::string_view place) const;
    // Errors: seal.invalid (not of the format, or an unknown version), seal.unknown_key,
    // seal.forged (wrong place, wrong key or changed bytes).
    Result<Secret> open(ByteView sealed, std::string_view place) const;

  private:
    Sealer(const MasterKey& master, Secret current)
        : master_(&master), current_(std::move(current)) {}

    const MasterKey* master_;
    Secret current_;  // derived for sealing under master_->current()
};

// A hash that nobody without the master key can compute: how a secret (a swissnum) is looked up in
// a table without standing there. The same secret hashed for two purposes gives unrelated values.
class KeyedHash {
  public:
    // `purpose` is a literal such as "s4 swissnum lookup v1".
    static Result<KeyedHash> create(const MasterKey& master, std::string_view purpose);

    Digest256 operator()(ByteView secret) const { return hmac_sha256(key_.reveal(), secret); }

  private:
    explicit KeyedHash(Secret key) : key_(std::move(key)) {}

    Secret key_;
};

}  // namespace s4::crypto
