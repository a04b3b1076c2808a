#include "gate/foolscap_gate.h"

#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "gate/limits.h"
#include "proto/foolscap/furl.h"

namespace s4::gate {

namespace {

Error unknown_tub() {
    return Error(ErrorKind::not_found, "gate.unknown_tub", "no grid has this tub");
}

}  // namespace

// A connection's stay: its seat, and the tub that must not be evicted meanwhile.
class FoolscapGate::Visit final : public wire::FoolscapVisit {
  public:
    Visit(FoolscapGate& gate, GridTub& tub, Seats::Seat seat)
        : gate_(gate), tub_(tub), seat_(std::move(seat)) {}
    ~Visit() override { gate_.leave(tub_.tub_id()); }
    wire::FoolscapTub& tub() override { return tub_; }

  private:
    FoolscapGate& gate_;
    GridTub& tub_;
    Seats::Seat seat_;
};

FoolscapGate::FoolscapGate(FoolscapServices services, wire::FoolscapSecurity& security,
                           Seats& seats, crypto::Random& random, const wire::FoolscapLimits& limits)
    : services_(std::move(services)),
      security_(security),
      seats_(seats),
      random_(random),
      limits_(limits),
      empty_(services_.reactor) {
    empty_.set();
    services_.directory.watch([this](const tenants::GridPtr& grid) { follow(grid); });
}

FoolscapGate::~FoolscapGate() {
    CHECK(connections_ == 0, "the gate outlives its connections");
}

rt::Task<void> FoolscapGate::serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                   ByteBuffer already_read) {
    if (draining_ || connections_ - visits_ >= kFoolscapStrangersMax) {
        stream->abort();
        co_return;
    }
    ++connections_;
    empty_.clear();
    {
        rt::Scope scope(ctx);
        const rt::CancelRegistration stop(rt::CancelToken(stop_), [&scope] { scope.cancel(); });
        co_await wire::serve_foolscap(scope.context(), services_.reactor, security_, *this,
                                      std::move(stream), std::move(already_read), limits_);
    }
    if (--connections_ == 0) empty_.set();
}

// Connections that were still negotiating when it began are met in a later round.
rt::Task<void> FoolscapGate::drain(const rt::Context& ctx) {
    draining_ = true;
    while (connections_ > 0) {
        for (const auto& [tub_id, entry] : tubs_) entry.tub->finish_all();
        const Instant now = services_.reactor.now();
        if (now >= ctx.deadline || ctx.cancel.cancelled()) break;
        (void)co_await empty_.wait(ctx.until(now + kDrainRoundTime));
    }
    stop_.cancel();
    (void)co_await empty_.wait(rt::Context{});
}

rt::Task<Result<std::unique_ptr<wire::FoolscapVisit>>> FoolscapGate::enter(const rt::Context& ctx,
                                                                           std::string tub_id,
                                                                           rt::Endpoint peer) {
    // What cannot be a tub id is not looked for in the database.
    if (!proto::foolscap::is_tub_id(tub_id)) co_return fail(unknown_tub());
    Entry* entry = CO_TRY(co_await load(ctx, std::move(tub_id)));
    const tenants::GridPtr grid = entry->tub->record();
    if (grid == nullptr || grid->policy.state == tenants::GridState::closed)
        co_return fail(unknown_tub());
    if (draining_ || grid->policy.state == tenants::GridState::frozen)
        co_return fail(ErrorKind::unavailable, "gate.not_served",
                       "this grid is not served at the moment; try again later");
    auto seat = seats_.take(grid->id, peer.host, grid->policy.connections_max);
    if (!seat)
        co_return fail(ErrorKind::unavailable, "gate.too_many_connections",
                       "this grid has too many connections");
    if (entry->visits++ == 0) idle_.erase(entry->idle);
    ++visits_;
    co_return std::make_unique<Visit>(*this, *entry->tub, *std::move(seat));
}

// The tub with its certificate, from memory or from the grid's record.
rt::Task<Result<FoolscapGate::Entry*>> FoolscapGate::load(const rt::Context& ctx,
                                                          std::string tub_id) {
    if (const auto known = tubs_.find(tub_id); known != tubs_.end()) co_return &known->second;
    auto found = co_await services_.directory.by_tub_id(ctx, tub_id);
    if (!found) {
        if (found.error().kind() == ErrorKind::not_found) co_return fail(unknown_tub());
        log::error("gate", "a tub could not be looked up", {{"error", found.error()}});
        co_return fail(ErrorKind::unavailable, "gate.not_served",
                       "the server failed; try again later");
    }
    // Somebody else may have loaded it meanwhile.
    if (const auto known = tubs_.find(tub_id); known != tubs_.end()) co_return &known->second;
    auto identity = services_.directory.keyring().tls_identity(found->grid->tub(found->role));
    if (!identity) {
        log::error("gate", "a tub's key could not be opened",
                   {{"grid", found->grid->id.value}, {"error", identity.error()}});
        co_return fail(ErrorKind::unavailable, "gate.not_served",
                       "the server failed; try again later");
    }
    evict_idle_down_to(kIdleTubsMax - 1);
    Entry& entry = tubs_[tub_id];
    entry.tub = std::make_unique<GridTub>(services_, numbers_, *std::move(found),
                                          *std::move(identity), random_);
    entry.idle = idle_.insert(idle_.end(), std::move(tub_id));
    co_return &entry;
}

void FoolscapGate::leave(const std::string& tub_id) {
    Entry& entry = tubs_.at(tub_id);
    --visits_;
    if (--entry.visits > 0) return;
    entry.idle = idle_.insert(idle_.end(), tub_id);
    evict_idle_down_to(kIdleTubsMax);
}

std::size_t FoolscapGate::evict_idle_down_to(std::size_t count) {
    std::size_t evicted = 0;
    for (; idle_.size() > count; ++evicted) {
        tubs_.erase(idle_.front());
        idle_.pop_front();
    }
    return evicted;
}

// Who is connected to a grid that is closed or frozen leaves now.
void FoolscapGate::follow(const tenants::GridPtr& grid) {
    if (grid->policy.state != tenants::GridState::closed &&
        grid->policy.state != tenants::GridState::frozen)
        return;
    for (const std::string& tub_id : {grid->introducer.tub_id, grid->storage.tub_id})
        if (const auto known = tubs_.find(tub_id); known != tubs_.end())
            known->second.tub->close_all();
}

}  // namespace s4::gate
