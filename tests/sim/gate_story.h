// What a simulated gate is: database, directory, introducer, engine and front door on the server's
// machine, with two grids; and what outlives its processes. The protocols' scenarios bring the
// clients.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "crypto/certificate.h"
#include "proto/tls/engine.h"
#include "storage_node.h"
#include "tenants/directory.h"
#include "wire/foolscap_security.h"
#include "wire/limits.h"

namespace s4::simulation {

inline constexpr std::uint16_t kGatePort = 3456;

// A grid as its customer knows it: what must stay for years (invariant 9).
struct KnownGrid {
    GridId id;
    std::string introducer_tub;
    std::string storage_tub;
    Secret introducer_swissnum;
    Secret storage_swissnum;
};

// The sequence numbers of one announcer in one grid.
struct Announced {
    std::int64_t asked = 0;     // the highest ever sent
    std::int64_t promised = 0;  // acknowledged to its publisher or told to a subscriber

    void raise_promise(std::int64_t seqnum) { promised = std::max(promised, seqnum); }
};

struct GateStory {
    explicit GateStory(Run& run);

    StorageStory storage;
    crypto::TlsIdentity service;
    proto::tls::Library tls;
    tenants::Keyring keyring;
    std::vector<KnownGrid> grids;  // acknowledged
    std::uint64_t grids_asked_for = 0;
    std::map<std::pair<GridId, std::string>, Announced> announced;  // by grid and key
    std::int64_t lives = 0;                                         // of the server
    // TLS in few seeds, since it is the same in all of them.
    std::unique_ptr<wire::FoolscapSecurity> foolscap_security;
    wire::FoolscapLimits foolscap_limits;
    void choose_foolscap_security(rt::Reactor& reactor);
    // What counts as a small share, low in some seeds, so that more of them are large.
    void choose_share_threshold();
    bool serving = false;  // the gate listens, so that clients may begin
};

// One life of the server: opens, checks what survived, and serves until its context ends.
rt::Task<void> serve_gate(GateStory& story, rt::sim::Process& process, bool stay);

}  // namespace s4::simulation
