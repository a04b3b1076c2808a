#include "tenants/keyring.h"

#include "base/check.h"
#include "codec/base32.h"

namespace s4::tenants {
namespace {

constexpr std::size_t kSwissnumBytes = 20;

// Where each secret stands (docs/formats/tenants-tables.md).
std::string tub_key_place(std::string_view tub_id) {
    return "tenants.tub_key " + std::string(tub_id);
}
std::string swissnum_place(std::string_view tub_id) {
    return "tenants.swissnum " + std::string(tub_id);
}
std::string server_key_place(const crypto::Ed25519PublicKey& key) {
    return "tenants.server_key " + key.server_id();
}
std::string service_key_place(const crypto::Certificate& certificate) {
    return "tenants.service_key " + certificate.spki_hash();
}

Secret new_swissnum(crypto::Random& random) {
    const Secret bits = crypto::random_secret(random, kSwissnumBytes);
    return Secret(as_bytes(codec::base32::encode(bits.reveal())));
}

// As a new Tahoe node does: base32 of the 52 characters of the public key's text (reference B.3).
std::string new_permutation_seed(const crypto::Ed25519PublicKey& key) {
    return codec::base32::encode(as_bytes(codec::base32::encode(key.bytes())));
}

Result<crypto::PrivateKey> read_key(KeyForm form, const Secret& key,
                                    const crypto::Certificate& certificate) {
    if (form == KeyForm::pkcs8) return crypto::PrivateKey::from_der(key);
    return crypto::PrivateKey::from_p256_parts(key, certificate.p256_point());
}

}  // namespace

Result<Keyring> Keyring::create(const crypto::MasterKey& master) {
    return Keyring(TRY(crypto::Sealer::create(master)),
                   TRY(crypto::KeyedHash::create(master, "s4 introducer swissnum lookup v1")),
                   TRY(crypto::KeyedHash::create(master, "s4 storage swissnum lookup v1")));
}

AdoptedTub Keyring::new_tub(crypto::Random& random, UnixSeconds now) {
    crypto::TlsIdentity tls = crypto::TlsIdentity::generate(random, now);
    return {std::move(tls), new_swissnum(random)};
}

Tub Keyring::seal_tub(crypto::Random& random, TubRole role, const AdoptedTub& tub,
                      crypto::Digest256& lookup) const {
    const crypto::PrivateKey& key = tub.tls.key;
    const std::string tub_id = tub.tls.certificate.tub_id();
    lookup = lookup_hash(role, tub.swissnum.reveal());
    return {.role = role,
            .tub_id = tub_id,
            .certificate_der = to_buffer(tub.tls.certificate.der()),
            .key_form = key.is_p256() ? KeyForm::p256_scalar : KeyForm::pkcs8,
            .sealed_key = sealer_.seal(random, key.is_p256() ? key.p256_scalar() : key.to_der(),
                                       tub_key_place(tub_id)),
            .sealed_swissnum = sealer_.seal(random, tub.swissnum, swissnum_place(tub_id))};
}

NewGrid Keyring::new_grid(crypto::Random& random, UnixSeconds now, const Policy& policy) const {
    const auto server_key = crypto::Ed25519PrivateKey::generate(random);
    AdoptedTub introducer = new_tub(random, now);
    return adopted_grid(random, now, policy,
                        {new_tub(random, now), std::move(introducer), server_key, ""});
}

NewGrid Keyring::adopted_grid(crypto::Random& random, UnixSeconds now, const Policy& policy,
                              const AdoptedIdentity& identity) const {
    const auto server_key =
        identity.server_key ? *identity.server_key : crypto::Ed25519PrivateKey::generate(random);
    const crypto::Ed25519PublicKey& public_key = server_key.public_key();
    crypto::Digest256 introducer_lookup, storage_lookup;
    Tub introducer = seal_tub(random, TubRole::introducer,
                              identity.introducer ? *identity.introducer : new_tub(random, now),
                              introducer_lookup);
    Tub storage = seal_tub(random, TubRole::storage, identity.storage, storage_lookup);
    return {.grid = {.id = {},
                     .created = now,
                     .policy = policy,
                     .introducer = std::move(introducer),
                     .storage = std::move(storage),
                     .server_key = public_key,
                     .sealed_server_key =
                         sealer_.seal(random, server_key.seed(), server_key_place(public_key)),
                     .permutation_seed = identity.permutation_seed.empty()
                                             ? new_permutation_seed(public_key)
                                             : identity.permutation_seed},
            .introducer_lookup = introducer_lookup,
            .storage_lookup = storage_lookup};
}

Result<crypto::TlsIdentity> Keyring::tls_identity(const Tub& tub) const {
    crypto::Certificate certificate = TRY(crypto::Certificate::from_der(tub.certificate_der));
    const Secret key = TRY(sealer_.open(tub.sealed_key, tub_key_place(tub.tub_id)));
    crypto::PrivateKey private_key = TRY(read_key(tub.key_form, key, certificate));
    return crypto::TlsIdentity{std::move(private_key), std::move(certificate)};
}

Result<Secret> Keyring::swissnum(const Tub& tub) const {
    return sealer_.open(tub.sealed_swissnum, swissnum_place(tub.tub_id));
}

Result<crypto::Ed25519PrivateKey> Keyring::server_key(const Grid& grid) const {
    const Secret seed =
        TRY(sealer_.open(grid.sealed_server_key, server_key_place(grid.server_key)));
    return crypto::Ed25519PrivateKey::from_seed(seed);
}

crypto::Digest256 Keyring::lookup_hash(TubRole role, ByteView swissnum) const {
    return role == TubRole::introducer ? introducer_hash_(swissnum) : storage_hash_(swissnum);
}

SealedServiceIdentity Keyring::new_service_identity(crypto::Random& random, std::int64_t generation,
                                                    std::uint16_t port, UnixSeconds now) const {
    const crypto::TlsIdentity tls = crypto::TlsIdentity::generate(random, now);
    return {.generation = generation,
            .port = port,
            .created = now,
            .certificate_der = to_buffer(tls.certificate.der()),
            .sealed_key =
                sealer_.seal(random, tls.key.p256_scalar(), service_key_place(tls.certificate))};
}

Result<ServiceIdentity> Keyring::open(const SealedServiceIdentity& sealed) const {
    crypto::Certificate certificate = TRY(crypto::Certificate::from_der(sealed.certificate_der));
    const Secret scalar = TRY(sealer_.open(sealed.sealed_key, service_key_place(certificate)));
    crypto::PrivateKey key =
        TRY(crypto::PrivateKey::from_p256_parts(scalar, certificate.p256_point()));
    return ServiceIdentity{.generation = sealed.generation,
                           .port = sealed.port,
                           .created = sealed.created,
                           .tls = {std::move(key), std::move(certificate)}};
}

}  // namespace s4::tenants
