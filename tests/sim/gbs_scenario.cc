// The storage protocol over HTTPS, whole: real clients on one machine, TLS, the gate, engine and
// database on another, and a network that resets, delays and cuts in between.
#include <fmt/format.h>

#include <algorithm>

#include "gate_clients.h"
#include "proto/gbs/client.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
namespace gbs = proto::gbs;

struct Clients {
    GateClients& all;
    wire::HttpClient& http;

    Run& run() { return all.run(); }
    rt::sim::Dice& dice() { return all.dice(); }
    GateStory& story() { return all.story; }
    IndexModel& model(const IndexName& name) { return all.model(name); }
};

Task<Result<wire::HttpAnswer>> send(Clients& clients, gbs::ClientRequest request) {
    co_return co_await clients.http.call(clients.all.call_context(),
                                         {.method = request.method,
                                          .target = std::move(request.target),
                                          .fields = std::move(request.fields),
                                          .body = std::move(request.body)});
}

gbs::LeaseSecrets wire_form(const MadeLease& lease) {
    return {lease.secrets.renew, lease.secrets.cancel};
}

// A refusal that a right request does not get from a healthy server.
void judge(Clients& clients, const char* what, const Error& error) {
    const ErrorKind kind = error.kind();
    if (kind == ErrorKind::unauthorized || kind == ErrorKind::invalid ||
        kind == ErrorKind::corrupt || kind == ErrorKind::unsupported)
        clients.run().violated(11, fmt::format("{} failed: {}", what, error.to_string()));
}

// -- immutable shares --

Task<void> write_pieces(Clients& clients, const gbs::Client& client, const IndexName& name,
                        ShareNumber share, const Secret& owner, LeaseHash lease) {
    const ByteBuffer content = content_of(clients.story().storage, name, share);
    const std::size_t piece = clients.dice().between(content.size() / 4 + 1, content.size());
    Uncertain<Share>& model = clients.model(name).immutable[share];
    for (std::size_t at = 0; at < content.size(); at += piece) {
        const ByteView bytes = ByteView(content).subspan(at, std::min(piece, content.size() - at));
        model.unanswered.emplace_back(content);
        clients.model(name).leases[share].unanswered.insert(lease);
        const auto answer = co_await send(
            clients, client.write(name.index().bytes, share, owner, at, to_buffer(bytes)));
        if (!answer) co_return;
        const auto result = gbs::read_write(answer->head, answer->body);
        if (!result) {
            // The server lost the upload with its process; a client begins again.
            if (result.error().kind() != ErrorKind::unauthorized)
                judge(clients, "a write", result.error());
            co_return;
        }
        if (!result->complete) {
            model.unanswered.pop_back();
            continue;
        }
        model.settle(content);
        clients.model(name).leases[share].acknowledged.insert(lease);
        clients.run().acknowledged();
        co_return;
    }
}

Task<void> upload(Clients& clients, const gbs::Client& client, const IndexName& name) {
    const std::uint64_t attempt = name.number * 1000 + clients.dice().below(2);
    const Secret owner = secret_of(attempt);
    const MadeLease lease = lease_of(kUploadLeases + attempt);
    const auto share = static_cast<ShareNumber>(clients.dice().below(3));
    lease_unanswered(clients.model(name), lease.hash);
    const std::uint64_t size = content_of(clients.story().storage, name, share).size();
    const auto answer = co_await send(
        clients, client.allocate(name.index().bytes, wire_form(lease), owner, {{share}, size}));
    if (!answer) co_return;
    const auto result = gbs::read_allocate(answer->head, answer->body);
    if (!result) {
        judge(clients, "an allocation", result.error());
        co_return;
    }
    for (const auto& [number, known] : clients.model(name).immutable)
        if (known.known &&
            std::ranges::find(result->already_have, number) == result->already_have.end())
            clients.run().violated(
                1, fmt::format("{} share {} is not among those it has", name.text(), number));
    for (const ShareNumber number : result->allocated)
        co_await write_pieces(clients, client, name, number, owner, lease.hash);
}

Task<void> read_back(Clients& clients, const gbs::Client& client, const IndexName& name) {
    for (const auto& [number, known] : clients.model(name).immutable) {
        if (!known.known) continue;
        const auto answer = co_await send(
            clients,
            client.read(gbs::Route::immutable_read, name.index().bytes, number, std::nullopt));
        if (!answer) co_return;
        auto bytes = gbs::read_share(answer->head, answer->body, std::nullopt);
        if (bytes && *bytes != *known.known)
            clients.run().violated(
                2, fmt::format("{} share {} reads as other bytes", name.text(), number));
        if (!bytes && bytes.error().kind() == ErrorKind::not_found)
            clients.run().violated(1, fmt::format("{} share {} is not found", name.text(), number));
        break;  // the map may change while we wait
    }
}

// -- slots --

gbs::ReadTestWriteRequest wire_form(const Change& change) {
    gbs::ReadTestWriteRequest out;
    for (const auto& [share, write] : change.shares) {
        gbs::ShareVectors& vectors = out.shares[share];
        for (const storage::TestVector& test : write.tests)
            vectors.tests.push_back({test.offset, test.size, test.specimen});
        for (const storage::WriteVector& one : write.writes)
            vectors.writes.push_back({one.offset, one.data.offset, one.data.size});
        vectors.new_length = write.new_length;
    }
    return out;
}

