// MessageReader: tokens in, messages out (A.10, A.11). It builds the values of one message at a
// time within the message limits, resolves `reference` sequences, skips what breaks a rule, and
// hands the large byte strings of streaming methods on while they arrive. Used by the Broker alone,
// on its thread.
//
// Two kinds of trouble, as in the reference:
//   - an Error ("banana.malformed") ends the connection: the stream itself makes no sense;
//   - a Violation ends the message: the rest of its sequence is skipped, and if it was a call whose
//     request is known, the Broker answers with a Failure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/result.h"
#include "proto/foolscap/banana.h"
#include "proto/foolscap/limits.h"
#include "proto/foolscap/value.h"

namespace s4::proto::foolscap {

// How the arguments of a method are taken.
enum class ArgumentMode : std::uint8_t {
    whole,     // as a tree within the message limits
    streamed,  // the same, but byte strings from kStreamedStringBytesMin go to the stream sink
    refused,   // the object has no such method
};

// What the reader asks of its connection while it reads.
class MessageHost {
  public:
    struct Target {
        ObjectId object;
        std::string interface_name;
    };
    virtual ~MessageHost() = default;
    // The object of ours under `clid`; clid 0 is the connection itself (ObjectId 0).
    virtual std::optional<Target> find_target(std::uint64_t clid) = 0;
    virtual ArgumentMode argument_mode(ObjectId object, std::string_view method) = 0;
    virtual bool request_is_active(std::uint64_t request) = 0;  // a call of the peer's
    virtual bool own_request_is_active(std::uint64_t request) = 0;
    // A my-reference came in: counted until reference_dropped(). Errors: too many; another tub's.
    virtual Result<RemoteReference> reference_received(std::uint64_t clid,
                                                       std::optional<std::string> interface_name,
                                                       std::optional<std::string> furl) = 0;
    virtual void reference_dropped(std::uint64_t clid) = 0;
};

struct CallRead {
    std::uint64_t request = 0;  // 0: no answer is wanted
    ObjectId object;
    std::string interface_name;
    std::string method;
    Arguments arguments;
    std::size_t held_bytes = 0;
};
struct AnswerRead {
    std::uint64_t request = 0;
    std::variant<Value, Failure> outcome;
};
// A call that broke a rule; its request is to be answered with `failure`.
struct CallRefused {
    std::uint64_t request = 0;
    Failure failure;
};
// The bytes of a large string of a streaming method follow.
struct StreamBegan {
    StreamId stream;
    std::uint64_t size = 0;
    ObjectId object;
    std::string method;
    Arguments preceding;  // those complete so far
};
struct StreamPiece {
    StreamId stream;
    ByteView bytes;  // borrowed until the next token is read
    bool last = false;
};
// The call that these streams belong to will not come; the number of the first is given, all later
// ones of the same call are meant too.
struct StreamsBroken {
    StreamId first;
};
using ReadEvent =
    std::variant<CallRead, AnswerRead, CallRefused, StreamBegan, StreamPiece, StreamsBroken>;

class MessageReader {
  public:
    MessageReader(int vocabulary_table, const BrokerLimits& limits, MessageHost& host)
        : vocabulary_table_(vocabulary_table), limits_(limits), host_(host) {}
    MessageReader(const MessageReader&) = delete;
    MessageReader& operator=(const MessageReader&) = delete;

    // Takes a token other than ERROR, PING and PONG. What was read up to an event of the past must
    // have been taken with next() before.
    Result<void> feed(const Token& token);
    // The events of the last token, in order.
    std::optional<ReadEvent> next();

    // Whether the next token begins a message.
    bool between_messages() const { return frames_.empty() && !in_open_ && discarding_ == 0; }
    // Where the reader stands, as the reference describes it in its errors.
    std::string where() const;

  private:
    enum class Kind : std::uint8_t {
        call,
        answer,
        error,
        arguments,
        list,
        tuple,
        set,
        immutable_set,
        dict,
        unicode,
        boolean,
        none,
        reference,
        copyable,
        my_reference,
        your_reference,
        their_reference,
    };
    struct Frame {
        Kind kind;
        std::uint64_t open_count = 0;  // its CLOSE carries the same
        std::uint64_t object = 0;      // our own count of OPENs
        std::vector<Value> items;
        std::unordered_set<std::string> seen;  // dictionary keys and set members
        std::size_t values_before = 0;
        std::size_t bytes_before = 0;
    };
    // The message being read.
    struct Message {
        int stage = 0;
        std::optional<std::uint64_t> request;
        std::uint64_t clid = 0;
        MessageHost::Target target;
        std::string method;
        ArgumentMode mode = ArgumentMode::whole;
        std::optional<std::uint64_t> positional_count;
        std::optional<std::string> keyword;
        Arguments arguments;
        std::optional<Value> value;  // of an answer or an error
        std::size_t values = 0;
        std::size_t bytes = 0;
        std::vector<std::uint64_t> references;  // clids received, dropped again on a violation
        StreamId first_stream;
    };
    // A finished container that a later `reference` may name, with what repeating it costs.
    struct Remembered {
        Value value;
        std::size_t values = 0;
        std::size_t bytes = 0;
    };
    struct Violation {
        std::string text;
    };
    // What a step leads to: fine, a Violation of the message, or an Error of the connection.
    using Outcome = std::expected<void, std::variant<Violation, Error>>;

    static std::unexpected<std::variant<Violation, Error>> violate(std::string text);
    std::unexpected<std::variant<Violation, Error>> malformed(std::string_view text) const;

    Result<void> settle(Outcome outcome);
    void abandon(std::string_view text);

    Outcome dispatch(const Token& token);
    Outcome check_place(TokenType type) const;
    Outcome check_call_place(TokenType type) const;
    Outcome check_arguments_place(TokenType type) const;
    Outcome on_open(const Token& token);
    Outcome on_opentype(const Token& token);
    Outcome open_frame(std::string_view opentype);
    Outcome on_close(const Token& token);
    Outcome on_string(const Token& token);
    Outcome begin_string(const Token& token);
    std::size_t string_limit() const;
    bool streams_here(std::uint64_t size) const;

    Outcome accept(Value value);
    Outcome accept_in_call(Value value);
    Outcome accept_in_reply(Value value);
    Outcome accept_in_arguments(Value value);
    Outcome accept_in_dict(Frame& frame, Value value);
    Outcome accept_in_set(Frame& frame, Value value);
    Outcome charge(std::size_t values, std::size_t bytes);

    Outcome close_frame(Frame frame);
    Outcome close_message(Kind kind);
    Outcome finish_container(const Frame& frame, Value value);
    Outcome finish_reference(const Frame& frame);
    Outcome finish_my_reference(const Frame& frame);
    Outcome finish_your_reference(const Frame& frame);
    Outcome finish_copyable(const Frame& frame);

    int vocabulary_table_;
    const BrokerLimits& limits_;
    MessageHost& host_;

    std::vector<Frame> frames_;
    Message message_;
    std::unordered_map<std::uint64_t, Remembered> remembered_;
    std::uint64_t opens_ = 0;  // received on this connection
    bool in_open_ = false;     // an OPEN came, its type has not
    std::uint64_t open_count_ = 0;
    std::uint64_t discarding_ = 0;  // sequences to be skipped to their CLOSE

    ByteBuffer string_;  // the string being collected
    std::optional<StreamId> streaming_;
    std::int64_t next_stream_ = 1;

    std::vector<ReadEvent> events_;
    std::size_t next_event_ = 0;
};

}  // namespace s4::proto::foolscap
