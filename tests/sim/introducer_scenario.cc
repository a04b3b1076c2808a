// The introducer over Foolscap: publishers and subscribers on one machine, the gate on another that
// dies again and again. A number that a publisher was answered for, or that a subscriber was told,
// is in the table after every restart, and numbers only rise (invariants 1 and 9).
#include <fmt/format.h>

#include "crypto/ed25519.h"
#include "gate_story.h"
#include "introducer/announcement.h"
#include "proto/foolscap/furl.h"
#include "rt/scope.h"
#include "wire/foolscap_connection.h"
#include "wire/foolscap_negotiation.h"
#include "wire/foolscap_object.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;
namespace pf = proto::foolscap;
using pf::Value;

constexpr std::uint8_t kPublishers = 3;
constexpr std::size_t kSubscribers = 2;
constexpr Duration kConnectTimeMax = 60s;

struct Clients {
    GateStory& story;
    Process& process;
    std::size_t busy = 0;
    bool ending = false;

    Run& run() { return story.storage.run; }
    rt::sim::Dice& dice() { return story.storage.run.dice(); }
};

// What a subscriber is told becomes a promise.
class Listener final : public wire::RemoteObject {
  public:
    Listener(GateStory& story, GridId grid) : story_(story), grid_(grid) {}
    std::string interface_name() const override {
        return "RIIntroducerSubscriberClient_v2.tahoe.allmydata.com";
    }
    pf::ArgumentMode argument_mode(std::string_view method) const override {
        return method == "announce_v2" ? pf::ArgumentMode::whole : pf::ArgumentMode::refused;
    }
    Task<Answer> call(const rt::Context&, std::string, pf::Arguments arguments) override {
        const auto* set =
            arguments.positional.empty() ? nullptr : arguments.positional.front().as_set();
        if (set != nullptr)
            for (const Value& item : *set) heard(item);
        co_return Value::none();
    }

  private:
    void heard(const Value& item) {
        const auto* parts = item.as_tuple();
        if (parts == nullptr || parts->size() != 3) return;
        const auto told = introducer::verify({to_string(*(*parts)[0].as_bytes()),
                                              to_string(*(*parts)[1].as_bytes()),
                                              to_string(*(*parts)[2].as_bytes())});
        if (!told) {
            story_.storage.run.violated(11, "a subscriber was told what does not verify");
            return;
        }
        story_.announced[{grid_, told->parts.key}].raise_promise(told->seqnum.value_or(0));
    }

    GateStory& story_;
    GridId grid_;
};

struct Connected {
    std::unique_ptr<wire::ClientTub> tub;
    std::unique_ptr<wire::FoolscapClient> client;
    pf::RemoteReference introducer;
};

Task<Result<std::unique_ptr<Connected>>> connect(Clients& clients, const KnownGrid& grid) {
    rt::Runtime& runtime = clients.process.runtime();
    const rt::Context ctx =
        clients.process.context().until(runtime.reactor.now() + kConnectTimeMax);
    auto out = std::make_unique<Connected>();
    out->tub = std::make_unique<wire::ClientTub>(
        crypto::TlsIdentity::generate(runtime.random, runtime.reactor.unix_s()), runtime.random);
    const pf::Furl furl{grid.introducer_tub,
                        {pf::format_tcp_hint({"server", kGatePort})},
                        std::string(grid.introducer_swissnum.reveal_text())};
    auto client = co_await wire::FoolscapClient::connect(
        ctx, runtime, *clients.story.foolscap_security, *out->tub, furl, {});
    if (!client) co_return fail(client.error());
    out->client = std::move(*client);
    const auto found = co_await out->client->connection().get_reference(ctx, furl.name);
    if (!found) {
        co_await out->client->close();
        co_return fail(found.error());
    }
    out->introducer = *found;
    co_return out;
}

Task<Result<void>> call(Clients& clients, Connected& to, std::string method,
                        std::vector<Value> arguments) {
    const Instant now = clients.process.runtime().reactor.now();
    auto outcome = co_await to.client->connection().call(
        clients.process.context().until(now + kConnectTimeMax), to.introducer, std::move(method),
        {.positional = std::move(arguments), .keyword = {}});
    if (!outcome) co_return fail(outcome.error());
    if (const auto* failure = std::get_if<pf::Failure>(&*outcome))
        co_return fail(ErrorKind::invalid, "simulation.remote", failure->value);
    co_return ok();
}

