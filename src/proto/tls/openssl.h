// OpenSSL's objects as owning pointers, and its error queue as one sentence. Included by this
// folder's sources alone.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace s4::proto::tls {

template <auto Free>
struct OpenSslDeleter {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};

using SslPtr = std::unique_ptr<SSL, OpenSslDeleter<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, OpenSslDeleter<SSL_CTX_free>>;
using BioMethodPtr = std::unique_ptr<BIO_METHOD, OpenSslDeleter<BIO_meth_free>>;

// Takes the oldest entry of this thread's queue, the cause, and empties the queue.
std::string take_openssl_error();

// DER of a public key's SubjectPublicKeyInfo, hashed; nothing if OpenSSL cannot encode it.
std::optional<crypto::Digest256> spki_hash_of(X509* certificate);
// DER of a certificate; empty if OpenSSL cannot encode it.
ByteBuffer der_of(X509* certificate);

}  // namespace s4::proto::tls
