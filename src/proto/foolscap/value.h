// Values: what calls carry and answers bring (A.11), as an owned tree for whatever fits the message
// limits. Larger byte strings of a streaming method are StreamedBytes, whose bytes went to the
// sink; larger byte strings of an answer may be SuppliedBytes (banana.h), whose bytes come while
// they are sent.
//
// A Value is immutable once made and cheap to copy: sequences and dictionaries are shared, which is
// also how a `reference` sequence is resolved. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "proto/foolscap/banana.h"

namespace s4::proto::foolscap {

using ObjectId = Id<struct ObjectTag>;  // one of our objects, as its owner numbers them
using StreamId = Id<struct StreamTag>;  // one streamed byte string of a connection

// An object of ours: sent as `my-reference`, and what the peer's `your-reference` names.
struct Referenceable {
    ObjectId object;
    std::string interface_name;  // "" for plain ones (canaries)
    friend bool operator==(const Referenceable&, const Referenceable&) = default;
};

// An object of the peer's: received as `my-reference`, sent home as `your-reference`.
struct RemoteReference {
    std::uint64_t clid = 0;
    std::string interface_name;
    friend bool operator==(const RemoteReference&, const RemoteReference&) = default;
};

// A byte string whose bytes were given to the stream sink while they arrived.
struct StreamedBytes {
    StreamId stream;
    std::uint64_t size = 0;
    friend bool operator==(const StreamedBytes&, const StreamedBytes&) = default;
};

// An error answer (A.12). Made for sending by make() or violation(); a received one is untrusted
// text.
struct Failure {
    std::string type;  // dotted class name
    std::string value;
    std::string traceback;
    std::vector<std::string> parents;  // the class itself first, then its bases

    // An exception of class `type`; `bases` are those between it and builtins.Exception.
    static Failure make(std::string_view type, std::string_view value,
                        std::initializer_list<std::string_view> bases = {});
    // foolscap.tokens.Violation, in its own words: "Violation (WHERE): ('TEXT',)".
    static Failure violation(std::string_view where, std::string_view text);
    // Every part within what the receiving client accepts.
    Failure bounded() const;

    bool is(std::string_view name) const { return type == name; }
    friend bool operator==(const Failure&, const Failure&) = default;
};

class Value {
  public:
    enum class Kind : std::uint8_t {
        none,
        boolean,
        integer,
        big_integer,
        floating,
        bytes,
        text,
        list,
        tuple,
        set,
        immutable_set,
        dict,
        failure,
        referenceable,
        remote_reference,
        streamed_bytes,
        supplied_bytes,
    };
    using Items = std::vector<Value>;
    using Entry = std::pair<Value, Value>;
    using Entries = std::vector<Entry>;

    Value() = default;  // none
    Value(Referenceable object) : kind_(Kind::referenceable), data_(std::move(object)) {}
    Value(RemoteReference object) : kind_(Kind::remote_reference), data_(std::move(object)) {}
    Value(StreamedBytes streamed) : kind_(Kind::streamed_bytes), data_(streamed) {}
    Value(SuppliedBytes supplied) : kind_(Kind::supplied_bytes), data_(std::move(supplied)) {}
    Value(Failure failure)
        : kind_(Kind::failure), data_(std::make_shared<const Failure>(std::move(failure))) {}

    static Value none() { return {}; }
    static Value boolean(bool value) { return {Kind::boolean, value}; }
    static Value integer(std::int64_t value) { return {Kind::integer, value}; }
    static Value unsigned_integer(std::uint64_t value);
    static Value big_integer(bool negative, ByteView magnitude);  // normalised: may become integer
    static Value floating(double value) { return {Kind::floating, value}; }
    static Value bytes(ByteBuffer value) { return {Kind::bytes, std::move(value)}; }
    static Value bytes(ByteView value) { return bytes(to_buffer(value)); }
    static Value bytes(std::string_view value) { return bytes(s4::as_bytes(value)); }
    static Value text(std::string utf8) { return {Kind::text, std::move(utf8)}; }
    static Value sequence(Kind kind, Items items);  // list, tuple, set or immutable_set
    static Value list(Items items) { return sequence(Kind::list, std::move(items)); }
    static Value tuple(Items items) { return sequence(Kind::tuple, std::move(items)); }
    static Value set(Items items) { return sequence(Kind::set, std::move(items)); }
    static Value dict(Entries entries);

    Kind kind() const { return kind_; }
    bool is_none() const { return kind_ == Kind::none; }

    // Null or nothing when the value is of another kind.
    std::optional<bool> as_bool() const;
    std::optional<std::int64_t> as_i64() const;
    std::optional<std::uint64_t> as_u64() const;  // integers from 0 to 2^64 - 1
    std::optional<double> as_double() const;
    std::optional<ByteView> as_bytes() const;
    std::optional<std::string_view> as_text() const;
    const BigInteger* as_big_integer() const { return std::get_if<BigInteger>(&data_); }
    const Items* as_list() const { return items_of(Kind::list); }
    const Items* as_tuple() const { return items_of(Kind::tuple); }
    const Items* as_set() const;       // both kinds of sets
    const Items* as_sequence() const;  // any of the four
    const Entries* as_dict() const;
    const Failure* as_failure() const;
    const Referenceable* as_referenceable() const { return std::get_if<Referenceable>(&data_); }
    const RemoteReference* as_remote() const { return std::get_if<RemoteReference>(&data_); }
    const StreamedBytes* as_streamed() const { return std::get_if<StreamedBytes>(&data_); }
    const SuppliedBytes* as_supplied() const { return std::get_if<SuppliedBytes>(&data_); }

    // The entry of a dictionary under a byte string; null if there is none.
    const Value* find(std::string_view key) const;

    friend bool operator==(const Value& a, const Value& b);

  private:
    using Data = std::variant<std::monostate, bool, std::int64_t, BigInteger, double, ByteBuffer,
                              std::string, std::shared_ptr<const Items>,
                              std::shared_ptr<const Entries>, std::shared_ptr<const Failure>,
                              Referenceable, RemoteReference, StreamedBytes, SuppliedBytes>;

    Value(Kind kind, Data data) : kind_(kind), data_(std::move(data)) {}
    const Items* items_of(Kind kind) const;

    Kind kind_ = Kind::none;
    Data data_;
};

// What a call carries.
struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> keyword;

    // The argument of a method whose parameters are named in order, however the caller gave it.
    const Value* find(std::size_t position, std::string_view name) const;
    friend bool operator==(const Arguments&, const Arguments&) = default;
};

}  // namespace s4::proto::foolscap
