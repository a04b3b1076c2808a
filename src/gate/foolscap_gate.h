// FoolscapGate: the Foolscap side of the public port. Finds the grid's tub by the id in the first
// line, keeps the tubs that are in use, and ends their connections when a grid is closed or the
// node stops.
//
// On the gate's reactor. Outlives its connections: await drain() before destruction, and let no
// directory follow changes afterwards.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "crypto/random.h"
#include "gate/foolscap_door.h"
#include "gate/grid_tub.h"
#include "gate/seats.h"
#include "rt/sync.h"
#include "wire/foolscap_negotiation.h"

namespace s4::gate {

class FoolscapGate final : public FoolscapDoor, private wire::FoolscapHost {
  public:
    // The references outlive the gate.
    FoolscapGate(FoolscapServices services, wire::FoolscapSecurity& security, Seats& seats,
                 crypto::Random& random, const wire::FoolscapLimits& limits = {});
    ~FoolscapGate() override;

    rt::Task<void> serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                         ByteBuffer already_read) override;
    rt::Task<void> drain(const rt::Context& ctx) override;

    // Forgets tubs without connections; returns how many. Their next connection meets a new
    // incarnation.
    std::size_t evict_idle() { return evict_idle_down_to(0); }
    std::size_t tubs() const { return tubs_.size(); }

  private:
    struct Entry {
        std::unique_ptr<GridTub> tub;
        std::size_t visits = 0;
        std::list<std::string>::iterator idle;  // in idle_, while there are no visits
    };
    class Visit;

    rt::Task<Result<std::unique_ptr<wire::FoolscapVisit>>> enter(const rt::Context& ctx,
                                                                 std::string tub_id,
                                                                 rt::Endpoint peer) override;
    rt::Task<Result<Entry*>> load(const rt::Context& ctx, std::string tub_id);
    void leave(const std::string& tub_id);
    std::size_t evict_idle_down_to(std::size_t count);
    void follow(const tenants::GridPtr& grid);

    FoolscapServices services_;
    wire::FoolscapSecurity& security_;
    Seats& seats_;
    crypto::Random& random_;
    wire::FoolscapLimits limits_;
    ConnectionNumbers numbers_;
    std::unordered_map<std::string, Entry> tubs_;  // an entry stays where it is
    std::list<std::string> idle_;                  // tubs without visits, the longest idle first
    std::size_t connections_ = 0;                  // under way, from their first byte on
    std::size_t visits_ = 0;                       // those of them that have named a tub
    bool draining_ = false;
    rt::CancelSource stop_;  // ends all at once
    rt::Event empty_;        // set while no connection is under way
};

}  // namespace s4::gate
