// From a grid's record and the gate's public address to what is announced and shown.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/hash.h"
#include "introducer/announcement.h"
#include "service/needs.h"
#include "tenants/grid.h"
#include "tenants/keyring.h"

namespace s4::service {

// The gate as clients reach it. Immutable while the process runs.
struct PublicGate {
    struct Identity {
        crypto::Digest256 spki_hash{};
        std::uint16_t port = 0;
    };
    std::string host;  // a name, or an IP literal without brackets
    std::uint16_t port = 0;
    std::vector<Identity> identities;  // of the service, the newest first
};

// An IPv6 literal gets no NURLs: no client takes one (reference D.1).
Result<GridAddresses> addresses_of(const tenants::Keyring& keyring, const tenants::Grid& grid,
                                   const PublicGate& gate);

// What the grid's own storage server announces, by its policy.
Result<introducer::StorageServer> storage_server_of(const tenants::Keyring& keyring,
                                                    const tenants::Grid& grid,
                                                    const PublicGate& gate);

}  // namespace s4::service
