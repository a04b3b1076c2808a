#include "crypto/certificate.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <iterator>

#include "codec/base32.h"
#include "codec/hex.h"
#include "crypto/seeded_random.h"

namespace s4::crypto {
namespace {

constexpr UnixSeconds kNow = 1795000000;

// A node.pem as Tahoe writes it (RSA, certificate first), made by the openssl program, which also
// gave the hashes below.
Secret rsa_node_pem() {
    std::ifstream in(S4_SOURCE_DIR "/src/crypto/testdata/rsa_node.pem");
    return Secret(as_bytes(std::string{std::istreambuf_iterator<char>(in), {}}));
}

TlsIdentity identity(std::uint64_t seed = 1) {
    SeededRandom random(seed);
    return TlsIdentity::generate(random, kNow);
}

TEST(Certificate, NamesAnExistingTubAsFoolscapDoes) {
    const TlsIdentity rsa = TlsIdentity::from_pem(rsa_node_pem()).value();
    EXPECT_EQ(codec::hex::encode(rsa.certificate.tub_id_bytes()),
              "a4e2464dea757c404ca99a4a582222d9feea55e0");
    EXPECT_EQ(rsa.certificate.tub_id(), codec::base32::encode(rsa.certificate.tub_id_bytes()));
    EXPECT_EQ(rsa.certificate.tub_id().size(), 32u);
    EXPECT_EQ(rsa.certificate.spki_hash(), "COCuPVQ9z3EilKaW12o7qOjq_JyqAXZQ2qOUGuUbYwE");
    EXPECT_FALSE(rsa.key.is_p256());
    EXPECT_TRUE(rsa.certificate.p256_point().empty());
    EXPECT_TRUE(rsa.certificate.belongs_to(rsa.key));
}

TEST(Certificate, IsWhatTahoesClientsWereSeenToAccept) {
    const TlsIdentity made = identity();
    X509* const x509 = made.certificate.handle();
    EXPECT_EQ(X509_get_version(x509), X509_VERSION_3);
    char name[64];
    X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof name);
    EXPECT_STREQ(name, "newpb_thingy");
    EXPECT_EQ(X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)), 0);
    EXPECT_EQ(X509_check_ca(x509), 1);
    EXPECT_EQ(X509_verify(x509, made.key.handle()), 1);
    const time_t eleven_years_on = kNow + 11LL * 366 * 86400;
    time_t t = kNow;
    EXPECT_EQ(X509_cmp_time(X509_get0_notBefore(x509), &t), -1);
    t = eleven_years_on;
    EXPECT_EQ(X509_cmp_time(X509_get0_notAfter(x509), &t), 1);
    EXPECT_EQ(ASN1_STRING_length(X509_get0_serialNumber(x509)), 19);
}

TEST(Certificate, KeyAndNamesSurviveDerAndPem) {
    const TlsIdentity made = identity();
    const Certificate from_der = Certificate::from_der(made.certificate.der()).value();
    EXPECT_EQ(from_der.tub_id(), made.certificate.tub_id());
    EXPECT_EQ(from_der.spki_hash(), made.certificate.spki_hash());
    const TlsIdentity from_pem = TlsIdentity::from_pem(made.to_pem()).value();
    EXPECT_EQ(from_pem.certificate.tub_id(), made.certificate.tub_id());
    EXPECT_EQ(from_pem.key.p256_scalar(), made.key.p256_scalar());
    EXPECT_EQ(PrivateKey::from_der(made.key.to_der())->p256_scalar(), made.key.p256_scalar());
}

TEST(Certificate, AKeyIsMadeAgainFromItsScalarAndTheCertificatesPoint) {
    const TlsIdentity made = identity();
    const ByteBuffer point = made.certificate.p256_point();
    ASSERT_EQ(point.size(), 65u);
    const PrivateKey again = PrivateKey::from_p256_parts(made.key.p256_scalar(), point).value();
    EXPECT_TRUE(made.certificate.belongs_to(again));
    EXPECT_EQ(again.to_der(), made.key.to_der());
}

TEST(Certificate, TheSameRandomnessMakesTheSameKeyAndSerial) {
    const TlsIdentity a = identity(3), b = identity(3), c = identity(4);
    EXPECT_EQ(a.key.p256_scalar(), b.key.p256_scalar());
    EXPECT_EQ(a.certificate.spki_hash(), b.certificate.spki_hash());
    EXPECT_EQ(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.certificate.handle()),
                               X509_get0_serialNumber(b.certificate.handle())),
              0);
    EXPECT_NE(a.certificate.spki_hash(), c.certificate.spki_hash());
}

TEST(Certificate, RefusesBytesThatAreNoCertificateOrKey) {
    const TlsIdentity made = identity();
    ByteBuffer longer = to_buffer(made.certificate.der());
    longer.push_back(0);
    EXPECT_EQ(Certificate::from_der(longer).error().code(), "certificate.invalid");
    EXPECT_EQ(Certificate::from_der(made.certificate.der().first(100)).error().code(),
              "certificate.invalid");
    EXPECT_EQ(Certificate::from_der({}).error().code(), "certificate.invalid");
    EXPECT_EQ(Certificate::from_pem("no pem").error().code(), "certificate.invalid");
    EXPECT_EQ(PrivateKey::from_der(Secret(ByteBuffer(40, 1))).error().code(), "key.invalid");
    EXPECT_EQ(PrivateKey::from_pem(Secret(as_bytes(made.certificate.pem()))).error().code(),
              "key.invalid");
    EXPECT_EQ(PrivateKey::from_p256_parts(Secret(ByteBuffer(31)), ByteBuffer(65)).error().code(),
              "key.invalid");
    EXPECT_EQ(PrivateKey::from_p256_parts(made.key.p256_scalar(), ByteBuffer(65, 4)).error().code(),
              "key.invalid");
}

TEST(Certificate, RefusesACertificateWithAnothersKey) {
    const Secret other_key = identity(2).key.to_pem();
    ByteBuffer mixed = to_buffer(as_bytes(identity(1).certificate.pem()));
    append(mixed, other_key.reveal());
    EXPECT_EQ(TlsIdentity::from_pem(Secret(std::move(mixed))).error().code(), "key.mismatch");
}

TEST(Certificate, AKeyBehindAPassphraseIsRefusedWithoutAsking) {
    constexpr std::string_view kEncrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n";
    EXPECT_EQ(PrivateKey::from_pem(Secret(as_bytes(kEncrypted))).error().code(), "key.invalid");
}

}  // namespace
}  // namespace s4::crypto
