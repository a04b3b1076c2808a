// Clients of a simulated gate: actors on a machine of their own that live on while the server dies
// again and again, and try again. Acknowledged is what a client was answered.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "gate_story.h"
#include "proto/foolscap/furl.h"
#include "wire/foolscap_connection.h"
#include "wire/foolscap_negotiation.h"
#include "wire/foolscap_object.h"
#include "wire/http_client.h"

namespace s4::simulation {

// As long as Tahoe's client waits for an answer over HTTPS.
inline constexpr Duration kCallTimeMax = std::chrono::seconds(60);

struct GateClients {
    explicit GateClients(GateStory& its_story);

    GateStory& story;
    rt::sim::Process& process;
    std::size_t busy = 0;  // actors with a turn under way
    bool ending = false;

    Run& run() { return story.storage.run; }
    rt::sim::Dice& dice() { return story.storage.run.dice(); }
    IndexModel& model(const IndexName& name) { return story.storage.model.at(name); }
    rt::Reactor& reactor() { return process.runtime().reactor; }
    rt::Context call_context() const;
    wire::HttpOrigin https_origin() const;
};

// What the actors of a scenario do.
class Play {
  public:
    virtual ~Play() = default;
    virtual std::size_t actors() const { return kActors; }
    // Between an actor's turns.
    virtual Duration pause_max() const { return std::chrono::milliseconds(100); }
    // The grid outlives the turn.
    virtual rt::Task<void> take_turn(std::size_t actor, const KnownGrid& grid) = 0;
};

// Four lives of the server that end in a crash, and one in which everything is compared.
void play_gate(GateClients& clients, Play& play);

// The indexes of a grid that only this actor touches.
IndexName index_of(GateClients& clients, const KnownGrid& grid, std::size_t actor);

// One turn of a customer's client over HTTPS.
rt::Task<void> take_gbs_turn(GateClients& clients, wire::HttpClient& http, const KnownGrid& grid,
                             IndexName name);

// One Foolscap connection to a grid, with the object it asked for. To be closed before it goes.
class FoolscapPeer {
  public:
    using Value = proto::foolscap::Value;
    using Outcome = wire::FoolscapConnection::Outcome;

    static rt::Task<Result<std::unique_ptr<FoolscapPeer>>> connect(GateClients& clients,
                                                                   std::string tub_id,
                                                                   const Secret& swissnum);
    rt::Task<void> close() { co_await client_->close(); }

    wire::FoolscapConnection& connection() { return client_->connection(); }
    const proto::foolscap::RemoteReference& object() const { return object_; }
    // An error is a call without an answer; a Failure is one.
    rt::Task<Result<Outcome>> call(proto::foolscap::RemoteReference target, std::string method,
                                   std::vector<Value> arguments);

    // Public for make_unique; use connect().
    explicit FoolscapPeer(GateClients& clients);

  private:
    GateClients& clients_;
    wire::ClientTub tub_;
    std::unique_ptr<wire::FoolscapClient> client_;
    proto::foolscap::RemoteReference object_;
};

}  // namespace s4::simulation
