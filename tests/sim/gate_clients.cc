#include "gate_clients.h"

namespace s4::simulation {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;
namespace pf = proto::foolscap;

namespace {

constexpr int kCrashes = 4;
constexpr Duration kPatience = 10min;

Task<void> act(GateClients& clients, Play& play, std::size_t actor) {
    while (!clients.ending && !clients.run().failed()) {
        if (!co_await rt::sleep(clients.reactor(), clients.process.context(),
                                clients.dice().between(Duration(0), play.pause_max())))
            co_return;
        if (!clients.story.serving || clients.story.grids.empty()) continue;
        const KnownGrid grid =
            clients.story.grids[clients.dice().below(clients.story.grids.size())];
        ++clients.busy;
        co_await play.take_turn(actor, grid);
        --clients.busy;
    }
}

}  // namespace

GateClients::GateClients(GateStory& its_story)
    : story(its_story), process(its_story.storage.run.world().machine("client").boot()) {}

rt::Context GateClients::call_context() const {
    return process.context().until(process.runtime().reactor.now() + kCallTimeMax);
}

wire::HttpOrigin GateClients::https_origin() const {
    return {.endpoint = {"server", kGatePort},
            .tls = proto::tls::PeerPolicy::pinned_key(story.service.certificate.spki_hash_bytes())};
}

void play_gate(GateClients& clients, Play& play) {
    Run& run = clients.run();
    rt::sim::Machine& server = run.world().machine("server");
    for (std::size_t actor = 0; actor < play.actors(); ++actor)
        clients.process.spawn(act(clients, play, actor));
    for (int crash = 0; crash < kCrashes && !run.failed(); ++crash) {
        run.boot_and_crash(server, [&](Process& process) {
            if (run.dice().chance(0.3))
                run.world().fabric().cut("server", "client", run.world().now() + 3s);
            process.spawn(serve_gate(clients.story, process, true));
        });
        clients.story.serving = false;
        // What was under way gets its error before the next life begins: it belongs to this one.
        if (!run.world().run_until([&] { return clients.busy == 0; }, kPatience))
            run.violated(10, "a client's call does not end");
    }
    clients.ending = true;
    run.boot_and_stop(
        server, [&](Process& process) { process.spawn(serve_gate(clients.story, process, false)); },
        2min);
    clients.process.stop();
    run.world().run_until([&] { return clients.process.ended(); }, kPatience);
}

IndexName index_of(GateClients& clients, const KnownGrid& grid, std::size_t actor) {
    return {grid.id, actor * kIndexesEach + clients.dice().below(kIndexesEach)};
}

FoolscapPeer::FoolscapPeer(GateClients& clients)
    : clients_(clients),
      tub_(crypto::TlsIdentity::generate(clients.process.runtime().random,
                                         clients.reactor().unix_s()),
           clients.process.runtime().random) {}

Task<Result<std::unique_ptr<FoolscapPeer>>> FoolscapPeer::connect(GateClients& clients,
                                                                  std::string tub_id,
                                                                  const Secret& swissnum) {
    const pf::Furl furl{std::move(tub_id),
                        {pf::format_tcp_hint({"server", kGatePort})},
                        std::string(swissnum.reveal_text())};
    const rt::Context ctx = clients.call_context();
    auto out = std::make_unique<FoolscapPeer>(clients);
    out->client_ = CO_TRY(co_await wire::FoolscapClient::connect(
        ctx, clients.process.runtime(), *clients.story.foolscap_security, out->tub_, furl, {}));
    const auto found = co_await out->connection().get_reference(ctx, furl.name);
    if (!found) {
        co_await out->close();
        co_return fail(found.error());
    }
    out->object_ = *found;
    co_return out;
}

Task<Result<FoolscapPeer::Outcome>> FoolscapPeer::call(pf::RemoteReference target,
                                                       std::string method,
                                                       std::vector<Value> arguments) {
    co_return co_await connection().call(clients_.call_context(), std::move(target),
                                         std::move(method),
                                         {.positional = std::move(arguments), .keyword = {}});
}

}  // namespace s4::simulation
