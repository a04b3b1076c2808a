// Private keys and X.509 certificates: the identities of tubs and of the service's TLS port.
//
// Both types are immutable snapshots that share OpenSSL's object: cheap to copy, usable from any
// thread. handle() is for proto/tls, which puts them on a connection; nobody else needs OpenSSL's
// types.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/units.h"
#include "crypto/hash.h"
#include "crypto/random.h"

struct evp_pkey_st;
struct x509_st;

namespace s4::crypto {

// An RSA, P-256 or other key that TLS can use. New ones are P-256.
class PrivateKey {
  public:
    // The scalar comes from `random`, so the same source makes the same key.
    static PrivateKey generate_p256(Random& random);
    // PKCS#8 or the traditional forms. Errors: key.invalid.
    static Result<PrivateKey> from_der(const Secret& der);
    static Result<PrivateKey> from_pem(const Secret& pem);
    // The 32-byte scalar of a P-256 key with its uncompressed public point (65 bytes), which the
    // certificate holds: an order of magnitude cheaper than decoding DER. The pair is not checked
    // against each other. Errors: key.invalid.
    static Result<PrivateKey> from_p256_parts(const Secret& scalar, ByteView point);

    Secret to_der() const;  // PKCS#8
    Secret to_pem() const;
    bool is_p256() const;
    Secret p256_scalar() const;  // 32 bytes; only if is_p256()

    evp_pkey_st* handle() const { return key_.get(); }

  private:
    friend class Certificate;
    explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

    std::shared_ptr<evp_pkey_st> key_;
};

class Certificate {
  public:
    // Self-signed for `key`: X.509 v3, CA:TRUE, subject and issuer CN=newpb_thingy, a serial number
    // from `random`, valid from the day before `now` for 100 years. Tahoe's clients look at nothing
    // but the key and the hash (reference A.3).
    static Certificate self_signed(const PrivateKey& key, Random& random, UnixSeconds now);
    // Errors: certificate.invalid. Bytes behind the certificate are refused.
    static Result<Certificate> from_der(ByteView der);
    // The first certificate of the text. Errors: certificate.invalid.
    static Result<Certificate> from_pem(std::string_view pem);

    ByteView der() const { return *der_; }
    std::string pem() const;
    // SHA-1 of the DER: what a FURL names.
    Sha1Digest tub_id_bytes() const;
    std::string tub_id() const;  // 32 characters of base32
    // SHA-256 of the SubjectPublicKeyInfo: what a NURL pins.
    Digest256 spki_hash_bytes() const;
    std::string spki_hash() const;  // 43 characters of base64url
    // The uncompressed public point if the key is P-256, else empty.
    ByteBuffer p256_point() const;
    // Whether `key` is this certificate's key.
    bool belongs_to(const PrivateKey& key) const;

    x509_st* handle() const { return certificate_.get(); }

  private:
    Certificate(std::shared_ptr<x509_st> certificate, ByteBuffer der);

    std::shared_ptr<x509_st> certificate_;
    std::shared_ptr<const ByteBuffer> der_;
};

// A certificate with its key, as a tub or a TLS listener presents it.
struct TlsIdentity {
    PrivateKey key;
    Certificate certificate;

    static TlsIdentity generate(Random& random, UnixSeconds now);
    // node.pem as Tahoe writes it: certificate, then key. Errors: certificate.invalid, key.invalid,
    // key.mismatch.
    static Result<TlsIdentity> from_pem(const Secret& pem);
    Secret to_pem() const;
};

}  // namespace s4::crypto
