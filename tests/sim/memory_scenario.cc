// Peers who try to make the gate hold more than a fixed amount (invariant 8): uploads larger than
// all caches, readers who do not read, requests without end, lengths beyond reason, in both
// protocols. Each attack is made by several connections at once, while the heap is counted; it may
// grow by the attack's bound, whatever is sent. The attackers themselves hold a few KiB.
#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "gate/limits.h"
#include "gate_clients.h"
#include "heap.h"
#include "proto/foolscap/message_writer.h"
#include "proto/foolscap/negotiation.h"
#include "proto/gbs/client.h"
#include "rt/scope.h"
#include "storage/limits.h"
#include "wire/tls_stream.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;
namespace gbs = proto::gbs;
namespace pf = proto::foolscap;

constexpr std::size_t kConnections = 4;  // of each attack
constexpr std::size_t kPieceBytes = 16 * kKiB;
constexpr std::uint64_t kShareBytes = 10 * kMiB;  // together more than uploads may hold
constexpr std::uint64_t kFloodBytes = 4 * kMiB;
constexpr std::uint64_t kLongFloodBytes = 24 * kMiB;  // of what is dropped as it comes
constexpr Duration kAttackTimeMax = 10min;
constexpr Duration kSilence = 40s;  // of a reader who does not read
constexpr std::uint64_t kImmutable = 0;
constexpr std::uint64_t kSlot = 1;

// What a connection may hold by its protocol's limits, with what the network holds for it.
constexpr std::size_t kHttpsConnectionBytes = 1 * kMiB;
constexpr std::size_t kFoolscapConnectionBytes = pf::BrokerLimits{}.message_bytes_max +
                                                 pf::BrokerLimits{}.held_bytes_max +
                                                 wire::FoolscapLimits{}.unsent_bytes_max + 1 * kMiB;

struct Attackers {
    GateClients& all;
    KnownGrid grid;
    std::size_t answered = 0;  // honest steps

    rt::Context ctx() const {
        return all.process.context().until(all.process.runtime().reactor.now() + 3min);
    }
};

using StreamPtr = std::unique_ptr<rt::Stream>;

// -- HTTPS by hand --

Task<StreamPtr> open_https(Attackers& attackers) {
    GateClients& all = attackers.all;
    const rt::Context ctx = attackers.ctx();
    auto plain = co_await all.process.runtime().network.connect(ctx, {"server", kGatePort});
    if (!plain) co_return nullptr;
    auto engine = proto::tls::Engine::client(all.story.tls, nullptr, *all.https_origin().tls);
    auto secured = co_await wire::TlsStream::handshake(ctx, all.reactor(), std::move(*plain),
                                                       std::move(*engine));
    if (!secured) co_return nullptr;
    co_return std::move(*secured);
}

std::string head_of(const gbs::ClientRequest& request, std::uint64_t body_bytes,
                    std::string_view content_range = "") {
    std::string out =
        fmt::format("{} {} HTTP/1.1\r\nHost: server\r\nContent-Length: {}\r\n",
                    proto::http1::name_of(request.method), request.target, body_bytes);
    for (const auto& [name, value] : request.fields)
        if (name != "Content-Range") out += fmt::format("{}: {}\r\n", name, value);
    if (!content_range.empty()) out += fmt::format("Content-Range: {}\r\n", content_range);
    return out + "\r\n";
}

// Until they are written, or the peer has had enough.
Task<bool> pour(Attackers& attackers, rt::Stream& to, ByteView piece, std::uint64_t bytes) {
    const rt::Context ctx = attackers.ctx();
    for (std::uint64_t sent = 0; sent < bytes; sent += piece.size()) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), bytes - sent));
        if (!co_await to.write_all(ctx, piece.first(size))) co_return false;
    }
    co_return true;
}

// The status of an answer whose body does not matter.
Task<int> read_status(Attackers& attackers, rt::Stream& from) {
    ByteBuffer room(4096);
    std::string head;
    while (head.size() < 12) {
        const auto got = co_await from.read_some(attackers.ctx(), room);
        if (!got || *got == 0) co_return 0;
        head += as_text(ByteView(room).first(*got));
    }
    co_return std::stoi(head.substr(9, 3));
}

Task<int> ask(Attackers& attackers, const gbs::ClientRequest& request) {
    const StreamPtr stream = co_await open_https(attackers);
    if (!stream) co_return 0;
    const std::string head = head_of(request, request.body.size());
    if (!co_await stream->write_all(attackers.ctx(), as_bytes(head))) co_return 0;
    if (!co_await stream->write_all(attackers.ctx(), request.body)) co_return 0;
    co_return co_await read_status(attackers, *stream);
}

