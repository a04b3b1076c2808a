#include "control/announcer.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "codec/hex.h"
#include "control/limits.h"
#include "rt/scope.h"
#include "tenants/records.h"

namespace s4::control {

namespace {

// docs/formats/introducer-tables.md
std::string describe(const service::PublicGate& gate) {
    std::string out = rt::Endpoint{gate.host, gate.port}.to_string();
    for (const service::PublicGate::Identity& identity : gate.identities)
        out += fmt::format(" {}:{}", codec::hex::encode(identity.spki_hash), identity.port);
    return out;
}

}  // namespace

Announcer::Announcer(rt::Reactor& reactor, sql::Database& database,
                     introducer::Introducer& introducer, const tenants::Keyring& keyring,
                     service::PublicGate gate)
    : reactor_(reactor),
      database_(database),
      introducer_(introducer),
      keyring_(keyring),
      gate_(std::move(gate)),
      address_(describe(gate_)) {}

rt::Task<void> Announcer::run(const rt::Context& ctx) {
    int reported = 0;
    for (;;) {
        const auto done = co_await step(ctx);
        if (ctx.cancel.cancelled()) co_return;
        if (!done) {
            log::error("control", "grids could not be announced anew; this is tried again",
                       {{"error", done.error()}});
            if (!co_await rt::sleep(reactor_, ctx, kAnnounceRetryTime)) co_return;
            continue;
        }
        if (*done) break;
        if (seen_ / kAnnounceReportEveryGrids > reported) {
            reported = seen_ / kAnnounceReportEveryGrids;
            log::info("control", "grids are being announced at the gate's address",
                      {{"grids", seen_}, {"announced", announced_}});
        }
    }
    if (seen_ > 0)
        log::info("control", "all grids are announced at the gate's address",
                  {{"address", address_}, {"grids", seen_}, {"announced", announced_}});
}

rt::Task<Result<introducer::OwnRound>> Announcer::current_round(const rt::Context& ctx) {
    auto round = CO_TRY(co_await database_.read(
        ctx, [](sql::Reader& db) { return introducer::load_own_round(db); }));
    if (round && round->address == address_) co_return *std::move(round);
    co_return introducer::OwnRound{.address = address_, .reached = {}};
}

rt::Task<Result<bool>> Announcer::step(const rt::Context& ctx) {
    introducer::OwnRound round = CO_TRY(co_await current_round(ctx));
    if (round.complete) co_return true;
    const auto page = CO_TRY(co_await database_.read(ctx, [&round](sql::Reader& db) {
        return tenants::list_grids(db, round.reached, kAnnouncePageGrids);
    }));
    Result<void> outcome = ok();
    rt::Scope scope(ctx);
    for (const tenants::GridSummary& grid : page)
        if (grid.policy.state != tenants::GridState::closed)
            scope.spawn(announce(scope.context(), grid.id, outcome));
    co_await scope.join();
    // Nearly all of them have nobody who is connected: they need not stay in memory.
    introducer_.evict_idle(reactor_.now());
    CO_TRY(std::move(outcome));

    seen_ += static_cast<int>(page.size());
    round.complete = page.size() < kAnnouncePageGrids;
    if (!page.empty()) round.reached = page.back().id;
    CO_TRY(co_await database_.write(
        ctx, [&round](sql::Transaction& tx) { return introducer::save_own_round(tx, round); }));
    co_return round.complete;
}

// What cannot be mended by trying again is told and left: one grid's damage is not the others'.
rt::Task<void> Announcer::announce(const rt::Context& ctx, GridId id, Result<void>& outcome) {
    auto done = co_await announce_one(ctx, id);
    if (done) co_return;
    if (done.error().kind() == ErrorKind::corrupt || done.error().kind() == ErrorKind::invalid) {
        log::error("control", "a grid cannot be announced anew",
                   {{"grid", id.value}, {"error", done.error()}});
    } else {
        outcome = std::move(done);
    }
}

rt::Task<Result<void>> Announcer::announce_one(const rt::Context& ctx, GridId id) {
    static metrics::Counter& announcements =
        metrics::counter("s4_control_announcements_total",
                         "Grids announced anew because the gate's address changed");
    const auto load = [id](sql::Reader& db) { return tenants::load_grid(db, id); };
    auto grid = CO_TRY(co_await database_.read(ctx, load));
    // Again if the policy has changed meanwhile: the job of that change may have been first.
    for (std::optional<tenants::Transports> published; grid;) {
        const tenants::Policy& policy = grid->policy;
        if (policy.state == tenants::GridState::closed || policy.announced == published) break;
        published = policy.announced;
        auto server = CO_TRY(service::storage_server_of(keyring_, *grid, gate_));
        auto key = CO_TRY(keyring_.server_key(*grid));
        if (CO_TRY(co_await introducer_.publish_own(ctx, id, std::move(server), std::move(key)))) {
            ++announced_;
            announcements.add();
        }
        grid = CO_TRY(co_await database_.read(ctx, load));
    }
    co_return ok();
}

}  // namespace s4::control
