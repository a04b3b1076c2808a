// Broker: a Foolscap connection after negotiation (A.10, A.12): the peer's calls and our answers,
// our calls and the peer's answers, and the references that both sides hold. Server and client
// alike. One object a connection, on its reactor, from Established to the loss of the connection.
//
// Sans-I/O:
//
//   bytes from the peer   -> receive() until it yields nothing -> Events
//   answers, calls        -> take_output() -> bytes to the peer
//
// Calls are given out in the order in which they arrived; answers may be made in any order. Nothing
// is read while paused(): the calls that the host has not answered yet, or their arguments, are
// too many. The host pushes back on streamed bytes simply by not calling receive().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "proto/foolscap/banana.h"
#include "proto/foolscap/limits.h"
#include "proto/foolscap/message_reader.h"
#include "proto/foolscap/message_writer.h"
#include "proto/foolscap/value.h"

namespace s4::proto::foolscap {

using CallId = Id<struct CallTag>;        // a call of the peer's, until it is answered
using RequestId = Id<struct RequestTag>;  // a call of ours, until it is answered

// What the host's objects can do. Asked while a call is being read, before its arguments.
class CallPolicy {
  public:
    virtual ~CallPolicy() = default;
    virtual ArgumentMode argument_mode(ObjectId object, std::string_view method) = 0;
};

// A call on one of our objects. Answer it with answer() or fail(), also when no answer is wanted:
// that is what frees its place. The RemoteReferences among its arguments are the host's to
// release().
struct IncomingCall {
    CallId call;
    bool wants_answer = true;
    ObjectId object;
    std::string interface_name;
    std::string method;
    Arguments arguments;
};
// The peer asks for an object by its swissnum. Answer with a Referenceable, or name_unknown().
struct NameLookup {
    CallId call;
    std::string name;
};
// The answer to a call of ours. A failure that the peer did not send, but that lies in what it
// sent, has the type of a Violation.
struct Answered {
    RequestId request;
    std::variant<Value, Failure> outcome;
};
// The peer dropped its last reference to an object of ours.
struct ObjectReleased {
    ObjectId object;
};
// The peer sent an ERROR token and closes; so should we.
struct PeerGaveUp {
    std::string text;
};
using BrokerEvent = std::variant<IncomingCall, NameLookup, Answered, ObjectReleased, PeerGaveUp,
                                 StreamBegan, StreamPiece, StreamsBroken>;

struct BrokerConfig {
    int vocabulary_table = 0;
    std::string peer_tub_id;
    // We are master: see kUnprovokedBytesMax.
    bool peer_speaks_first = false;
    BrokerLimits limits;
};

class Broker final : private MessageHost, private Exporter {
  public:
    Broker(BrokerConfig config, CallPolicy& policy);
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // Uses bytes from the front of `bytes` up to the next event. Nothing means that all were used,
    // or that the broker is paused. An event's borrowed bytes live until the next call.
    // Errors end the connection: "banana.malformed"; the output then ends with an ERROR token.
    Result<std::optional<BrokerEvent>> receive(ByteView& bytes);
    bool paused() const;

    // Answers a call; one that wanted no answer is only ended. Sends a Failure instead when the
    // objects in `value` would be more than the peer may hold.
    void answer(CallId call, const Value& value);
    void fail(CallId call, const Failure& failure);
    void name_unknown(CallId call, std::string_view name);

    // Calls a method of the peer's. Errors: foolscap.too_many_calls, foolscap.too_many_objects.
    Result<RequestId> call(const RemoteReference& target, std::string_view method,
                           const Arguments& arguments);
    // The same with arguments from prepare_arguments().
    Result<RequestId> call_prepared(const RemoteReference& target, std::string_view method,
                                    ByteView arguments);
    // Without wanting an answer (request 0).
    Result<void> send(const RemoteReference& target, std::string_view method,
                      const Arguments& arguments);
    Result<RequestId> get_reference(std::string_view name);

    // References of the peer's are counted: each one received is held once, and is given back to
    // the peer when it was released as often.
    void hold(const RemoteReference& reference);
    void release(const RemoteReference& reference);

