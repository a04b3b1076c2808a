#include "proto/foolscap/broker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace s4::proto::foolscap {
namespace {

constexpr std::string_view kBrokerInterface = "RIBroker.foolscap.lothar.com";

std::size_t count_referenceables(const Arguments& arguments) {
    std::size_t count = 0;
    for (const Value& value : arguments.positional) count += foolscap::count_referenceables(value);
    for (const auto& [name, value] : arguments.keyword)
        count += foolscap::count_referenceables(value);
    return count;
}

}  // namespace

Broker::Broker(BrokerConfig config, CallPolicy& policy)
    : config_(std::move(config)),
      policy_(policy),
      encoder_(config_.vocabulary_table),
      reader_(config_.vocabulary_table, config_.limits, *this) {}

bool Broker::paused() const {
    return reader_.between_messages() && decoder_.between_tokens() &&
           (calls_.size() >= config_.limits.calls_in_flight_max ||
            held_bytes_ >= config_.limits.held_bytes_max);
}

Result<std::optional<BrokerEvent>> Broker::receive(ByteView& bytes) {
    CHECK(!ended_, "a broker that ended reads no more");
    if (!bytes.empty()) peer_spoke_ = true;
    while (true) {
        while (auto event = reader_.next())
            if (auto out = on_read(*std::move(event))) return out;
        if (paused()) return std::nullopt;
        auto token = decoder_.next(bytes);
        if (!token) {
            give_up(token.error().message());
            return s4::fail(std::move(token).error());
        }
        if (!*token) return std::nullopt;
        if (auto taken = take_token(**token); !taken) {
            give_up(taken.error().message());
            return s4::fail(std::move(taken).error());
        }
        if (peer_gave_up_) {
            ended_ = true;
            return PeerGaveUp{*peer_gave_up_};
        }
    }
}

Result<void> Broker::take_token(const Token& token) {
    switch (token.type) {
        case TokenType::ping:
            encoder_.pong(token.body);
            return ok();
        case TokenType::pong:
            return ok();
        case TokenType::error:
            peer_gave_up_ = to_string(token.body);
            return ok();
        default:
            return reader_.feed(token);
    }
}

std::optional<BrokerEvent> Broker::on_read(ReadEvent event) {
    if (auto* call = std::get_if<CallRead>(&event)) return on_call(std::move(*call));
    if (auto* answer = std::get_if<AnswerRead>(&event)) return on_answer(std::move(*answer));
    if (auto* refused = std::get_if<CallRefused>(&event)) {
        if (refused->request != 0) write_error(encoder_, refused->request, refused->failure);
        return std::nullopt;
    }
    if (auto* began = std::get_if<StreamBegan>(&event)) return std::move(*began);
    if (auto* piece = std::get_if<StreamPiece>(&event)) return *piece;
    return std::get<StreamsBroken>(event);
}

std::optional<BrokerEvent> Broker::on_call(CallRead call) {
    const CallId id = begin(call.request, call.held_bytes);
    if (!call.object) return on_broker_call(id, std::move(call));
    return IncomingCall{.call = id,
                        .wants_answer = call.request != 0,
                        .object = call.object,
                        .interface_name = std::move(call.interface_name),
                        .method = std::move(call.method),
                        .arguments = std::move(call.arguments)};
}

// clid 0: the connection's own methods.
std::optional<BrokerEvent> Broker::on_broker_call(CallId id, CallRead call) {
    if (call.method == "decref") return on_decref(id, call.arguments);
    if (call.method == "getReferenceByName") {
        const Value* name = call.arguments.find(0, "name");
        if (name != nullptr && name->as_bytes())
            return NameLookup{id, to_string(*name->as_bytes())};
        fail(id, Failure::violation("name=", "the name is a byte string"));
        return std::nullopt;
    }
    answer(id, Value::none());  // decgift: we give no gifts, so there is nothing to count
    return std::nullopt;
}

std::optional<BrokerEvent> Broker::on_decref(CallId id, const Arguments& arguments) {
    const Value* clid_value = arguments.find(0, "clid");
    const Value* count_value = arguments.find(1, "count");
    const auto clid = clid_value != nullptr ? clid_value->as_u64() : std::nullopt;
    const auto count = count_value != nullptr ? count_value->as_u64() : std::nullopt;
    if (!clid || !count) {
        fail(id, Failure::violation("decref", "clid and count are numbers"));
        return std::nullopt;
    }
    const auto found = exports_by_clid_.find(*clid);
    if (found != exports_by_clid_.end() && *count > found->second.count) {
        fail(id, Failure::violation("decref", "count is more than what was sent"));
        return std::nullopt;
    }
    answer(id, Value::none());
    if (found == exports_by_clid_.end()) return std::nullopt;
    found->second.count -= *count;
    if (found->second.count > 0) return std::nullopt;
    const ObjectId object = found->second.object.object;
    clids_by_object_.erase(object.value);
    exports_by_clid_.erase(found);
    return ObjectReleased{object};
}

