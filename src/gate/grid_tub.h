// GridTub: one of a grid's two Foolscap identities while somebody is connected to it, or was a
// short time ago. Made and kept by FoolscapGate, on its reactor.
#pragma once

#include <memory>
#include <string>

#include "gate/turnstile.h"
#include "introducer/introducer.h"
#include "rt/reactor.h"
#include "storage/engine.h"
#include "tenants/directory.h"
#include "wire/foolscap_object.h"

namespace s4::gate {

// What the remote objects of all grids work with; outlives them.
struct FoolscapServices {
    rt::Reactor& reactor;
    tenants::Directory& directory;
    introducer::Introducer& introducer;
    std::string application_version;  // what get_version tells
    // Null: storage is served over HTTPS alone.
    storage::Engine* engine = nullptr;
    Turnstile* turnstile = nullptr;  // there if the engine is
};

// Numbers for connections that own uploads: unique while the process lives.
class ConnectionNumbers {
  public:
    storage::ConnectionId next() { return {next_++}; }

  private:
    std::int64_t next_ = 1;
};

class GridTub final : public wire::FoolscapTub {
  public:
    GridTub(const FoolscapServices& services, ConnectionNumbers& numbers, tenants::FoundTub found,
            crypto::TlsIdentity identity, crypto::Random& random)
        : FoolscapTub(std::move(identity), random),
          services_(services),
          numbers_(numbers),
          grid_(std::move(found.grid)),
          role_(found.role) {}

    GridId grid() const { return grid_->id; }
    // The newest record: a grid whose snapshot is held stays in the directory's memory.
    tenants::GridPtr record() const { return services_.directory.cached(grid_->id); }

    std::unique_ptr<wire::RemoteObject> open(wire::FoolscapConnection& connection,
                                             std::string_view swissnum) override;

  private:
    const FoolscapServices& services_;
    ConnectionNumbers& numbers_;
    tenants::GridPtr grid_;
    tenants::TubRole role_;
};

}  // namespace s4::gate