    void ping(std::uint64_t number) { encoder_.ping(number); }
    // Ends the conversation from our side: an ERROR token that says why.
    void give_up(std::string_view why);

    // The bytes to send now. As master this is little until the peer has spoken.
    ByteBuffer take_output();
    std::size_t output_size() const { return encoder_.size(); }  // what is held of them
    // When take_output() gives nothing: the byte string whose bytes the host sends next, all of
    // them, before it goes on with supply_sent(). Null if there is none.
    const SuppliedBytes* next_supply() const { return encoder_.gap(); }
    void supply_sent() { encoder_.close_gap(); }
    std::uint64_t supplied_bytes() const { return encoder_.gap_bytes(); }  // still to be sent

    // The connection is gone: what fails and what is released by it. The broker is of no use after.
    struct Lost {
        std::vector<RequestId> unanswered;
        std::vector<ObjectId> exported;
    };
    Lost lose();

    std::size_t calls_in_flight() const { return calls_.size(); }
    std::size_t held_bytes() const { return held_bytes_; }
    // Whether the peer holds a reference to this object of ours.
    bool peer_holds(ObjectId object) const { return clids_by_object_.contains(object.value); }
    std::size_t exported_objects() const { return exports_by_clid_.size(); }
    std::size_t remote_references() const { return references_.size(); }

  private:
    struct Call {
        std::uint64_t request = 0;
        std::size_t held_bytes = 0;
    };
    struct Exported {
        Referenceable object;
        std::uint64_t count = 0;  // transmissions that the peer has not given back
    };
    struct Received {
        std::string interface_name;
        std::uint64_t received = 0;  // since our last decref
        std::uint64_t held = 0;      // by our host
        bool releasing = false;      // a decref is under way
    };

    // MessageHost
    std::optional<Target> find_target(std::uint64_t clid) override;
    ArgumentMode argument_mode(ObjectId object, std::string_view method) override;
    bool request_is_active(std::uint64_t request) override;
    bool own_request_is_active(std::uint64_t request) override;
    Result<RemoteReference> reference_received(std::uint64_t clid,
                                               std::optional<std::string> interface_name,
                                               std::optional<std::string> furl) override;
    void reference_dropped(std::uint64_t clid) override;
    // Exporter
    Export export_object(const Referenceable& object) override;

    Result<void> take_token(const Token& token);
    std::optional<BrokerEvent> on_read(ReadEvent event);
    std::optional<BrokerEvent> on_call(CallRead call);
    std::optional<BrokerEvent> on_broker_call(CallId id, CallRead call);
    std::optional<BrokerEvent> on_answer(AnswerRead answer);
    std::optional<BrokerEvent> on_decref(CallId id, const Arguments& arguments);
    CallId begin(std::uint64_t request, std::size_t held_bytes);
    std::uint64_t end(CallId call);
    bool fits_exports(const Value& value) const;
    Result<RequestId> start(std::uint64_t clid, std::string_view method,
                            const Arguments& arguments);
    Result<void> check_own_calls() const;
    RequestId begin_request();
    void release_if_unheld(std::uint64_t clid, Received& entry);

    BrokerConfig config_;
    CallPolicy& policy_;
    Decoder decoder_;
    Encoder encoder_;
    MessageReader reader_;
    std::optional<std::string> peer_gave_up_;
    bool ended_ = false;
    bool peer_spoke_ = false;
    std::size_t unprovoked_bytes_ = 0;

    std::unordered_map<std::int64_t, Call> calls_;
    std::unordered_set<std::uint64_t> active_requests_;
    std::int64_t next_call_ = 1;
    std::size_t held_bytes_ = 0;

    // Our requests; those with a clid are decrefs of ours.
    std::unordered_map<std::uint64_t, std::optional<std::uint64_t>> own_requests_;
    std::size_t own_calls_ = 0;  // without decrefs
    std::uint64_t next_request_ = 1;

    std::unordered_map<std::uint64_t, Exported> exports_by_clid_;
    std::unordered_map<std::int64_t, std::uint64_t> clids_by_object_;
    std::uint64_t next_clid_ = 1;

    std::unordered_map<std::uint64_t, Received> references_;
};

}  // namespace s4::proto::foolscap