std::optional<BrokerEvent> Broker::on_answer(AnswerRead answer) {
    const auto found = own_requests_.find(answer.request);
    CHECK(found != own_requests_.end(), "the reader asked whether the request is ours");
    const std::optional<std::uint64_t> decref_clid = found->second;
    own_requests_.erase(found);
    if (!decref_clid) {
        --own_calls_;
        return Answered{RequestId{static_cast<std::int64_t>(answer.request)},
                        std::move(answer.outcome)};
    }
    // The peer has counted our decref. Only if the reference did not come again meanwhile may we
    // forget what the peer told us with its first transmission.
    const auto reference = references_.find(*decref_clid);
    if (reference == references_.end()) return std::nullopt;
    reference->second.releasing = false;
    if (reference->second.received == 0) {
        references_.erase(reference);
    } else {
        release_if_unheld(*decref_clid, reference->second);
    }
    return std::nullopt;
}

CallId Broker::begin(std::uint64_t request, std::size_t held_bytes) {
    const CallId id{next_call_++};
    calls_.emplace(id.value, Call{request, held_bytes});
    held_bytes_ += held_bytes;
    if (request != 0) active_requests_.insert(request);
    return id;
}

// Frees the call's place and returns its request.
std::uint64_t Broker::end(CallId id) {
    const auto found = calls_.find(id.value);
    CHECK(found != calls_.end(), "a call is answered once");
    const Call call = found->second;
    calls_.erase(found);
    active_requests_.erase(call.request);
    held_bytes_ -= call.held_bytes;
    return call.request;
}

void Broker::answer(CallId id, const Value& value) {
    const std::uint64_t request = end(id);
    if (request == 0) return;
    if (!fits_exports(value)) {
        write_error(encoder_, request,
                    Failure::make("builtins.RuntimeError",
                                  "this connection holds too many objects; drop some first"));
        return;
    }
    write_answer(encoder_, *this, request, value);
}

void Broker::fail(CallId id, const Failure& failure) {
    const std::uint64_t request = end(id);
    if (request != 0) write_error(encoder_, request, failure);
}

void Broker::name_unknown(CallId id, std::string_view name) {
    // Two characters help to find a stale FURL in a log and give nothing away.
    fail(id, Failure::make("builtins.KeyError",
                           fmt::format("\"unable to find reference for name starting with '{}'\"",
                                       name.substr(0, 2)),
                           {"builtins.LookupError"}));
}

Result<RequestId> Broker::start(std::uint64_t clid, std::string_view method,
                                const Arguments& arguments) {
    TRY(check_own_calls());
    if (exports_by_clid_.size() + count_referenceables(arguments) >
        config_.limits.exported_objects_max)
        return s4::fail(ErrorKind::too_large, "foolscap.too_many_objects",
                        "the peer holds too many of our objects");
    const RequestId request = begin_request();
    write_call(encoder_, *this, static_cast<std::uint64_t>(request.value), clid, method, arguments);
    return request;
}

Result<RequestId> Broker::call_prepared(const RemoteReference& target, std::string_view method,
                                        ByteView arguments) {
    TRY(check_own_calls());
    const RequestId request = begin_request();
    write_prepared_call(encoder_, static_cast<std::uint64_t>(request.value), target.clid, method,
                        arguments);
    return request;
}

Result<void> Broker::check_own_calls() const {
    if (own_calls_ < config_.limits.own_calls_max) return ok();
    return s4::fail(ErrorKind::unavailable, "foolscap.too_many_calls",
                    "the peer has not answered earlier calls");
}

RequestId Broker::begin_request() {
    const std::uint64_t request = next_request_++;
    own_requests_.emplace(request, std::nullopt);
    ++own_calls_;
    return RequestId{static_cast<std::int64_t>(request)};
}

Result<RequestId> Broker::call(const RemoteReference& target, std::string_view method,
                               const Arguments& arguments) {
    return start(target.clid, method, arguments);
}

Result<void> Broker::send(const RemoteReference& target, std::string_view method,
                          const Arguments& arguments) {
    if (exports_by_clid_.size() + count_referenceables(arguments) >
        config_.limits.exported_objects_max)
        return s4::fail(ErrorKind::too_large, "foolscap.too_many_objects",
                        "the peer holds too many of our objects");
    write_call(encoder_, *this, 0, target.clid, method, arguments);
    return ok();
}

