// The storage protocol over Foolscap: customers' clients with remote objects on connections that
// break, some of them over HTTPS in between on the same shares. A share is acknowledged by its
// close, a change of a slot by its answer.
#include <fmt/format.h>

#include <algorithm>

#include "gate_clients.h"
#include "rt/scope.h"

namespace s4::simulation {
namespace {

using rt::Task;
namespace pf = proto::foolscap;
using pf::Value;
using References = std::map<ShareNumber, pf::RemoteReference>;

constexpr std::int64_t kPeekBytes = 30;  // of each share, read with every change of a slot
constexpr std::int64_t kReadBytesMax = 2'000'000;

// One connection of one actor to one grid's storage server.
struct Session {
    GateClients& clients;
    const KnownGrid& grid;
    FoolscapPeer& peer;

    Run& run() { return clients.run(); }
    rt::sim::Dice& dice() { return clients.dice(); }
    IndexModel& model(const IndexName& name) { return clients.model(name); }
};

// What Tahoe's client leaves with an upload, so that the server notices when it is gone.
class Canary final : public wire::RemoteObject {
  public:
    std::string interface_name() const override { return {}; }
    pf::ArgumentMode argument_mode(std::string_view) const override {
        return pf::ArgumentMode::refused;
    }
    Task<Answer> call(const rt::Context&, std::string, pf::Arguments) override {
        co_return Value::none();
    }
};

Value bytes_of(const Secret& secret) {
    return Value::bytes(secret.reveal());
}
Value bytes_of(const IndexName& name) {
    return Value::bytes(ByteView(name.index().bytes));
}
Value number(std::uint64_t n) {
    return Value::unsigned_integer(n);
}

// The answer to a right request; nothing if there was none. A healthy server has no failure for it
// but those named in `allowed` (invariant 11).
Task<std::optional<Value>> call(Session& session, pf::RemoteReference target, std::string method,
                                std::vector<Value> arguments, std::string_view allowed = "") {
    const auto outcome = co_await session.peer.call(target, method, std::move(arguments));
    if (!outcome) co_return std::nullopt;
    const auto* failure = std::get_if<pf::Failure>(&*outcome);
    if (failure == nullptr) co_return std::get<Value>(*outcome);
    if (!failure->is(allowed))
        session.run().violated(
            11, fmt::format("{} failed: {}: {}", method, failure->type, failure->value));
    co_return std::nullopt;
}

Task<std::optional<Value>> call(Session& session, std::string method, std::vector<Value> arguments,
                                std::string_view allowed = "") {
    co_return co_await call(session, session.peer.object(), std::move(method), std::move(arguments),
                            allowed);
}

std::set<ShareNumber> numbers_of(const Value& value) {
    std::set<ShareNumber> out;
    if (const auto* items = value.as_sequence())
        for (const Value& item : *items) out.insert(static_cast<ShareNumber>(*item.as_i64()));
    return out;
}

References references_of(const Value& value) {
    References out;
    if (const auto* entries = value.as_dict())
        for (const auto& [share, object] : *entries)
            if (object.as_remote() != nullptr)
                out.emplace(static_cast<ShareNumber>(*share.as_i64()), *object.as_remote());
    return out;
}

// {share: [bytes]} with one range read of each, as a slot.
Slot reads_of(const Value& value) {
    Slot out;
    if (const auto* entries = value.as_dict())
        for (const auto& [share, strings] : *entries)
            if (strings.as_list() != nullptr && strings.as_list()->size() == 1)
                out.emplace(static_cast<ShareNumber>(*share.as_i64()),
                            to_buffer(*strings.as_list()->front().as_bytes()));
    return out;
}

// -- immutable shares --

Task<void> write_piece(Session& session, pf::RemoteReference writer, std::uint64_t offset,
                       ByteView bytes) {
    std::vector<Value> arguments{number(offset), Value::bytes(bytes)};
    (void)co_await call(session, writer, "write", std::move(arguments));
}

// Writes in pieces, all of them and the close at once or one after the other; some clients give up
// half way, and leave the bucket to its connection's end.
Task<void> write_share(Session& session, IndexName name, ShareNumber share,
                       pf::RemoteReference writer, LeaseHash lease) {
    const ByteBuffer content = content_of(session.clients.story.storage, name, share);
    const std::size_t piece = session.dice().between(content.size() / 5 + 1, content.size());
    const bool gives_up = session.dice().chance(0.1);
    const bool at_once = session.dice().chance(0.5);
    rt::Scope scope(session.clients.process.context());
    for (std::size_t at = 0; at < content.size(); at += piece) {
        if (gives_up && session.dice().chance(0.5)) {
            co_await scope.join();
            if (session.dice().chance(0.5)) (void)co_await call(session, writer, "abort", {});
            co_return;
        }
        const ByteView bytes = ByteView(content).subspan(at, std::min(piece, content.size() - at));
        if (at_once)
            scope.spawn(write_piece(session, writer, at, bytes));
        else
            co_await write_piece(session, writer, at, bytes);
    }
    IndexModel& model = session.model(name);
    model.immutable[share].unanswered.emplace_back(content);
    model.leases[share].unanswered.insert(lease);
    const auto closed = co_await call(session, writer, "close", {});
    co_await scope.join();
    if (!closed) co_return;
    model.immutable[share].settle(content);
    model.leases[share].acknowledged.insert(lease);
    session.run().acknowledged();
}

Task<void> upload(Session& session, IndexName name) {
    IndexModel& model = session.model(name);
    const MadeLease lease = lease_of(kUploadLeases + name.number * 1000 + session.dice().below(2));
    const auto share = static_cast<ShareNumber>(session.dice().below(3));
    lease_unanswered(model, lease.hash);
    const std::uint64_t size = content_of(session.clients.story.storage, name, share).size();
    std::vector<Value> arguments{bytes_of(name),
                                 bytes_of(lease.secrets.renew),
                                 bytes_of(lease.secrets.cancel),
                                 Value::set({number(share)}),
                                 number(size),
                                 session.peer.connection().add(std::make_unique<Canary>())};
    const auto answer = co_await call(session, "allocate_buckets", std::move(arguments));
    if (!answer || answer->as_tuple() == nullptr) co_return;
    const std::set<ShareNumber> there = numbers_of(answer->as_tuple()->at(0));
    for (const auto& [number, known] : model.immutable)
        if (known.known && !there.contains(number))
            session.run().violated(
                1, fmt::format("{} share {} is not among those it has", name.text(), number));
    const References writers = references_of(answer->as_tuple()->at(1));
    for (const auto& [number, writer] : writers) {
        co_await write_share(session, name, number, writer, lease.hash);
        session.peer.connection().release(writer);
    }
}

Task<void> read_back(Session& session, IndexName name) {
    const std::map<ShareNumber, Uncertain<Share>> before = session.model(name).immutable;
    std::vector<Value> arguments{bytes_of(name)};
    const auto answer = co_await call(session, "get_buckets", std::move(arguments));
    if (!answer) co_return;
    const References readers = references_of(*answer);
    for (const auto& [share, known] : before)
        if (known.known && !readers.contains(share))
            session.run().violated(1, fmt::format("{} share {} is not found", name.text(), share));
    for (const auto& [share, reader] : readers) {
        std::vector<Value> range{number(0), number(kReadBytesMax)};
        const auto bytes = co_await call(session, reader, "read", std::move(range));
        session.peer.connection().release(reader);
        const auto known = before.find(share);
        const bool allowed = known != before.end() && bytes && bytes->as_bytes() &&
                             known->second.allows(to_buffer(*bytes->as_bytes()));
        if (bytes && !allowed)
            session.run().violated(
                2, fmt::format("{} share {} reads as other bytes", name.text(), share));
    }
}

// -- slots --

Value slot_secrets(const Secret& enabler, const MadeLease& lease) {
    return Value::tuple(
        {bytes_of(enabler), bytes_of(lease.secrets.renew), bytes_of(lease.secrets.cancel)});
}

// {share: ([(offset, size, "eq", specimen)], [(offset, data)], new length)}
Value wire_form(const Change& change) {
    Value::Entries out;
    for (const auto& [share, write] : change.shares) {
        Value::Items tests;
        for (const storage::TestVector& test : write.tests)
            tests.push_back(Value::tuple({number(test.offset), number(test.size),
                                          Value::bytes("eq"), Value::bytes(test.specimen)}));
        Value::Items writes;
        for (const storage::WriteVector& one : write.writes)
            writes.push_back(Value::tuple(
                {number(one.offset),
                 Value::bytes(ByteView(change.data).subspan(one.data.offset, one.data.size))}));
        const Value length = write.new_length ? number(*write.new_length) : Value::none();
        out.emplace_back(number(share), Value::tuple({Value::list(std::move(tests)),
                                                      Value::list(std::move(writes)), length}));
    }
    return Value::dict(std::move(out));
}

Value peek() {
    return Value::list({Value::tuple({number(0), Value::integer(kPeekBytes)})});
}

void compare_peek(Session& session, const IndexName& name, const Slot& seen) {
    Slot expected = session.model(name).slot.known;
    for (auto& [share, content] : expected)
        content.resize(std::min<std::size_t>(content.size(), kPeekBytes));
    if (seen != expected)
        session.run().violated(2, name.text() + ": a change read what was not there before it");
}

Task<void> rewrite(Session& session, IndexName name) {
    IndexModel& model = session.model(name);
    // After a call without an answer the slot is left alone until the next restart's look at it.
    if (!model.slot.unanswered.empty()) co_return;
    Change change = some_change(session.dice(), model.slot.known);
    const bool wrong = session.dice().chance(0.1);
    add_test(change, model.slot.known, wrong);
    const MadeLease lease = lease_of(++session.clients.story.storage.last_secret);
    if (!wrong) change_unanswered(model, change, lease.hash);
    std::vector<Value> arguments{bytes_of(name),
                                 slot_secrets(secret_of(name.number + 500'000), lease),
                                 wire_form(change), peek()};
    const auto answer =
        co_await call(session, "slot_testv_and_readv_and_writev", std::move(arguments));
    if (!answer || answer->as_tuple() == nullptr) co_return;
    const bool success = answer->as_tuple()->at(0).as_bool().value_or(false);
    if (success == wrong) session.run().violated(2, name.text() + ": a test was decided wrongly");
    compare_peek(session, name, reads_of(answer->as_tuple()->at(1)));
    if (!success) co_return;
    change_acknowledged(model, change, lease.hash);
    session.run().acknowledged();
}

Task<void> read_slot(Session& session, IndexName name) {
    if (!session.model(name).slot.unanswered.empty()) co_return;
    std::vector<Value> arguments{bytes_of(name), Value::list({}),
                                 Value::list({Value::tuple({number(0), number(kReadBytesMax)})})};
    const auto answer = co_await call(session, "slot_readv", std::move(arguments));
    if (answer && reads_of(*answer) != session.model(name).slot.known)
        session.run().violated(2, name.text() + " reads as other bytes");
}

// A wrong write enabler changes nothing and learns nothing (invariant 6).
Task<void> write_with_wrong_enabler(Session& session, IndexName name) {
    const Uncertain<Slot>& slot = session.model(name).slot;
    if (slot.known.empty() || !slot.unanswered.empty()) co_return;
    std::vector<Value> arguments{bytes_of(name), slot_secrets(secret_of(1), lease_of(1)),
                                 wire_form(some_change(session.dice(), {})), peek()};
    const auto answer =
        co_await call(session, "slot_testv_and_readv_and_writev", std::move(arguments),
                      "allmydata.interfaces.BadWriteEnablerError");
    if (answer) session.run().violated(6, name.text() + " was written with a wrong write enabler");
}

// -- both --

Task<void> add_lease(Session& session, IndexName name) {
    IndexModel& model = session.model(name);
    const MadeLease lease = lease_of(++session.clients.story.storage.last_secret);
    lease_unanswered(model, lease.hash);
    std::vector<Value> arguments{bytes_of(name), bytes_of(lease.secrets.renew),
                                 bytes_of(lease.secrets.cancel)};
    if (!co_await call(session, "add_lease", std::move(arguments), "allmydata.interfaces.NoSpace"))
        co_return;
    lease_acknowledged(model, lease.hash);
    session.run().acknowledged();
}

// A stranger who knows the tub and guesses the swissnum (invariant 6).
Task<void> intrude(GateClients& clients, const KnownGrid& grid) {
    ByteBuffer guess(32);
    clients.dice().fill(guess);
    for (std::uint8_t& byte : guess) byte = static_cast<std::uint8_t>('a' + byte % 26);
    const auto stranger =
        co_await FoolscapPeer::connect(clients, grid.storage_tub, Secret(std::move(guess)));
    if (!stranger) co_return;
    clients.run().violated(6, "a guessed swissnum opens a storage server");
    co_await (*stranger)->close();
}

Task<void> act_once(Session& session, IndexName name) {
    const std::uint64_t choice = session.dice().below(20);
    if (choice < 11) {
        if (name.is_slot())
            co_await rewrite(session, name);
        else
            co_await upload(session, name);
    } else if (choice < 14) {
        co_await add_lease(session, name);
    } else if (choice == 14 && name.is_slot()) {
        co_await write_with_wrong_enabler(session, name);
    } else if (name.is_slot()) {
        co_await read_slot(session, name);
    } else {
        co_await read_back(session, name);
    }
}

Task<void> take_foolscap_turn(GateClients& clients, const KnownGrid& grid, std::size_t actor) {
    auto peer = co_await FoolscapPeer::connect(clients, grid.storage_tub, grid.storage_swissnum);
    if (!peer) co_return;
    Session session{clients, grid, **peer};
    const std::uint64_t count = clients.dice().between(1, 8);
    for (std::uint64_t i = 0; i < count && !(*peer)->connection().closed(); ++i)
        co_await act_once(session, index_of(clients, grid, actor));
    co_await (*peer)->close();
}

class FoolscapPlay final : public Play {
  public:
    explicit FoolscapPlay(GateClients& clients)
        : clients_(clients),
          http_(clients.reactor(), clients.process.runtime().network, clients.story.tls,
                clients.https_origin()) {}
    Task<void> take_turn(std::size_t actor, const KnownGrid& grid) override {
        const std::uint64_t choice = clients_.dice().below(20);
        if (choice == 0)
            co_await intrude(clients_, grid);
        else if (choice < 5)
            co_await take_gbs_turn(clients_, http_, grid, index_of(clients_, grid, actor));
        else
            co_await take_foolscap_turn(clients_, grid, actor);
    }

  private:
    GateClients& clients_;
    wire::HttpClient http_;
};

}  // namespace

void play_foolscap(Run& run) {
    GateStory story(run);
    story.choose_share_threshold();
    GateClients clients(story);
    story.choose_foolscap_security(clients.reactor());
    FoolscapPlay play(clients);
    play_gate(clients, play);
}

}  // namespace s4::simulation
