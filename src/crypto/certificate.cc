#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "codec/base32.h"
#include "codec/base64.h"

namespace s4::crypto {
namespace {

template <typename T, void (*Free)(T*)>
struct Freer {
    void operator()(T* p) const { Free(p); }
};
template <typename T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Freer<T, Free>>;

void free_bio(BIO* bio) {
    BIO_free(bio);
}

using OwnedBio = Owned<BIO, free_bio>;
using OwnedBn = Owned<BIGNUM, BN_clear_free>;
using OwnedGroup = Owned<EC_GROUP, EC_GROUP_free>;
using OwnedPoint = Owned<EC_POINT, EC_POINT_free>;
using OwnedKeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using OwnedParams = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using OwnedPkcs8 = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using OwnedX509 = Owned<X509, X509_free>;
using OwnedExtension = Owned<X509_EXTENSION, X509_EXTENSION_free>;

constexpr std::size_t kScalarBytes = 32;
constexpr std::size_t kPointBytes = 65;
constexpr char kCommonName[] = "newpb_thingy";  // Foolscap's, on every tub certificate
constexpr std::size_t kSerialBytes = 19;        // below the 20 that RFC 5280 allows, and positive
constexpr UnixSeconds kDay = 24 * 60 * 60;
constexpr UnixSeconds kValidity = 36525 * kDay;

// OpenSSL keeps errors in a queue of the thread; what was reported must not surface in a later
// call.
std::unexpected<Error> invalid(std::string_view code, std::string message) {
    ERR_clear_error();
    return fail(ErrorKind::invalid, code, std::move(message));
}

// A PEM key behind a passphrase is refused; without this OpenSSL would ask at the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

OwnedBio reader_of(ByteView bytes) {
    OwnedBio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    CHECK(bio, "out of memory");
    return bio;
}

ByteView written(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {reinterpret_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

// A key of the curve from its parts; null if OpenSSL refuses them.
OwnedKey p256_from_parts(const BIGNUM* scalar, ByteView point) {
    OwnedParamBuilder builder(OSSL_PARAM_BLD_new());
    CHECK(builder &&
              OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                              SN_X9_62_prime256v1, 0) == 1 &&
              OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1 &&
              OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                               point.size()) == 1,
          "out of memory");
    const OwnedParams params(OSSL_PARAM_BLD_to_param(builder.get()));
    const OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    CHECK(params && context && EVP_PKEY_fromdata_init(context.get()) == 1,
          "OpenSSL has no EC keys");
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, params.get()) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    return OwnedKey(key);
}

// A scalar in [1, order), uniform: draws that are out of range (one in 2^32) are thrown away.
OwnedBn random_scalar(Random& random, const EC_GROUP* group) {
    for (;;) {
        const Secret bytes = random_secret(random, kScalarBytes);
        OwnedBn scalar(BN_bin2bn(bytes.reveal().data(), kScalarBytes, nullptr));
        CHECK(scalar, "out of memory");
        if (!BN_is_zero(scalar.get()) && BN_cmp(scalar.get(), EC_GROUP_get0_order(group)) < 0)
            return scalar;
    }
}

std::shared_ptr<evp_pkey_st> share(OwnedKey key) {
    return {key.release(), EVP_PKEY_free};
}

ByteBuffer der_of(X509* certificate) {
    const int size = i2d_X509(certificate, nullptr);
    CHECK(size > 0, "a certificate does not encode");
    ByteBuffer out(static_cast<std::size_t>(size));
    std::uint8_t* end = out.data();
    i2d_X509(certificate, &end);
    return out;
}

void set_serial(X509* certificate, Random& random) {
    auto bytes = random_bytes<kSerialBytes>(random);
    bytes[0] =
        static_cast<std::uint8_t>((bytes[0] & 0x7f) | 0x40);  // positive, always of one length
    const OwnedBn number(BN_bin2bn(bytes.data(), kSerialBytes, nullptr));
    CHECK(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
          "out of memory");
}

}  // namespace

