#include "proto/tls/engine.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "proto/tls/limits.h"
#include "proto/tls/openssl.h"

namespace s4::proto::tls {

// ---- what OpenSSL reads from and writes to

namespace {

// The two directions of one connection as OpenSSL sees them through a BIO: input that the pump has
// fed and OpenSSL has not taken yet, output that OpenSSL has made and the pump has not sent yet.
// OpenSSL's own memory BIOs would copy once more and never give memory back.
struct Wire {
    ByteBuffer input;
    std::size_t input_at = 0;
    std::size_t input_end = 0;
    bool input_ended = false;
    ByteBuffer output;
    std::size_t output_at = 0;

    std::size_t input_left() const { return input_end - input_at; }
};

int wire_read(BIO* bio, char* out, int want) {
    auto& wire = *static_cast<Wire*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (want <= 0) return 0;
    const std::size_t n = std::min(wire.input_left(), static_cast<std::size_t>(want));
    if (n == 0) {
        if (wire.input_ended) return 0;
        BIO_set_retry_read(bio);
        return -1;
    }
    std::memcpy(out, wire.input.data() + wire.input_at, n);
    wire.input_at += n;
    return static_cast<int>(n);
}

int wire_write(BIO* bio, const char* in, int length) {
    auto& wire = *static_cast<Wire*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (length > 0)
        append(wire.output, ByteView(reinterpret_cast<const std::uint8_t*>(in), length));
    return length;
}

long wire_control(BIO* bio, int command, long, void*) {
    const auto& wire = *static_cast<const Wire*>(BIO_get_data(bio));
    switch (command) {
        case BIO_CTRL_FLUSH:
            return 1;
        case BIO_CTRL_EOF:
            return wire.input_ended && wire.input_left() == 0;
        default:
            return 0;
    }
}

BioMethodPtr make_wire_method() {
    BioMethodPtr method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "s4 wire"));
    if (!method) return nullptr;
    BIO_meth_set_read(method.get(), wire_read);
    BIO_meth_set_write(method.get(), wire_write);
    BIO_meth_set_ctrl(method.get(), wire_control);
    return method;
}

}  // namespace

struct Library::Parts {
    BioMethodPtr wire_method;
    SslCtxPtr context;
};