Value announcement(const crypto::Ed25519PrivateKey& key, std::int64_t seqnum) {
    const std::string message = fmt::format(R"({{"service-name":"storage","seqnum":{}}})", seqnum);
    return Value::tuple({Value::bytes(message),
                         Value::bytes(crypto::signature_text(key.sign(as_bytes(message)))),
                         Value::bytes(key.public_key().server_id())});
}

Task<void> publish_some(Clients& clients, const KnownGrid& grid, std::uint8_t publisher) {
    auto connected = co_await connect(clients, grid);
    if (!connected) co_return;
    const auto key =
        crypto::Ed25519PrivateKey::from_seed(Secret(ByteBuffer(32, publisher))).value();
    Announced& known = clients.story.announced[{grid.id, key.public_key().server_id()}];
    const std::uint64_t count = clients.dice().between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::int64_t seqnum = ++known.asked;
        std::vector<Value> arguments{announcement(key, seqnum), Value::none()};
        if (!co_await call(clients, **connected, "publish_v2", std::move(arguments))) break;
        known.raise_promise(seqnum);
        clients.run().acknowledged();
    }
    co_await (*connected)->client->close();
}

Task<void> listen_for_a_while(Clients& clients, const KnownGrid& grid) {
    auto connected = co_await connect(clients, grid);
    if (!connected) co_return;
    wire::FoolscapConnection& connection = (*connected)->client->connection();
    std::vector<Value> arguments{connection.add(std::make_unique<Listener>(clients.story, grid.id)),
                                 Value::bytes(std::string("storage")), Value::dict({})};
    const auto subscribed =
        co_await call(clients, **connected, "subscribe_v2", std::move(arguments));
    if (subscribed && clients.story.serving)
        (void)co_await rt::sleep(clients.process.runtime().reactor, clients.process.context(),
                                 clients.dice().between(Duration(0), Duration(3s)));
    co_await (*connected)->client->close();
}

Task<void> act(Clients& clients, std::size_t actor) {
    while (!clients.ending && !clients.run().failed()) {
        if (!co_await rt::sleep(clients.process.runtime().reactor, clients.process.context(),
                                clients.dice().between(Duration(0), Duration(200ms))))
            co_return;
        if (!clients.story.serving || clients.story.grids.empty()) continue;
        const KnownGrid grid =
            clients.story.grids[clients.dice().below(clients.story.grids.size())];
        ++clients.busy;
        if (actor < kPublishers)
            co_await publish_some(clients, grid, static_cast<std::uint8_t>(actor + 1));
        else
            co_await listen_for_a_while(clients, grid);
        --clients.busy;
    }
}

}  // namespace

void play_introducer(Run& run) {
    GateStory story(run);
    story.storage.policies.only.quota_bytes = 5 * kGiB;
    rt::sim::Machine& server = run.world().machine("server");
    Process& client_process = run.world().machine("client").boot();
    Clients clients{.story = story, .process = client_process};
    story.choose_foolscap_security(client_process.runtime().reactor);
    for (std::size_t actor = 0; actor < kPublishers + kSubscribers; ++actor)
        client_process.spawn(act(clients, actor));
    for (int round = 0; round < 4 && !run.failed(); ++round) {
        run.boot_and_crash(server, [&](Process& process) {
            if (run.dice().chance(0.3))
                run.world().fabric().cut("server", "client", run.world().now() + 3s);
            process.spawn(serve_gate(story, process, true));
        });
        story.serving = false;
        if (!run.world().run_until([&] { return clients.busy == 0; }, 10min))
            run.violated(10, "a client's call does not end");
    }
    clients.ending = true;
    run.boot_and_stop(
        server, [&](Process& process) { process.spawn(serve_gate(story, process, false)); }, 2min);
    client_process.stop();
    run.world().run_until([&] { return client_process.ended(); }, 10min);
}

}  // namespace s4::simulation
