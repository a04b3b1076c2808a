// Nurl: the address of a storage server over HTTPS, with the hash of its key and the secret that
// opens it (reference D.1):
//
//   pb://<SPKI hash>@<host>:<port>/<swissnum>#v=1      or pb+tor://...
//
// A value. Its text is a secret, since the swissnum is in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "crypto/hash.h"

namespace s4::proto::gbs {

struct Nurl {
    bool over_tor = false;
    crypto::Digest256 spki_hash{};
    std::string host;  // a name or an IPv4 address: no client takes an IPv6 literal
    std::uint16_t port = 0;
    Secret swissnum;

    // Errors: gbs.bad_nurl, with a sentence that does not repeat the secret.
    static Result<Nurl> parse(std::string_view text);
    Secret to_text() const;
    friend bool operator==(const Nurl&, const Nurl&) = default;
};

// Whether this may stand as the last part of a NURL's path and be a secret at all.
bool is_swissnum(std::string_view text);

}  // namespace s4::proto::gbs