gbs::LeaseSecrets some_lease() {
    return {secret_of(1), secret_of(2)};
}

Task<void> upload_much(Attackers& attackers, std::size_t number) {
    const gbs::Client client(attackers.grid.storage_swissnum);
    const IndexName name{attackers.grid.id, kImmutable};
    const auto share = static_cast<ShareNumber>(number);
    const Secret owner = secret_of(number);
    if (co_await ask(attackers, client.allocate(name.index().bytes, some_lease(), owner,
                                                {{share}, kShareBytes})) != 200)
        co_return;
    const StreamPtr stream = co_await open_https(attackers);
    if (!stream) co_return;
    const std::string head = head_of(client.write(name.index().bytes, share, owner, 0, {1}),
                                     kShareBytes, fmt::format("bytes 0-{}/*", kShareBytes - 1));
    const ByteBuffer piece(kPieceBytes, static_cast<std::uint8_t>(number));
    if (!co_await stream->write_all(attackers.ctx(), as_bytes(head))) co_return;
    if (!co_await pour(attackers, *stream, piece, kShareBytes)) co_return;
    if (co_await read_status(attackers, *stream) == 201) ++attackers.answered;
}

// Asks many times at once and reads none of the answers.
Task<void> ask_and_not_read(Attackers& attackers, const gbs::ClientRequest& request, int times) {
    const StreamPtr stream = co_await open_https(attackers);
    if (!stream) co_return;
    const rt::Context ctx = attackers.all.process.context().until(
        attackers.all.process.runtime().reactor.now() + kSilence);
    const std::string head = head_of(request, 0);
    for (int i = 0; i < times; ++i)
        if (!co_await stream->write_all(ctx, as_bytes(head))) break;
    (void)co_await rt::sleep(attackers.all.reactor(), ctx, kSilence);
}

Task<void> read_and_not_take(Attackers& attackers, std::size_t number) {
    const gbs::Client client(attackers.grid.storage_swissnum);
    const IndexName name{attackers.grid.id, kImmutable};
    co_await ask_and_not_read(attackers,
                              client.read(gbs::Route::immutable_read, name.index().bytes,
                                          static_cast<ShareNumber>(number), std::nullopt),
                              50);
}

Task<void> poll_and_not_take(Attackers& attackers, std::size_t) {
    co_await ask_and_not_read(attackers, gbs::Client(attackers.grid.storage_swissnum).version(),
                              5000);
}

// Bodies and heads that claim to be endless.
Task<void> declare_much(Attackers& attackers, std::size_t number) {
    const gbs::Client client(attackers.grid.storage_swissnum);
    const IndexName name{attackers.grid.id, kSlot};
    const StreamPtr stream = co_await open_https(attackers);
    if (!stream) co_return;
    constexpr std::uint64_t kHuge = 1ULL << 40;
    const ByteBuffer piece(kPieceBytes, 0x81);  // in CBOR, an array in an array, and so on
    std::string head;
    if (number % 3 == 0)
        head = head_of(
            client.read_test_write(name.index().bytes, secret_of(3), some_lease(), {}, {}), kHuge);
    else if (number % 3 == 1)
        head = head_of(client.allocate(name.index().bytes, some_lease(), secret_of(4),
                                       {{0}, kShareBytes}),
                       kHuge) +
               "\x5b\x7f\xff\xff\xff\xff\xff\xff\xff";  // a byte string of 2^63 - 1
    else
        head = "GET / HTTP/1.1\r\nX: ";
    if (!co_await stream->write_all(attackers.ctx(), as_bytes(head))) co_return;
    (void)co_await pour(attackers, *stream, piece, kFloodBytes);
}

// -- Foolscap by hand, after a proper negotiation --

