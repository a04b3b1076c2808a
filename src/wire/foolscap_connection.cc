#include "wire/foolscap_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"

namespace s4::wire {

namespace pf = proto::foolscap;

namespace {

Error lost_error(const std::string& why) {
    return Error(ErrorKind::closed, "foolscap.connection_lost", "the connection was lost: " + why);
}

metrics::Gauge& live_connections() {
    static metrics::Gauge& gauge =
        metrics::gauge("s4_foolscap_connections", "Foolscap connections after negotiation");
    return gauge;
}

}  // namespace

FoolscapConnection::FoolscapConnection(rt::Reactor& reactor, FoolscapTub& tub, pf::ConnectionId id,
                                       pf::Negotiation::Established established,
                                       std::unique_ptr<rt::Stream> stream, ByteBuffer already_read,
                                       const FoolscapLimits& limits)
    : reactor_(reactor),
      tub_(tub),
      id_(id),
      peer_tub_id_(std::move(established.peer_tub_id)),
      limits_(limits),
      stream_(std::move(stream)),
      already_read_(std::move(already_read)),
      broker_({.vocabulary_table = established.vocabulary_table,
               .peer_tub_id = peer_tub_id_,
               .peer_speaks_first = established.role == pf::Negotiation::Role::master,
               .limits = limits.broker},
              *this),
      output_ready_(reactor),
      room_(reactor),
      written_(reactor),
      calling_(reactor, 1),
      last_received_(reactor.now()) {
    // The older connection ends before this one begins: what it held (an unfinished upload) must
    // not stand in the way of the same client's next try.
    if (established.replaced)
        if (FoolscapConnection* older = tub_.find(*established.replaced))
            older->close("replaced by a new connection");
    tub_.attached(id_, *this);
    live_connections().add(1);
    // A third connection may have come while our decision was being written.
    if (tub_.table().live(peer_tub_id_) != id_) close("replaced by a new connection");
}

FoolscapConnection::~FoolscapConnection() {
    lose();
    tub_.detached(id_, peer_tub_id_);
    live_connections().add(-1);
}

rt::Task<void> FoolscapConnection::run(const rt::Context& ctx) {
    rt::Scope scope(ctx);
    scope_ = &scope;
    if (lost_) scope.cancel();
    scope.spawn(write_loop(scope.context()));
    scope.spawn(keepalive_loop(scope.context()));
    const auto read = co_await read_loop(scope.context());
    if (!read && !lost_ && !stop_reading_.cancelled()) why_ = read.error().to_string();
    if (stop_reading_.cancelled()) co_await finish_calls(scope.context());
    lose();
    ending_ = true;
    output_ready_.set();
    // The last words (an ERROR token, answers already made) get a moment to leave.
    (void)co_await written_.wait(scope.context().until(reactor_.now() + kFoolscapGoodbyeTime));
    scope.cancel();
    co_await scope.join();
    scope_ = nullptr;
    log::debug("foolscap", "connection ended", {{"peer", peer_tub_id_}, {"why", why_}});
}

void FoolscapConnection::close(std::string_view why) {
    if (lost_) return;
    why_ = why;
    lose();
    stream_->abort();
    if (scope_ != nullptr) scope_->cancel();  // last: this may be gone before it returns
}

void FoolscapConnection::finish() {
    if (lost_) return;
    why_ = "this server is stopping";
    ending_ = true;
    room_.set();
    stop_reading_.cancel();  // last: run() may end and this be gone before it returns
}

rt::Task<void> FoolscapConnection::finish_calls(const rt::Context& ctx) {
    while (!lost_ && (broker_.calls_in_flight() > 0 || unsent_answer_bytes_ > 0)) {
        room_.clear();
        if (!co_await room_.wait(ctx)) co_return;
    }
}

// Everybody hears at once that the connection is gone, whatever still runs on it.
void FoolscapConnection::lose() {
    if (std::exchange(lost_, true)) return;
    broker_.lose();
    tub_.table().detach(peer_tub_id_, id_);  // the next attempt need not wait for our end
    room_.set();
    for (const auto& [request, pending] : std::exchange(pending_, {})) pending->done.set();
    // An object may add or drop nothing any more, but its callback may end calls of others.
    std::vector<RemoteObject*> objects;
    for (const auto& [id, entry] : objects_) objects.push_back(entry.object.get());
    for (RemoteObject* object : objects) object->connection_lost();
}

rt::Task<Result<void>> FoolscapConnection::read_loop(const rt::Context& ctx) {
    CO_TRY(co_await take(ctx, std::exchange(already_read_, {})));
    ByteBuffer buffer(kFoolscapReadBytesMin);
    rt::Scope reading(ctx);  // cancelled by the connection's end as well as by finish()
    const rt::CancelRegistration stop(rt::CancelToken(stop_reading_),
                                      [&reading] { reading.cancel(); });
    while (!ending_) {
        const std::size_t n = CO_TRY(co_await stream_->read_some(reading.context(), buffer));
        if (n == 0) co_return ok();
        last_received_ = reactor_.now();
        CO_TRY(co_await take(ctx, ByteView(buffer).first(n)));
        const bool filled = n == buffer.size();
        if (filled && buffer.size() < kFoolscapReadBytesMax) {
            buffer.resize(kFoolscapReadBytesMax);
        } else if (n <= kFoolscapReadBytesMin && buffer.size() > kFoolscapReadBytesMin) {
            buffer = ByteBuffer(kFoolscapReadBytesMin);
        }
    }
    co_return ok();
}

// Works through received bytes, waiting whenever there is too much to do.
rt::Task<Result<void>> FoolscapConnection::take(const rt::Context& ctx, ByteView bytes) {
    while (!ending_) {
        CO_TRY(co_await wait_for_room(ctx));
        if (lost_) co_return fail(lost_error(why_));
        // The broker answers some calls by itself, and refuses others.
        const std::size_t before = broker_.output_size();
        auto event = broker_.receive(bytes);
        unsent_answer_bytes_ += broker_.output_size() - before;
        progress();
        if (!event) co_return fail(std::move(event).error());
        if (*event) {
            CO_TRY(co_await handle(ctx, *std::move(*event)));
            if (lost_) co_return fail(lost_error(why_));
        } else if (!broker_.paused()) {
            co_return ok();
        }
    }
    co_return ok();
}

// Only answers hold up the reading: were our own calls to do so too, two peers that call each other
// could wait for each other for ever.
rt::Task<Result<void>> FoolscapConnection::wait_for_room(const rt::Context& ctx) {
    while (!lost_ && (broker_.paused() || unsent_answer_bytes_ > limits_.unsent_bytes_max)) {
        waiting_for_room_ = true;
        room_.clear();
        const auto waited = co_await room_.wait(ctx);
        waiting_for_room_ = false;
        last_received_ = reactor_.now();  // the silence was ours
        if (!waited) co_return fail(waited.error());
    }
    co_return ok();
}

rt::Task<Result<void>> FoolscapConnection::answers_taken(const rt::Context& ctx) {
    while (!lost_ && unsent_answer_bytes_ > limits_.unsent_bytes_max) {
        room_.clear();
        CO_TRY(co_await room_.wait(ctx));
    }
    co_return ok();
}

// Something was put into the output, or a call has ended.
void FoolscapConnection::progress() {
    if (broker_.output_size() > 0 || broker_.next_supply() != nullptr) output_ready_.set();
    room_.set();
}

rt::Task<void> FoolscapConnection::write_loop(rt::Context ctx) {
    while (true) {
        const ByteBuffer bytes = broker_.take_output();
        const pf::SuppliedBytes* supplied = broker_.next_supply();
        if (bytes.empty() && supplied == nullptr) {
            if (ending_ && lost_) break;
            output_ready_.clear();
            if (!co_await output_ready_.wait(ctx)) break;
            continue;
        }
        Result<void> written = ok();
        if (supplied != nullptr)
            written = co_await write_supplied(ctx, bytes, *supplied);
        else
            written = co_await write_out(ctx, bytes);
        writing_bytes_ = 0;
        room_.set();
        if (written) continue;
        if (!lost_) close("what it is sent broke off: " + written.error().to_string());
        written_.set();
        co_return;
    }
    (void)co_await stream_->shutdown_write(ctx.until(reactor_.now() + kFoolscapGoodbyeTime));
    written_.set();
}

// The next supplied byte string with what stands before it. Its pieces are sent from where they
// lie, and what is short leaves in one write with the piece beside it; only where that is already
// there, since an earlier answer must not wait for a disk.
rt::Task<Result<void>> FoolscapConnection::write_supplied(const rt::Context& ctx, ByteView before,
                                                          pf::SuppliedBytes from) {
    auto* supply = dynamic_cast<ByteSupply*>(from.supply.get());
    CHECK(supply != nullptr, "what is supplied to a pump is a ByteSupply");
    ByteView piece = supply->at_hand();
    if (piece.empty() || before.size() > kFoolscapBesideBytesMax) {
        CO_TRY(co_await write_out(ctx, before));
        before = {};
    }
    while (true) {
        if (piece.empty()) piece = CO_TRY(co_await supply->next(ctx));
        CHECK(!piece.empty() && piece.size() <= from.size, "a supply has the length that it said");
        from.size -= piece.size();
        ByteBuffer after;
        if (from.size == 0) {
            broker_.supply_sent();
            after = broker_.take_output();
        }
        const bool beside = after.size() <= kFoolscapBesideBytesMax;
        writing_bytes_ = before.size() + piece.size() + after.size();
        CO_TRY(co_await write_together(
            ctx, {before, piece, ByteView(after).first(beside ? after.size() : 0)}));
        if (!beside) CO_TRY(co_await write_out(ctx, after));
        if (from.size == 0) co_return ok();
        before = {};
        piece = {};
    }
}

rt::Task<Result<void>> FoolscapConnection::write_out(const rt::Context& ctx, ByteView bytes) {
    writing_bytes_ = bytes.size();
    while (!bytes.empty()) {
        const ByteView piece = bytes.first(std::min(bytes.size(), kFoolscapPieceBytesMax));
        bytes = bytes.subspan(piece.size());
        CO_TRY(co_await write_together(ctx, {piece, {}, {}}));
    }
    co_return ok();
}

rt::Task<Result<void>> FoolscapConnection::write_together(const rt::Context& ctx,
                                                          std::array<ByteView, 3> parts) {
    const std::size_t size = parts[0].size() + parts[1].size() + parts[2].size();
    CO_TRY(co_await stream_->write(ctx.until(reactor_.now() + limits_.write_time_max), parts));
    writing_bytes_ -= size;
    unsent_answer_bytes_ -= std::min<std::uint64_t>(unsent_answer_bytes_, size);
    room_.set();
    co_return ok();
}

rt::Task<void> FoolscapConnection::keepalive_loop(rt::Context ctx) {
    Instant last_ping = reactor_.now();
    while (!lost_) {
        const Instant now = reactor_.now();
        const Duration silent = waiting_for_room_ ? Duration::zero() : now - last_received_;
        const auto decision = pf::keepalive(limits_.keepalive, silent, now - last_ping);
        if (decision.action == pf::KeepaliveAction::disconnect)
            co_return close("the peer was silent for too long");
        if (decision.action == pf::KeepaliveAction::ping) {
            broker_.ping(0);
            last_ping = now;
            progress();
        }
        if (!co_await rt::sleep(reactor_, ctx, decision.look_again_in)) co_return;
    }
}

rt::Task<Result<void>> FoolscapConnection::handle(const rt::Context& ctx, pf::BrokerEvent event) {
    if (auto* call = std::get_if<pf::IncomingCall>(&event)) {
        streams_.clear();  // calls do not interleave
        scope_->spawn(run_call(ctx, std::move(*call)));
    } else if (const auto* lookup = std::get_if<pf::NameLookup>(&event)) {
        const std::size_t before = broker_.output_size();
        on_name(*lookup);
        unsent_answer_bytes_ += broker_.output_size() - before;
    } else if (auto* answered = std::get_if<pf::Answered>(&event)) {
        on_answer(std::move(*answered));
    } else if (const auto* released = std::get_if<pf::ObjectReleased>(&event)) {
        on_released(released->object);
    } else if (auto* began = std::get_if<pf::StreamBegan>(&event)) {
        streams_.emplace(began->stream, began->object);
        Entry& entry = objects_.at(began->object);
        co_await entry.object->stream_began(ctx, std::move(*began));
    } else if (const auto* piece = std::get_if<pf::StreamPiece>(&event)) {
        Entry& entry = objects_.at(streams_.at(piece->stream));
        if (!piece->bytes.empty())
            co_await entry.object->stream_piece(ctx, piece->stream, piece->bytes);
    } else if (const auto* broken = std::get_if<pf::StreamsBroken>(&event)) {
        objects_.at(streams_.at(broken->first)).object->streams_broken(broken->first);
        streams_.clear();
    } else {
        why_ = "the peer gave up: " + std::get<pf::PeerGaveUp>(event).text;
        ending_ = true;
    }
    co_return ok();
}

rt::Task<void> FoolscapConnection::run_call(rt::Context ctx, pf::IncomingCall call) {
    const auto found = objects_.find(call.object);
    CHECK(found != objects_.end(), "an object that the peer can name is there");
    Entry& entry = found->second;
    ++entry.calls;
    const RemoteObject::Answer answer =
        co_await entry.object->call(ctx, std::move(call.method), call.arguments);
    --entry.calls;
    if (lost_) co_return;  // nobody is there to be answered, and the broker has let go of all
    this->answer(call, answer);
    release_all(call.arguments);
    drop_if_unused(call.object, entry);
    progress();
}

void FoolscapConnection::answer(const pf::IncomingCall& call, const RemoteObject::Answer& answer) {
    const std::uint64_t before = broker_.output_size() + broker_.supplied_bytes();
    if (answer) {
        broker_.answer(call.call, *answer);
        drop_unsent(*answer);
    } else {
        broker_.fail(call.call, answer.error());
    }
    unsent_answer_bytes_ += broker_.output_size() + broker_.supplied_bytes() - before;
}

void FoolscapConnection::on_name(const pf::NameLookup& lookup) {
    auto known = names_.find(lookup.name);
    if (known == names_.end()) {
        auto object = tub_.open(*this, lookup.name);
        if (object == nullptr) {
            broker_.name_unknown(lookup.call, lookup.name);
            return progress();
        }
        const pf::ObjectId id = add(std::move(object)).as_referenceable()->object;
        objects_.at(id).is_named = true;
        known = names_.emplace(lookup.name, id).first;
    }
    const Entry& entry = objects_.at(known->second);
    broker_.answer(lookup.call, pf::Referenceable{known->second, entry.interface_name});
    progress();
}

void FoolscapConnection::on_answer(pf::Answered answered) {
    const auto found = pending_.find(answered.request);
    if (found == pending_.end()) {  // told, or given up waiting
        if (const auto* value = std::get_if<Value>(&answered.outcome)) release_all(*value);
        return;
    }
    found->second->outcome = std::move(answered.outcome);
    found->second->done.set();
    pending_.erase(found);
}

void FoolscapConnection::on_released(pf::ObjectId id) {
    const auto found = objects_.find(id);
    if (found == objects_.end()) return;
    found->second.is_released = true;
    drop_if_unused(id, found->second);
}

// An object may have been sent once more while its release was under way.
void FoolscapConnection::drop_if_unused(pf::ObjectId id, const Entry& entry) {
    if (entry.is_released && !entry.is_named && entry.calls == 0 && !broker_.peer_holds(id))
        objects_.erase(id);
}

// Objects of an answer that the broker replaced by a failure never reached the peer.
void FoolscapConnection::drop_unsent(const Value& value) {
    if (const auto* own = value.as_referenceable())
        if (!broker_.peer_holds(own->object)) on_released(own->object);
    if (const auto* items = value.as_sequence())
        for (const Value& item : *items) drop_unsent(item);
    if (const auto* entries = value.as_dict())
        for (const auto& [key, item] : *entries) drop_unsent(item);
}

pf::ArgumentMode FoolscapConnection::argument_mode(pf::ObjectId id, std::string_view method) {
    const auto found = objects_.find(id);
    CHECK(found != objects_.end(), "an object that the peer can name is there");
    return found->second.object->argument_mode(method);
}

FoolscapConnection::Value FoolscapConnection::add(std::unique_ptr<RemoteObject> object) {
    const pf::ObjectId id{next_object_++};
    std::string interface_name = object->interface_name();
    objects_.emplace(id, Entry{.object = std::move(object), .interface_name = interface_name});
    return pf::Referenceable{id, std::move(interface_name)};
}

RemoteObject* FoolscapConnection::object(pf::ObjectId id) {
    const auto found = objects_.find(id);
    return found == objects_.end() ? nullptr : found->second.object.get();
}

rt::Task<Result<FoolscapConnection::RemoteReference>> FoolscapConnection::get_reference(
    const rt::Context& ctx, std::string swissnum) {
    Arguments arguments;
    arguments.keyword.emplace_back("name", Value::bytes(swissnum));
    const Outcome outcome =
        CO_TRY(co_await call(ctx, RemoteReference{}, "getReferenceByName", std::move(arguments)));
    if (const auto* failure = std::get_if<pf::Failure>(&outcome))
        co_return fail(ErrorKind::not_found, "foolscap.remote_failure",
                       failure->type + ": " + failure->value);
    const RemoteReference* reference = std::get<Value>(outcome).as_remote();
    if (reference == nullptr) {
        release_all(std::get<Value>(outcome));
        co_return fail(ErrorKind::invalid, "foolscap.remote_failure",
                       "the peer answered with something else than a reference");
    }
    co_return *reference;
}

rt::Task<Result<FoolscapConnection::Outcome>> FoolscapConnection::call(const rt::Context& ctx,
                                                                       RemoteReference target,
                                                                       std::string method,
                                                                       Arguments arguments) {
    CO_TRY(co_await calling_.acquire(ctx));
    Result<void> waited_for_room = ok();
    while (waited_for_room && !lost_ && unsent_bytes() > limits_.unsent_bytes_max) {
        room_.clear();
        waited_for_room = co_await room_.wait(ctx);
    }
    calling_.release();
    if (lost_) co_return fail(lost_error(why_));
    if (!waited_for_room) co_return fail(waited_for_room.error());
    const pf::RequestId request = CO_TRY(broker_.call(target, method, arguments));
    progress();
    Pending pending(reactor_);
    pending_.emplace(request, &pending);
    const auto waited = co_await pending.done.wait(ctx);
    if (!pending.outcome) {
        pending_.erase(request);
        if (!waited) co_return fail(waited.error());
        co_return fail(lost_error(why_));
    }
    co_return *std::move(pending.outcome);
}

void FoolscapConnection::tell(const RemoteReference& target, std::string_view method,
                              ByteView prepared) {
    if (lost_) return;
    const auto begun = broker_.call_prepared(target, method, prepared);
    if (!begun || unsent_bytes() > limits_.lag_bytes_max)
        return close("it lags too far behind what it is told");
    progress();
}

void FoolscapConnection::hold(const RemoteReference& reference) {
    if (!lost_) broker_.hold(reference);
}

void FoolscapConnection::release(const RemoteReference& reference) {
    if (lost_) return;
    broker_.release(reference);
    progress();
}

void FoolscapConnection::release_all(const Value& value) {
    if (const auto* remote = value.as_remote()) release(*remote);
    if (const auto* items = value.as_sequence())
        for (const Value& item : *items) release_all(item);
    if (const auto* entries = value.as_dict()) {
        for (const auto& [key, item] : *entries) {
            release_all(key);
            release_all(item);
        }
    }
}

void FoolscapConnection::release_all(const Arguments& arguments) {
    for (const Value& value : arguments.positional) release_all(value);
    for (const auto& [name, value] : arguments.keyword) release_all(value);
}

}  // namespace s4::wire
