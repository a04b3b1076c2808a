// PeerPolicy: what one end of a TLS connection demands of the other's certificate. A value, chosen
// per connection by whoever opens or accepts it.
//
// Names, dates and signatures of certificates are never looked at: in both protocols a key or
// certificate is right because its hash was told beforehand, and the handshake proves that the peer
// owns it.
#pragma once

#include <cstdint>
#include <optional>

#include "crypto/hash.h"

namespace s4::proto::tls {

struct PeerPolicy {
    enum class Certificate : std::uint8_t {
        none,     // do not ask for one (a GBS server)
        request,  // ask, and accept a peer that has none (a Foolscap listener; no CA names are
                  // sent)
        require,  // refuse a peer that has none (every client)
    };
    Certificate certificate = Certificate::none;
    // GBS: every certificate that the peer sends must have this key hash; a chain is refused, as
    // Tahoe's client does.
    std::optional<crypto::Digest256> spki_hash = {};
    // Foolscap: the peer's own certificate must have this SHA-1.
    std::optional<crypto::Sha1Digest> tub_id = {};

    static PeerPolicy anonymous() { return {}; }
    static PeerPolicy any_tub() { return {.certificate = Certificate::request}; }
    static PeerPolicy pinned_key(const crypto::Digest256& spki) {
        return {.certificate = Certificate::require, .spki_hash = spki};
    }
    static PeerPolicy pinned_tub(const crypto::Sha1Digest& tub) {
        return {.certificate = Certificate::require, .tub_id = tub};
    }
};

}  // namespace s4::proto::tls