Task<Result<StreamPtr>> open_foolscap(Attackers& attackers, wire::ClientTub& tub) {
    GateClients& all = attackers.all;
    const rt::Context ctx = attackers.ctx();
    StreamPtr stream =
        CO_TRY(co_await all.process.runtime().network.connect(ctx, {"server", kGatePort}));
    auto machine = pf::Negotiation::connector({1}, tub.tub_id(), tub.table(),
                                              attackers.grid.storage_tub, "server");
    ByteBuffer room(4096);
    ByteBuffer received;
    pf::Negotiation::Step step = pf::Negotiation::Wait{};
    for (;;) {
        const ByteBuffer out = machine.take_output();
        if (!out.empty()) CO_TRY(co_await stream->write_all(ctx, out));
        if (std::holds_alternative<pf::Negotiation::Established>(step)) co_return stream;
        if (auto* failed = std::get_if<pf::Negotiation::Failed>(&step))
            co_return fail(failed->error);
        if (std::holds_alternative<pf::Negotiation::StartTls>(step)) {
            auto secured = CO_TRY(co_await all.story.foolscap_security->connect(
                ctx, std::move(stream), std::exchange(received, {}), tub.identity(),
                attackers.grid.storage_tub));
            stream = std::move(secured.stream);
            step = machine.tls_ready(secured.peer_tub_id);
            continue;
        }
        const std::size_t got = CO_TRY(co_await stream->read_some(ctx, room));
        if (got == 0) co_return fail(ErrorKind::closed, "simulation.closed", "closed");
        append(received, ByteView(room).first(got));
        ByteView view(received);
        step = machine.receive(view);
        received = to_buffer(view);
    }
}

// Nothing of ours is ever sent.
class NoExports final : public pf::Exporter {
  public:
    Export export_object(const pf::Referenceable&) override { return {}; }
};

void begin_call(pf::Encoder& out, std::int64_t request) {
    out.open("call");
    out.integer(request);
    out.integer(0);
    out.string("getReferenceByName");
    out.open("arguments");
    out.integer(1);
}

Task<void> send_foolscap(Attackers& attackers, ByteBuffer beginning, ByteBuffer piece,
                         std::uint64_t bytes, Duration silence) {
    rt::Runtime& runtime = attackers.all.process.runtime();
    wire::ClientTub tub(crypto::TlsIdentity::generate(runtime.random, runtime.reactor.unix_s()),
                        runtime.random);
    auto stream = co_await open_foolscap(attackers, tub);
    if (!stream) co_return;
    if (!co_await (*stream)->write_all(attackers.ctx(), beginning)) co_return;
    const rt::Context ctx = attackers.ctx();
    (void)co_await pour(attackers, **stream, piece, bytes);
    if (silence > Duration(0)) (void)co_await rt::sleep(runtime.reactor, ctx, silence);
}

// Calls that never end: of strings, of numbers, of lists in lists, of one string.
Task<void> call_without_end(Attackers& attackers, std::size_t number) {
    pf::Encoder beginning = pf::Encoder::for_any_connection();
    begin_call(beginning, 1);
    pf::Encoder piece = pf::Encoder::for_any_connection();
    if (number % 4 == 0) {
        beginning.open("list");
        piece.string(ByteBuffer(kPieceBytes - 100, 'x'));
    } else if (number % 4 == 1) {
        beginning.open("list");
        for (int i = 0; i < 8000; ++i) piece.integer(i % 100);
    } else if (number % 4 == 2) {
        for (int i = 0; i < 1000; ++i) piece.open("list");
    } else {
        append(beginning.out(), as_bytes("\x7f\x7f\x7f\x7f\x07\x82"));  // of 2 GiB
        piece.string(ByteBuffer(kPieceBytes, 'x'));
    }
    co_await send_foolscap(attackers, std::move(beginning.out()), std::move(piece.out()),
                           number == 0 ? kLongFloodBytes : kFloodBytes, 0s);
}

// Many small calls, none of whose answers is read.
Task<void> call_and_not_take(Attackers& attackers, std::size_t) {
    pf::Encoder piece = pf::Encoder::for_any_connection();
    for (int i = 0; i < 50; ++i) {
        begin_call(piece, 1 + i);
        piece.string(std::string(60, 'n'));
        piece.close();
        piece.close();
    }
    co_await send_foolscap(attackers, {}, std::move(piece.out()), kFloodBytes, kSilence);
}

// Large reads of a slot, none of whose answers is read.
Task<void> read_slot_and_not_take(Attackers& attackers, std::size_t) {
    NoExports nothing;
    pf::Encoder all = pf::Encoder::for_any_connection();
    const pf::Value name = pf::Value::bytes(attackers.grid.storage_swissnum.reveal_text());
    pf::write_call(all, nothing, 1, 0, "getReferenceByName", {.positional = {name}, .keyword = {}});
    const IndexName slot{attackers.grid.id, kSlot};
    const pf::Value range = pf::Value::tuple({pf::Value::integer(0), pf::Value::integer(2 * kMiB)});
    // The first object of a connection has the number 1.
    for (std::uint64_t i = 0; i < 200; ++i)
        pf::write_call(all, nothing, 2 + i, 1, "slot_readv",
                       {.positional = {pf::Value::bytes(ByteView(slot.index().bytes)),
                                       pf::Value::list({}), pf::Value::list({range})},
                        .keyword = {}});
    co_await send_foolscap(attackers, std::move(all.out()), {1}, 0, kSilence);
}