Result<RequestId> Broker::get_reference(std::string_view name) {
    Arguments arguments;
    arguments.keyword.emplace_back("name", Value::bytes(name));
    return start(0, "getReferenceByName", arguments);
}

void Broker::hold(const RemoteReference& reference) {
    const auto found = references_.find(reference.clid);
    CHECK(found != references_.end() && found->second.held > 0, "what is held can be held again");
    ++found->second.held;
}

void Broker::release(const RemoteReference& reference) {
    reference_dropped(reference.clid);
}

void Broker::reference_dropped(std::uint64_t clid) {
    const auto found = references_.find(clid);
    CHECK(found != references_.end() && found->second.held > 0, "a reference is released once");
    --found->second.held;
    release_if_unheld(clid, found->second);
}

// One decref at a time for each reference: the answer of the first says what the second is for.
void Broker::release_if_unheld(std::uint64_t clid, Received& entry) {
    if (entry.held > 0 || entry.received == 0 || entry.releasing) return;
    Arguments arguments;
    arguments.keyword.emplace_back("clid", Value::unsigned_integer(clid));
    arguments.keyword.emplace_back("count", Value::unsigned_integer(entry.received));
    entry.received = 0;
    entry.releasing = true;
    const std::uint64_t request = next_request_++;
    write_call(encoder_, *this, request, 0, "decref", arguments);
    own_requests_.emplace(request, clid);
}

void Broker::give_up(std::string_view why) {
    encoder_.error(why);
    ended_ = true;
}

ByteBuffer Broker::take_output() {
    if (!config_.peer_speaks_first || peer_spoke_) return encoder_.take(SIZE_MAX);
    ByteBuffer now = encoder_.take(kUnprovokedBytesMax - unprovoked_bytes_);
    unprovoked_bytes_ += now.size();
    return now;
}

Broker::Lost Broker::lose() {
    Lost lost;
    for (const auto& [request, decref_clid] : own_requests_)
        if (!decref_clid) lost.unanswered.push_back(RequestId{static_cast<std::int64_t>(request)});
    for (const auto& [clid, exported] : exports_by_clid_)
        lost.exported.push_back(exported.object.object);
    std::sort(lost.unanswered.begin(), lost.unanswered.end());
    std::sort(lost.exported.begin(), lost.exported.end());
    ended_ = true;
    return lost;
}

std::optional<MessageHost::Target> Broker::find_target(std::uint64_t clid) {
    if (clid == 0) return Target{ObjectId{}, std::string(kBrokerInterface)};
    const auto found = exports_by_clid_.find(clid);
    if (found == exports_by_clid_.end()) return std::nullopt;
    const Referenceable& object = found->second.object;
    return Target{object.object, object.interface_name};
}

ArgumentMode Broker::argument_mode(ObjectId object, std::string_view method) {
    if (object) return policy_.argument_mode(object, method);
    const bool known = method == "getReferenceByName" || method == "decref" || method == "decgift";
    return known ? ArgumentMode::whole : ArgumentMode::refused;
}

bool Broker::request_is_active(std::uint64_t request) {
    return active_requests_.contains(request);
}

bool Broker::own_request_is_active(std::uint64_t request) {
    return own_requests_.contains(request);
}

Result<RemoteReference> Broker::reference_received(std::uint64_t clid,
                                                   std::optional<std::string> interface_name,
                                                   std::optional<std::string> furl) {
    // Only the tub id counts: hints and name are the peer's own business.
    if (furl && !furl->starts_with("pb://" + config_.peer_tub_id + "@"))
        return s4::fail(ErrorKind::invalid, "foolscap.wrong_tub",
                        "inbound reference claims bad tubid");
    const auto [entry, is_new] = references_.try_emplace(clid);
    if (is_new && references_.size() > config_.limits.remote_references_max) {
        references_.erase(entry);
        return s4::fail(ErrorKind::too_large, "foolscap.too_many_references",
                        "too many references are held on this connection");
    }
    if (is_new && interface_name) entry->second.interface_name = *std::move(interface_name);
    ++entry->second.received;
    ++entry->second.held;
    return RemoteReference{clid, entry->second.interface_name};
}

Exporter::Export Broker::export_object(const Referenceable& object) {
    const auto known = clids_by_object_.find(object.object.value);
    if (known != clids_by_object_.end()) {
        ++exports_by_clid_.at(known->second).count;
        return {known->second, false};
    }
    const std::uint64_t clid = next_clid_++;
    clids_by_object_.emplace(object.object.value, clid);
    exports_by_clid_.emplace(clid, Exported{object, 1});
    return {clid, true};
}

bool Broker::fits_exports(const Value& value) const {
    return exports_by_clid_.size() + foolscap::count_referenceables(value) <=
           config_.limits.exported_objects_max;
}

}  // namespace s4::proto::foolscap
