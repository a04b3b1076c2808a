#include "proto/tls/openssl.h"

namespace s4::proto::tls {

std::string take_openssl_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "no reason given";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "unknown reason";
}

ByteBuffer der_of(X509* certificate) {
    unsigned char* out = nullptr;
    const int length = i2d_X509(certificate, &out);
    if (length <= 0) return {};
    ByteBuffer der(out, out + length);
    OPENSSL_free(out);
    return der;
}

std::optional<crypto::Digest256> spki_hash_of(X509* certificate) {
    unsigned char* out = nullptr;
    const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &out);
    if (length <= 0) return std::nullopt;
    const auto hash = crypto::sha256(ByteView(out, static_cast<std::size_t>(length)));
    OPENSSL_free(out);
    return hash;
}

}  // namespace s4::proto::tls
