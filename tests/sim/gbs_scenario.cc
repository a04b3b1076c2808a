// The storage protocol over HTTPS, whole: real clients on one machine, TLS, the gate, engine and
// database on another, and a network that resets, delays and cuts in between. The server dies again
// and again; the clients live on and try again. Acknowledged is what a client was answered.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gate_story.h"
#include "proto/gbs/client.h"
#include "rt/scope.h"
#include "wire/http_client.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Dice;
using rt::sim::Process;
namespace gbs = proto::gbs;

constexpr Duration kCallTimeMax = 60s;  // as Tahoe's client

struct Clients {
    GateStory& story;
    Process& process;
    wire::HttpClient http;
    std::size_t busy = 0;  // with a call under way
    bool ending = false;

    Run& run() { return story.storage.run; }
    Dice& dice() { return story.storage.run.dice(); }
    IndexModel& model(const IndexName& name) { return story.storage.model.at(name); }
};

rt::sim::Process& boot_clients(Run& run) {
    return run.world().machine("client").boot();
}

wire::HttpOrigin origin_of(const GateStory& story) {
    return {.endpoint = {"server", kGatePort},
            .tls = proto::tls::PeerPolicy::pinned_key(story.service.certificate.spki_hash_bytes())};
}

Task<Result<wire::HttpAnswer>> send(Clients& clients, gbs::ClientRequest request) {
    const Instant now = clients.process.runtime().reactor.now();
    const rt::Context ctx = clients.process.context().until(now + kCallTimeMax);
    co_return co_await clients.http.call(ctx, {.method = request.method,
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
    const ByteBuffer content = content_of(clients.story.storage, name, share);
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
    const std::uint64_t size = content_of(clients.story.storage, name, share).size();
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
    const MadeLease lease = lease_of(++clients.story.storage.last_secret);
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
    const MadeLease lease = lease_of(++clients.story.storage.last_secret);
    lease_unanswered(model, lease.hash);
    const auto answer =
        co_await send(clients, client.add_lease(name.index().bytes, wire_form(lease)));
    if (!answer || !gbs::read_lease(answer->head, answer->body)) co_return;
    for (auto& [number, share] : model.immutable)
        if (share.known) model.leases[number].acknowledged.insert(lease.hash);
    if (model.slot.unanswered.empty())
        for (const auto& [number, content] : model.slot.known)
            model.leases[number].acknowledged.insert(lease.hash);
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
    rt::Runtime& runtime = clients.process.runtime();
    const rt::Context ctx = clients.process.context().until(runtime.reactor.now() + 90s);
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
        if (!got && got.error().kind() == ErrorKind::timeout && clients.story.serving)
            clients.run().violated(11, "the gate keeps a connection that says nothing sensible");
        if (!got || *got == 0) co_return;
    }
}

Task<void> act_once(Clients& clients, const KnownGrid& grid, const IndexName& name) {
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

Task<void> act(Clients& clients, std::size_t actor) {
    rt::Reactor& reactor = clients.process.runtime().reactor;
    while (!clients.ending && !clients.run().failed()) {
        if (!co_await rt::sleep(reactor, clients.process.context(),
                                clients.dice().between(Duration(0), Duration(100ms))))
            co_return;
        if (!clients.story.serving || clients.story.grids.empty()) continue;
        const KnownGrid grid =
            clients.story.grids[clients.dice().below(clients.story.grids.size())];
        const IndexName name{grid.id, actor * kIndexesEach + clients.dice().below(kIndexesEach)};
        ++clients.busy;
        co_await act_once(clients, grid, name);
        --clients.busy;
    }
}

}  // namespace

void play_gbs(Run& run) {
    GateStory story(run);
    Dice& dice = run.dice();
    story.storage.policies.only.quota_bytes = 5 * kGiB;
    story.storage.options.disk_reserve_bytes = kMiB;
    if (dice.chance(0.5)) story.storage.options.small_share_bytes_max = dice.between(500, 5000);
    rt::sim::Machine& server = run.world().machine("server");
    Process& client_process = boot_clients(run);
    Clients clients{
        .story = story,
        .process = client_process,
        .http = wire::HttpClient(client_process.runtime().reactor, client_process.runtime().network,
                                 story.tls, origin_of(story))};
    for (std::size_t actor = 0; actor < kActors; ++actor) client_process.spawn(act(clients, actor));
    for (int round = 0; round < 4 && !run.failed(); ++round) {
        run.boot_and_crash(server, [&](Process& process) {
            if (dice.chance(0.3))
                run.world().fabric().cut("server", "client", run.world().now() + 3s);
            process.spawn(serve_gate(story, process, true));
        });
        story.serving = false;
        // What was under way gets its error before the next life begins: it belongs to this one.
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