PrivateKey PrivateKey::generate_p256(Random& random) {
    const OwnedGroup group(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
    CHECK(group, "OpenSSL has no P-256");
    const OwnedBn scalar = random_scalar(random, group.get());
    const OwnedPoint point(EC_POINT_new(group.get()));
    CHECK(point &&
              EC_POINT_mul(group.get(), point.get(), scalar.get(), nullptr, nullptr, nullptr) == 1,
          "P-256 does not multiply");
    std::array<std::uint8_t, kPointBytes> encoded;
    CHECK(EC_POINT_point2oct(group.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED,
                             encoded.data(), encoded.size(), nullptr) == kPointBytes,
          "a point of P-256 has 65 bytes");
    OwnedKey key = p256_from_parts(scalar.get(), encoded);
    CHECK(key, "OpenSSL refuses a key made of its own parts");
    return PrivateKey(share(std::move(key)));
}

Result<PrivateKey> PrivateKey::from_p256_parts(const Secret& scalar, ByteView point) {
    if (scalar.size() != kScalarBytes || point.size() != kPointBytes)
        return invalid("key.invalid", "a P-256 key is a scalar of 32 and a point of 65 bytes");
    const OwnedBn number(BN_bin2bn(scalar.reveal().data(), kScalarBytes, nullptr));
    CHECK(number, "out of memory");
    OwnedKey key = p256_from_parts(number.get(), point);
    if (!key) return invalid("key.invalid", "the bytes are no P-256 key");
    return PrivateKey(share(std::move(key)));
}

Result<PrivateKey> PrivateKey::from_der(const Secret& der) {
    const std::uint8_t* at = der.reveal().data();
    const std::uint8_t* const end = at + der.size();
    OwnedKey key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
    if (!key || at != end) return invalid("key.invalid", "the bytes are no private key in DER");
    return PrivateKey(share(std::move(key)));
}

Result<PrivateKey> PrivateKey::from_pem(const Secret& pem) {
    const OwnedBio in = reader_of(pem.reveal());
    OwnedKey key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
    if (!key)
        return invalid("key.invalid", "the text holds no private key in PEM without a passphrase");
    return PrivateKey(share(std::move(key)));
}

Secret PrivateKey::to_der() const {
    const OwnedPkcs8 info(EVP_PKEY2PKCS8(key_.get()));
    CHECK(info, "a private key does not encode");
    const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr);
    CHECK(size > 0, "a private key does not encode");
    ByteBuffer out(static_cast<std::size_t>(size));
    std::uint8_t* end = out.data();
    i2d_PKCS8_PRIV_KEY_INFO(info.get(), &end);
    return Secret(std::move(out));
}

Secret PrivateKey::to_pem() const {
    const OwnedBio out(BIO_new(BIO_s_mem()));
    CHECK(out && PEM_write_bio_PKCS8PrivateKey(out.get(), key_.get(), nullptr, nullptr, 0, nullptr,
                                               nullptr) == 1,
          "a private key does not encode");
    return Secret(written(out.get()));
}

bool PrivateKey::is_p256() const {
    char name[32];
    return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key_.get(), name, sizeof name, nullptr) == 1 &&
           std::string_view(name) == SN_X9_62_prime256v1;
}

Secret PrivateKey::p256_scalar() const {
    CHECK(is_p256(), "only a P-256 key has a scalar of its curve");
    BIGNUM* raw = nullptr;
    CHECK(EVP_PKEY_get_bn_param(key_.get(), OSSL_PKEY_PARAM_PRIV_KEY, &raw) == 1,
          "a private key has its scalar");
    const OwnedBn scalar(raw);
    ByteBuffer out(kScalarBytes);
    CHECK(BN_bn2binpad(scalar.get(), out.data(), kScalarBytes) == static_cast<int>(kScalarBytes),
          "a scalar of P-256 fits 32 bytes");
    return Secret(std::move(out));
}

Certificate::Certificate(std::shared_ptr<x509_st> certificate, ByteBuffer der)
    : certificate_(std::move(certificate)),
      der_(std::make_shared<const ByteBuffer>(std::move(der))) {}