// -- one after the other --

struct Attack {
    std::string_view name;
    Task<void> (*make)(Attackers& attackers, std::size_t number);
    std::size_t bytes_max;  // that the heap may grow by
};

// All connections together.
constexpr std::size_t together(std::size_t connection_bytes) {
    return connection_bytes * kConnections;
}

constexpr Attack kAttacks[] = {
    {"uploads", upload_much, storage::kUploadMemoryBytesMax + together(kHttpsConnectionBytes)},
    {"HTTPS readers who do not read", read_and_not_take,
     storage::kShareCacheBytesMax + together(kHttpsConnectionBytes)},
    {"HTTPS requests without a reader", poll_and_not_take, together(kHttpsConnectionBytes)},
    {"HTTPS lengths beyond reason", declare_much, together(kHttpsConnectionBytes)},
    {"Foolscap calls without end", call_without_end, together(kFoolscapConnectionBytes)},
    {"Foolscap calls without a reader", call_and_not_take, together(kFoolscapConnectionBytes)},
    {"Foolscap reads without a reader", read_slot_and_not_take,
     together(2 * gate::kAnswersUnderWayMax * gate::kReadPieceBytes + kFoolscapConnectionBytes)},
};

// A slot to be read, made as any client makes it.
Task<void> make_slot(Attackers& attackers, bool& made) {
    const gbs::Client client(attackers.grid.storage_swissnum);
    const IndexName name{attackers.grid.id, kSlot};
    gbs::ReadTestWriteRequest request;
    request.shares[0].writes.push_back({0, 0, 2 * kMiB});
    const ByteBuffer data(2 * kMiB, 's');
    made = co_await ask(attackers, client.read_test_write(name.index().bytes, secret_of(3),
                                                          some_lease(), request, data)) == 200;
}

void make_attack(Attackers& attackers, const Attack& attack) {
    Run& run = attackers.all.run();
    heap::begin_peak();
    const std::size_t before = heap::live_bytes();
    std::size_t ended = 0;
    for (std::size_t i = 0; i < kConnections; ++i) {
        struct Body {
            static Task<void> run(Attackers& all, const Attack& attack, std::size_t number,
                                  std::size_t& ended) {
                co_await attack.make(all, number);
                ++ended;
            }
        };
        attackers.all.process.spawn(Body::run(attackers, attack, i, ended));
    }
    const bool all_ended =
        run.world().run_until([&] { return ended == kConnections; }, kAttackTimeMax);
    const std::size_t grown = heap::peak_bytes() - before;
    run.world().trace().note("attack", std::string(attack.name), ended);
    log::info("simulation", "an attack was measured",
              {{"attack", attack.name},
               {"grown_kib", grown / 1024},
               {"allowed_kib", attack.bytes_max / 1024}});
    if (!all_ended) run.violated(11, fmt::format("{}: not ended by the gate", attack.name));
    if (grown > attack.bytes_max)
        run.violated(8,
                     fmt::format("{}: {} connections made the heap grow by {} KiB, not {} at "
                                 "most",
                                 attack.name, kConnections, grown / 1024, attack.bytes_max / 1024));
    // Before the next one the gate has noticed that they are gone.
    run.world().run_for(1min);
}

}  // namespace

void play_memory(Run& run) {
    GateStory story(run);
    if (run.plant() == Plant::unbounded_calls)
        story.foolscap_limits.broker = {.message_values_max = SIZE_MAX,
                                        .message_bytes_max = SIZE_MAX,
                                        .held_bytes_max = SIZE_MAX};
    GateClients clients(story);
    Process& server = run.world().machine("server").boot();
    server.spawn(serve_gate(story, server, true));
    if (!run.world().run_until([&] { return story.serving; }, 5min)) {
        run.violated(10, "the gate does not open");
        return;
    }
    Attackers attackers{.all = clients, .grid = story.grids.front()};
    bool made = false;
    clients.process.spawn(make_slot(attackers, made));
    run.world().run_until([&] { return made; }, 5min);
    for (const Attack& attack : kAttacks) make_attack(attackers, attack);
    for (std::size_t i = 0; i < attackers.answered; ++i) run.acknowledged();
    for (Process* process : {&clients.process, &server}) {
        process->stop();
        run.world().run_until([&] { return process->ended(); }, 10min);
    }
}

}  // namespace s4::simulation
