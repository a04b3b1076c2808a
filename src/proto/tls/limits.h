// What one TLS connection may cost at most.
#pragma once

#include <cstddef>

namespace s4::proto::tls {

// A peer that has sent this much without completing its handshake is refused. A ClientHello is 1.5
// KiB, a Foolscap client's certificate below 1 KiB.
inline constexpr std::size_t kHandshakeInputBytesMax = 64 * 1024;

// The certificate message of a peer, as OpenSSL counts it. Tub certificates are one RSA-2048 or
// P-256 certificate.
inline constexpr long kPeerCertificateBytesMax = 16 * 1024;

// Plaintext that one record carries (RFC 8446 section 5.1). Writes are cut at this length.
inline constexpr std::size_t kRecordPlaintextBytesMax = 16 * 1024;

// A record as it travels: header, plaintext, and at most 256 bytes of tag and padding.
inline constexpr std::size_t kRecordBytesMax = 5 + kRecordPlaintextBytesMax + 256;

}  // namespace s4::proto::tls