Certificate Certificate::self_signed(const PrivateKey& key, Random& random, UnixSeconds now) {
    OwnedX509 made(X509_new());
    CHECK(made && X509_set_version(made.get(), X509_VERSION_3) == 1, "out of memory");
    set_serial(made.get(), random);
    X509_NAME* const name = X509_get_subject_name(made.get());
    const OwnedExtension ca(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
    const bool complete =
        ca &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(kCommonName), -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(made.get(), name) == 1 &&
        ASN1_TIME_set(X509_getm_notBefore(made.get()), now - kDay) != nullptr &&
        ASN1_TIME_set(X509_getm_notAfter(made.get()), now - kDay + kValidity) != nullptr &&
        X509_set_pubkey(made.get(), key.key_.get()) == 1 &&
        X509_add_ext(made.get(), ca.get(), -1) == 1;
    CHECK(complete, "a certificate cannot be put together");
    CHECK(X509_sign(made.get(), key.key_.get(), EVP_sha256()) > 0,
          "a certificate cannot be signed");
    ByteBuffer der = der_of(made.get());
    return Certificate({made.release(), X509_free}, std::move(der));
}

Result<Certificate> Certificate::from_der(ByteView der) {
    const std::uint8_t* at = der.data();
    OwnedX509 read(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!read || at != der.data() + der.size() || X509_get0_pubkey(read.get()) == nullptr)
        return invalid("certificate.invalid", "the bytes are no X.509 certificate");
    return Certificate({read.release(), X509_free}, to_buffer(der));
}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
    const OwnedBio in = reader_of(as_bytes(pem));
    OwnedX509 read(PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr));
    if (!read || X509_get0_pubkey(read.get()) == nullptr)
        return invalid("certificate.invalid", "the text holds no X.509 certificate in PEM");
    ByteBuffer der = der_of(read.get());
    return Certificate({read.release(), X509_free}, std::move(der));
}

std::string Certificate::pem() const {
    const OwnedBio out(BIO_new(BIO_s_mem()));
    CHECK(out && PEM_write_bio_X509(out.get(), certificate_.get()) == 1,
          "a certificate does not encode");
    return to_string(written(out.get()));
}

Sha1Digest Certificate::tub_id_bytes() const {
    return sha1(*der_);
}

std::string Certificate::tub_id() const {
    return codec::base32::encode(tub_id_bytes());
}

Digest256 Certificate::spki_hash_bytes() const {
    X509_PUBKEY* const info = X509_get_X509_PUBKEY(certificate_.get());
    const int size = i2d_X509_PUBKEY(info, nullptr);
    CHECK(size > 0, "a public key does not encode");
    ByteBuffer der(static_cast<std::size_t>(size));
    std::uint8_t* end = der.data();
    i2d_X509_PUBKEY(info, &end);
    return sha256(der);
}

std::string Certificate::spki_hash() const {
    return codec::base64::encode_url(spki_hash_bytes());
}

ByteBuffer Certificate::p256_point() const {
    const std::shared_ptr<evp_pkey_st> unowned(X509_get0_pubkey(certificate_.get()), [](auto*) {});
    const ASN1_BIT_STRING* const bits = X509_get0_pubkey_bitstr(certificate_.get());
    if (!PrivateKey(unowned).is_p256() || bits->length != static_cast<int>(kPointBytes)) return {};
    return {bits->data, bits->data + bits->length};
}

bool Certificate::belongs_to(const PrivateKey& key) const {
    return EVP_PKEY_eq(X509_get0_pubkey(certificate_.get()), key.key_.get()) == 1;
}

TlsIdentity TlsIdentity::generate(Random& random, UnixSeconds now) {
    PrivateKey key = PrivateKey::generate_p256(random);
    Certificate certificate = Certificate::self_signed(key, random, now);
    return {std::move(key), std::move(certificate)};
}

Result<TlsIdentity> TlsIdentity::from_pem(const Secret& pem) {
    Certificate certificate = TRY(Certificate::from_pem(pem.reveal_text()));
    PrivateKey key = TRY(PrivateKey::from_pem(pem));
    if (!certificate.belongs_to(key))
        return invalid("key.mismatch", "the private key is not that of the certificate");
    return TlsIdentity{std::move(key), std::move(certificate)};
}

Secret TlsIdentity::to_pem() const {
    ByteBuffer out = to_buffer(as_bytes(certificate.pem()));
    const Secret key_pem = key.to_pem();
    append(out, key_pem.reveal());
    return Secret(std::move(out));
}

}  // namespace s4::crypto
