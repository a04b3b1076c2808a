// The introducer over Foolscap: publishers and subscribers on one machine, the gate on another that
// dies again and again. A number that a publisher was answered for, or that a subscriber was told,
// is in the table after every restart, and numbers only rise (invariants 1 and 9).
#include <fmt/format.h>

#include "crypto/ed25519.h"
#include "gate_clients.h"
#include "introducer/announcement.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
namespace pf = proto::foolscap;
using pf::Value;

constexpr std::uint8_t kPublishers = 3;
constexpr std::size_t kSubscribers = 2;

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

Task<Result<std::unique_ptr<FoolscapPeer>>> connect(GateClients& clients, const KnownGrid& grid) {
    co_return co_await FoolscapPeer::connect(clients, grid.introducer_tub,
                                             grid.introducer_swissnum);
}

Task<bool> call(FoolscapPeer& peer, std::string method, std::vector<Value> arguments) {
    const auto outcome = co_await peer.call(peer.object(), std::move(method), std::move(arguments));
    co_return outcome&& std::holds_alternative<Value>(*outcome);
}

Value announcement(const crypto::Ed25519PrivateKey& key, std::int64_t seqnum) {
    const std::string message = fmt::format(R"({{"service-name":"storage","seqnum":{}}})", seqnum);
    return Value::tuple({Value::bytes(message),
                         Value::bytes(crypto::signature_text(key.sign(as_bytes(message)))),
                         Value::bytes(key.public_key().server_id())});
}

Task<void> publish_some(GateClients& clients, const KnownGrid& grid, std::uint8_t publisher) {
    auto connected = co_await connect(clients, grid);
    if (!connected) co_return;
    const auto key =
        crypto::Ed25519PrivateKey::from_seed(Secret(ByteBuffer(32, publisher))).value();
    Announced& known = clients.story.announced[{grid.id, key.public_key().server_id()}];
    const std::uint64_t count = clients.dice().between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::int64_t seqnum = ++known.asked;
        std::vector<Value> arguments{announcement(key, seqnum), Value::none()};
        if (!co_await call(**connected, "publish_v2", std::move(arguments))) break;
        known.raise_promise(seqnum);
        clients.run().acknowledged();
    }
    co_await (*connected)->close();
}

Task<void> listen_for_a_while(GateClients& clients, const KnownGrid& grid) {
    auto connected = co_await connect(clients, grid);
    if (!connected) co_return;
    wire::FoolscapConnection& connection = (*connected)->connection();
    std::vector<Value> arguments{connection.add(std::make_unique<Listener>(clients.story, grid.id)),
                                 Value::bytes(std::string("storage")), Value::dict({})};
    const auto subscribed = co_await call(**connected, "subscribe_v2", std::move(arguments));
    if (subscribed && clients.story.serving)
        (void)co_await rt::sleep(clients.process.runtime().reactor, clients.process.context(),
                                 clients.dice().between(Duration(0), Duration(3s)));
    co_await (*connected)->close();
}

class IntroducerPlay final : public Play {
  public:
    explicit IntroducerPlay(GateClients& clients) : clients_(clients) {}
    std::size_t actors() const override { return kPublishers + kSubscribers; }
    Duration pause_max() const override { return 2s; }
    Task<void> take_turn(std::size_t actor, const KnownGrid& grid) override {
        if (actor < kPublishers)
            co_await publish_some(clients_, grid, static_cast<std::uint8_t>(actor + 1));
        else
            co_await listen_for_a_while(clients_, grid);
    }

  private:
    GateClients& clients_;
};

}  // namespace

void play_introducer(Run& run) {
    GateStory story(run);
    GateClients clients(story);
    story.choose_foolscap_security(clients.reactor());
    IntroducerPlay play(clients);
    play_gate(clients, play);
}

}  // namespace s4::simulation