Task<void> rewrite(Clients& clients, const gbs::Client& client, const IndexName& name) {
    IndexModel& model = clients.model(name);
    // After a call without an answer the slot is left alone until the next restart's look at it.
    if (!model.slot.unanswered.empty()) co_return;
    Change change = some_change(clients.dice(), model.slot.known);
    const bool wrong = clients.dice().chance(0.1);
    add_test(change, model.slot.known, wrong);
    const MadeLease lease = lease_of(++clients.story().storage.last_secret);
    if (!wrong) change_unanswered(model, change, lease.hash);
    const auto answer = co_await send(
        clients, client.read_test_write(name.index().bytes, secret_of(name.number + 500'000),
                                        wire_form(lease), wire_form(change), change.data));
    if (!answer) co_return;
    const auto result = gbs::read_read_test_write(answer->head, answer->body);
    if (!result) {
        judge(clients, "a test-and-write", result.error());
        co_return;
    }
    if (result->success == wrong)
        clients.run().violated(2, name.text() + ": a test was decided wrongly");
    if (!result->success) co_return;
    change_acknowledged(model, change, lease.hash);
    clients.run().acknowledged();
}

// -- both --

Task<void> add_lease(Clients& clients, const gbs::Client& client, const IndexName& name) {
    IndexModel& model = clients.model(name);
    const MadeLease lease = lease_of(++clients.story().storage.last_secret);
    lease_unanswered(model, lease.hash);
    const auto answer =
        co_await send(clients, client.add_lease(name.index().bytes, wire_form(lease)));
    if (!answer || !gbs::read_lease(answer->head, answer->body)) co_return;
    lease_acknowledged(model, lease.hash);
    clients.run().acknowledged();
}

// A stranger with a guess, who must learn nothing (invariant 6).
Task<void> intrude(Clients& clients, const IndexName& name) {
    ByteBuffer guess(32);
    clients.dice().fill(guess);
    for (std::uint8_t& byte : guess) byte = static_cast<std::uint8_t>('a' + byte % 26);
    const gbs::Client stranger{Secret(guess)};
    const auto answer =
        co_await send(clients, stranger.list(gbs::Route::immutable_shares, name.index().bytes));
    if (answer && answer->head.status != 401)
        clients.run().violated(
            6, fmt::format("a wrong swissnum was answered {}", answer->head.status));
}

// Bytes that are no protocol, or the beginning of one (invariant 11): the gate must outlive them.
Task<void> send_garbage(Clients& clients) {
    rt::sim::Process& process = clients.all.process;
    rt::Runtime& runtime = process.runtime();
    const rt::Context ctx = process.context().until(runtime.reactor.now() + 90s);
    auto stream = co_await runtime.network.connect(ctx, {"server", kGatePort});
    if (!stream) co_return;
    ByteBuffer bytes(clients.dice().between(1, 3000));
    clients.dice().fill(bytes);
    constexpr std::string_view kBeginnings[] = {"", "\x16\x03\x01", "GET /id/",
                                                "GET / HTTP/1.1\r\n"};
    const std::string_view beginning = kBeginnings[clients.dice().below(4)];
    std::copy_n(beginning.begin(), std::min(beginning.size(), bytes.size()), bytes.begin());
    if (!co_await (*stream)->write_all(ctx, bytes)) co_return;
    ByteBuffer room(4096);
    for (;;) {
        const auto got = co_await (*stream)->read_some(ctx, room);
        if (!got && got.error().kind() == ErrorKind::timeout && clients.story().serving)
            clients.run().violated(11, "the gate keeps a connection that says nothing sensible");
        if (!got || *got == 0) co_return;
    }
}

}  // namespace

Task<void> take_gbs_turn(GateClients& all, wire::HttpClient& http, const KnownGrid& grid,
                         IndexName name) {
    Clients clients{all, http};
    const gbs::Client client(grid.storage_swissnum);
    const std::uint64_t choice = clients.dice().below(20);
    if (choice < 11) {
        if (name.is_slot())
            co_await rewrite(clients, client, name);
        else
            co_await upload(clients, client, name);
    } else if (choice < 14) {
        co_await add_lease(clients, client, name);
    } else if (choice < 18) {
        co_await read_back(clients, client, name);
    } else if (choice == 18) {
        co_await intrude(clients, name);
    } else {
        co_await send_garbage(clients);
    }
}

namespace {

class GbsPlay final : public Play {
  public:
    explicit GbsPlay(GateClients& clients)
        : clients_(clients),
          http_(clients.reactor(), clients.process.runtime().network, clients.story.tls,
                clients.https_origin()) {}
    Task<void> take_turn(std::size_t actor, const KnownGrid& grid) override {
        co_await take_gbs_turn(clients_, http_, grid, index_of(clients_, grid, actor));
    }

  private:
    GateClients& clients_;
    wire::HttpClient http_;
};

}  // namespace

void play_gbs(Run& run) {
    GateStory story(run);
    story.choose_share_threshold();
    GateClients clients(story);
    GbsPlay play(clients);
    play_gate(clients, play);
}

}  // namespace s4::simulation
