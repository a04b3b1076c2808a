// What a simulated gate is: database, directory, engine and front door on the server's machine,
// with two grids; and what outlives its processes. The protocols' scenarios bring the clients.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/certificate.h"
#include "gate/foolscap_door.h"
#include "proto/tls/engine.h"
#include "storage_node.h"
#include "tenants/directory.h"

namespace s4::simulation {

inline constexpr std::uint16_t kGatePort = 3456;

// A grid as its customer knows it: what must stay for years (invariant 9).
struct KnownGrid {
    GridId id;
    std::string introducer_tub;
    std::string storage_tub;
    Secret storage_swissnum;
};

struct GateStory {
    explicit GateStory(Run& run);

    StorageStory storage;
    crypto::TlsIdentity service;
    proto::tls::Library tls;
    tenants::Keyring keyring;
    std::vector<KnownGrid> grids;  // acknowledged
    std::uint64_t grids_asked_for = 0;
    bool serving = false;  // the gate listens, so that clients may begin
};

// One life of the server: opens, checks what survived, and serves until its context ends.
rt::Task<void> serve_gate(GateStory& story, rt::sim::Process& process, bool stay);

}  // namespace s4::simulation