namespace {

// What the verify callback needs of an engine; an SSL's application data points here.
struct Session {
    Wire wire;
    PeerPolicy policy;
    bool pin_failed = false;
    bool handshake_done = false;
    std::size_t handshake_input_bytes = 0;
    std::optional<Error> failure;
    SslPtr ssl;
};

bool satisfies(const PeerPolicy& policy, X509* leaf, const STACK_OF(X509) * sent) {
    if (policy.tub_id && crypto::sha1(der_of(leaf)) != *policy.tub_id) return false;
    if (!policy.spki_hash) return true;
    if (spki_hash_of(leaf) != *policy.spki_hash) return false;
    for (int i = 0; i < sk_X509_num(sent); ++i)
        if (spki_hash_of(sk_X509_value(sent, i)) != *policy.spki_hash) return false;
    return true;
}

// Stands in for OpenSSL's chain building: the pin alone decides (see PeerPolicy).
int verify_peer(X509_STORE_CTX* store, void*) {
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto& session = *static_cast<Session*>(SSL_get_app_data(ssl));
    X509* leaf = X509_STORE_CTX_get0_cert(store);
    if (leaf && satisfies(session.policy, leaf, X509_STORE_CTX_get0_untrusted(store))) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    session.pin_failed = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

int verify_mode(PeerPolicy::Certificate certificate) {
    switch (certificate) {
        case PeerPolicy::Certificate::none:
            return SSL_VERIFY_NONE;
        case PeerPolicy::Certificate::request:
            return SSL_VERIFY_PEER;
        case PeerPolicy::Certificate::require:
            return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    UNREACHABLE("every demand has its verify mode");
}

}  // namespace

struct Engine::Parts : Session {
    Library library;  // keeps the context and the BIO's method alive; destroyed after the SSL
    explicit Parts(const Library& shared) : library(shared) {}
    ~Parts() { ssl.reset(); }
};

// ---- what all connections share

Result<Library> Library::create() {
    auto parts = std::make_shared<Parts>();
    parts->wire_method = make_wire_method();
    parts->context.reset(SSL_CTX_new(TLS_method()));
    SSL_CTX* context = parts->context.get();
    // Level 2 refuses RSA below 2048 bits: every tub that Tahoe 1.17 or later made has 2048.
    // AES-128 comes first because it costs least and nothing here needs more; the server's order
    // decides.
    const bool set = parts->wire_method && context &&
                     SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                     SSL_CTX_set_ciphersuites(context,
                                              "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                              "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
                     SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
                     SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521") == 1 &&
                     SSL_CTX_set_num_tickets(context, 0) == 1;
    if (!set)
        return fail(ErrorKind::unsupported, "tls.openssl",
                    "OpenSSL could not be set up: " + take_openssl_error());
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context, kPeerCertificateBytesMax);
    SSL_CTX_set_cert_verify_callback(context, verify_peer, nullptr);
    return Library(std::move(parts));
}

// ---- one connection

namespace {

std::unexpected<Error> keep(Session& session, Error error) {
    session.failure = error;
    return fail(std::move(error));
}

// Names the failure that OpenSSL has just reported for `session`.
Error failure_of(Session& session, std::string_view code) {
    const std::string reason = take_openssl_error();
    if (session.pin_failed)
        return {ErrorKind::unauthorized, "tls.peer_certificate",
                "the peer's certificate is not the one that was announced"};
    if (session.wire.input_ended && session.wire.input_left() == 0)
        return {ErrorKind::closed, "tls.truncated",
                "the peer's stream ended in the middle of the TLS connection"};
    return {ErrorKind::invalid, code, "the TLS peer broke the protocol: " + reason};
}

// Makes room for all records of a long write at once: growing with each would copy those before.
void make_room(ByteBuffer& output, std::span<const ByteView> pieces) {
    std::size_t bytes = 0;
    for (const ByteView piece : pieces) bytes += piece.size();
    if (output.empty() && bytes > kRecordPlaintextBytesMax)
        output.reserve((bytes / kRecordPlaintextBytesMax + 1) * kRecordBytesMax);
}

Result<void> seal(Session& session, ByteView plaintext) {
    ERR_clear_error();
    std::size_t written = 0;
    const int rc = SSL_write_ex(session.ssl.get(), plaintext.data(), plaintext.size(), &written);
    if (rc != 1) return keep(session, failure_of(session, "tls.protocol"));
    CHECK(written == plaintext.size(), "the wire takes everything, so a record is written whole");
    return ok();
}

// Whether OpenSSL would only say that it wants input. To find that out it makes a record's buffer
// of 16 KiB and drops it again, for each request that has been read and for each that is waited
// for.
bool nothing_to_read(const Session& session) {
    const SSL* ssl = session.ssl.get();
    return session.wire.input_left() == 0 && !session.wire.input_ended &&
           SSL_has_pending(ssl) == 0 && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) == 0;
}

}  // namespace

Engine::Engine(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::create(const Library& library, const crypto::TlsIdentity* own,
                              const PeerPolicy& peer) {
    auto parts = std::make_unique<Parts>(library);
    parts->policy = peer;
    parts->ssl.reset(SSL_new(library.parts().context.get()));
    SSL* ssl = parts->ssl.get();
    BIO* bio = ssl ? BIO_new(library.parts().wire_method.get()) : nullptr;
    if (!bio)
        return fail(ErrorKind::unavailable, "tls.openssl",
                    "no TLS connection could be made: " + take_openssl_error());
    BIO_set_data(bio, &parts->wire);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, static_cast<Session*>(parts.get()));
    SSL_set_verify(ssl, verify_mode(peer.certificate), nullptr);
    if (own) {
        if (SSL_use_certificate(ssl, own->certificate.handle()) != 1 ||
            SSL_use_PrivateKey(ssl, own->key.handle()) != 1)
            return fail(ErrorKind::invalid, "tls.bad_key",
                        "OpenSSL refuses the certificate or its key: " + take_openssl_error());
    }
    return Engine(std::move(parts));
}

Result<Engine> Engine::server(const Library& library, const crypto::TlsIdentity& own,
                              const PeerPolicy& peer) {
    Engine engine = TRY(create(library, &own, peer));
    SSL_set_accept_state(engine.parts_->ssl.get());
    return engine;
}

Result<Engine> Engine::client(const Library& library, const crypto::TlsIdentity* own,
                              const PeerPolicy& peer) {
    CHECK(peer.certificate == PeerPolicy::Certificate::require,
          "a client that does not look at the server's certificate has no security");
    Engine engine = TRY(create(library, own, peer));
    SSL_set_connect_state(engine.parts_->ssl.get());
    return engine;
}

MutByteView Engine::input_space(std::size_t bytes) {
    Wire& wire = parts_->wire;
    if (wire.input_left() == 0) {
        wire.input_at = 0;
        wire.input_end = 0;
    }
    if (wire.input.size() - wire.input_end < bytes && wire.input_at > 0) {
        std::memmove(wire.input.data(), wire.input.data() + wire.input_at, wire.input_left());
        wire.input_end = wire.input_left();
        wire.input_at = 0;
    }
    if (wire.input.size() - wire.input_end < bytes) wire.input.resize(wire.input_end + bytes);
    return MutByteView(wire.input).subspan(wire.input_end);
}

void Engine::input_filled(std::size_t bytes) {
    Wire& wire = parts_->wire;
    CHECK(bytes <= wire.input.size() - wire.input_end, "more was filled than there was room");
    wire.input_end += bytes;
    if (!parts_->handshake_done) parts_->handshake_input_bytes += bytes;
}

void Engine::feed(ByteView bytes) {
    if (bytes.empty()) return;
    std::memcpy(input_space(bytes.size()).data(), bytes.data(), bytes.size());
    input_filled(bytes.size());
}

void Engine::input_ended() {
    parts_->wire.input_ended = true;
}

Result<Engine::Progress> Engine::handshake() {
    if (parts_->failure) return fail(*parts_->failure);
    if (parts_->handshake_done) return Progress::done;
    SSL* ssl = parts_->ssl.get();
    ERR_clear_error();
    const int rc = SSL_do_handshake(ssl);
    if (rc == 1) {
        parts_->handshake_done = true;
        return Progress::done;
    }
    if (SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ)
        return keep(*parts_, failure_of(*parts_, "tls.handshake"));
    if (parts_->handshake_input_bytes > kHandshakeInputBytesMax)
        return keep(*parts_, Error(ErrorKind::too_large, "tls.handshake_too_large",
                                   "the peer sent more than a TLS handshake takes"));
    return Progress::want_input;
}

bool Engine::handshake_done() const {
    return parts_->handshake_done;
}

Result<Engine::Read> Engine::read(MutByteView out) {
    CHECK(parts_->handshake_done && !out.empty(), "plaintext is read after the handshake");
    if (parts_->failure) return fail(*parts_->failure);
    SSL* ssl = parts_->ssl.get();
    std::size_t got = 0;
    while (got < out.size()) {
        if (nothing_to_read(*parts_)) {
            if (got > 0) break;
            return Read{Read::What::want_input};
        }
        ERR_clear_error();
        std::size_t n = 0;
        const int rc = SSL_read_ex(ssl, out.data() + got, out.size() - got, &n);
        if (rc == 1) {
            got += n;
            continue;
        }
        const int why = SSL_get_error(ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN)
            parts_->failure = failure_of(*parts_, "tls.protocol");
        if (got > 0) break;  // what came before is delivered first; the next call tells the rest
        if (parts_->failure) return fail(*parts_->failure);
        return Read{why == SSL_ERROR_ZERO_RETURN ? Read::What::closed : Read::What::want_input};
    }
    return Read{Read::What::data, got};
}

Result<void> Engine::write(std::span<const ByteView> pieces) {
    CHECK(parts_->handshake_done, "plaintext is written after the handshake");
    if (parts_->failure) return fail(*parts_->failure);
    make_room(parts_->wire.output, pieces);
    std::array<std::uint8_t, kRecordPlaintextBytesMax> record;
    std::size_t filled = 0;
    for (ByteView piece : pieces) {
        while (!piece.empty()) {
            if (filled == 0 && (piece.size() >= record.size() || pieces.size() == 1)) {
                const std::size_t n = std::min(piece.size(), record.size());
                TRY(seal(*parts_, piece.first(n)));
                piece = piece.subspan(n);
                continue;
            }
            const std::size_t n = std::min(piece.size(), record.size() - filled);
            std::memcpy(record.data() + filled, piece.data(), n);
            filled += n;
            piece = piece.subspan(n);
            if (filled < record.size()) continue;
            TRY(seal(*parts_, record));
            filled = 0;
        }
    }
    if (filled > 0) TRY(seal(*parts_, ByteView(record).first(filled)));
    return ok();
}

void Engine::close() {
    if (!parts_->handshake_done || parts_->failure) return;
    ERR_clear_error();
    SSL_shutdown(parts_->ssl.get());
    ERR_clear_error();
}

ByteView Engine::output() const {
    const Wire& wire = parts_->wire;
    return ByteView(wire.output).subspan(wire.output_at);
}

void Engine::output_sent(std::size_t bytes) {
    Wire& wire = parts_->wire;
    CHECK(bytes <= wire.output.size() - wire.output_at, "more was sent than there was");
    wire.output_at += bytes;
    if (wire.output_at < wire.output.size()) return;
    wire.output.clear();
    wire.output_at = 0;
}

void Engine::take_output(ByteBuffer& out) {
    CHECK(out.empty() && parts_->wire.output_at == 0, "output is taken whole, or piece by piece");
    std::swap(out, parts_->wire.output);
}

void Engine::release_buffers() {
    Wire& wire = parts_->wire;
    if (wire.input_left() == 0) {
        wire.input = ByteBuffer();
        wire.input_at = 0;
        wire.input_end = 0;
    }
    if (wire.output.empty()) wire.output = ByteBuffer();
}

std::optional<ByteBuffer> Engine::peer_certificate_der() const {
    X509* certificate = SSL_get0_peer_certificate(parts_->ssl.get());
    if (!certificate) return std::nullopt;
    return der_of(certificate);
}

std::string_view Engine::version() const {
    return SSL_get_version(parts_->ssl.get());
}

}  // namespace s4::proto::tls
