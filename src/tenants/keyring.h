// Keyring: makes and opens the secrets of grids under the master key. Created at start; immutable;
// any thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/ed25519.h"
#include "crypto/random.h"
#include "crypto/seal.h"
#include "tenants/grid.h"

namespace s4::tenants {

// A grid that is not in the database yet: everything made and sealed, so that the transaction which
// inserts it only writes rows and may be run again.
struct NewGrid {
    Grid grid;  // without id and change
    crypto::Digest256 introducer_lookup{};
    crypto::Digest256 storage_lookup{};
};

// A tub that was another node's until now.
struct AdoptedTub {
    crypto::TlsIdentity tls;
    Secret swissnum;
};

// The identity of a storage node that is to go on as a grid, so that what its clients were told
// stays true.
struct AdoptedIdentity {
    AdoptedTub storage;
    std::optional<AdoptedTub> introducer;                 // without it, a new one is made
    std::optional<crypto::Ed25519PrivateKey> server_key;  // likewise
    std::string permutation_seed;  // empty: as of a new node with this server key
};

// One generation of the identity that the service's TLS port presents to GBS clients.
struct ServiceIdentity {
    std::int64_t generation = 0;  // 1, 2, 3...; the highest is the one announced first
    std::uint16_t port = 0;       // 0: the gate's own port
    UnixSeconds created = 0;
    crypto::TlsIdentity tls;
};

struct SealedServiceIdentity {
    std::int64_t generation = 0;
    std::uint16_t port = 0;
    UnixSeconds created = 0;
    ByteBuffer certificate_der;
    ByteBuffer sealed_key;
};

class Keyring {
  public:
    // `master` must outlive the keyring. Errors: master_key.*.
    static Result<Keyring> create(const crypto::MasterKey& master);

    // Two P-256 tubs with swissnums, a signing key and a permutation seed, all new. Under 1 ms.
    NewGrid new_grid(crypto::Random& random, UnixSeconds now, const Policy& policy) const;

    // The same with another node's identity.
    NewGrid adopted_grid(crypto::Random& random, UnixSeconds now, const Policy& policy,
                         const AdoptedIdentity& identity) const;

    // Errors of all: seal.*, key.invalid, certificate.invalid, ed25519.invalid_key; each means that
    // the row is damaged or the master key is another.
    Result<crypto::TlsIdentity> tls_identity(const Tub& tub) const;
    Result<Secret> swissnum(const Tub& tub) const;  // 32 characters of base32
    Result<crypto::Ed25519PrivateKey> server_key(const Grid& grid) const;

    // Under which a tub is found by its swissnum.
    crypto::Digest256 lookup_hash(TubRole role, ByteView swissnum) const;

    SealedServiceIdentity new_service_identity(crypto::Random& random, std::int64_t generation,
                                               std::uint16_t port, UnixSeconds now) const;
    Result<ServiceIdentity> open(const SealedServiceIdentity& sealed) const;

  private:
    Keyring(crypto::Sealer sealer, crypto::KeyedHash introducer_hash,
            crypto::KeyedHash storage_hash)
        : sealer_(std::move(sealer)),
          introducer_hash_(std::move(introducer_hash)),
          storage_hash_(std::move(storage_hash)) {}

    static AdoptedTub new_tub(crypto::Random& random, UnixSeconds now);
    Tub seal_tub(crypto::Random& random, TubRole role, const AdoptedTub& tub,
                 crypto::Digest256& lookup) const;

    crypto::Sealer sealer_;
    crypto::KeyedHash introducer_hash_;
    crypto::KeyedHash storage_hash_;
};

}  // namespace s4::tenants
