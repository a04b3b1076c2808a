#include "codec/cbor.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "base/check.h"
#include "codec/utf8.h"

namespace s4::codec::cbor {
namespace {

constexpr std::uint8_t kEndMark = 0xff;
constexpr std::uint64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

std::unexpected<Error> truncated() {
    return fail(ErrorKind::invalid, "cbor.truncated",
                "the CBOR document ends in the middle of an item");
}

std::unexpected<Error> malformed(std::string message) {
    return fail(ErrorKind::invalid, "cbor.malformed", std::move(message));
}

std::unexpected<Error> wrong_type(std::string_view wanted, Type found) {
    return fail(ErrorKind::invalid, "cbor.wrong_type",
                fmt::format("the CBOR document has {} where {} should be", name_of(found), wanted));
}

std::unexpected<Error> out_of_range() {
    return fail(ErrorKind::too_large, "cbor.too_large",
                "a CBOR integer is beyond 63 bits and a sign");
}

Result<std::string_view> checked_text(ByteView bytes) {
    if (!utf8::is_valid(bytes)) return malformed("a CBOR text string is not valid UTF-8");
    return as_text(bytes);
}

}  // namespace

Reader::Reader(ByteView document, const Limits& limits)
    : in_(document), limits_(limits), nesting_(limits.depth_max, limits.items_max) {}

Result<Type> Reader::peek() {
    ByteReader ahead = in_;
    const auto first = ahead.u8();
    if (!first) return truncated();
    ahead = in_;
    const auto bytes = ahead.take(std::max<std::size_t>(head_size(*first), 1));
    if (!bytes) return truncated();
    return TRY(read_head(*bytes))
    .type;
}

Result<Head> Reader::raw_head() {
    ByteReader ahead = in_;
    const auto first = ahead.u8();
    if (!first) return truncated();
    const auto bytes = in_.take(std::max<std::size_t>(head_size(*first), 1));
    if (!bytes) return truncated();
    return read_head(*bytes);
}

Result<Head> Reader::next_head() {
    const Head head = TRY(raw_head());
    if (head.type == Type::end_mark)
        return malformed("a CBOR end mark stands where an item should");
    TRY(nesting_.enter_item(head));
    return head;
}

Result<Head> Reader::expect(Type type) {
    const Head head = TRY(next_head());
    if (head.type != type) return wrong_type(name_of(type), head.type);
    return head;
}

Result<std::uint64_t> Reader::unsigned_int() {
    return TRY(expect(Type::unsigned_int))
    .argument;
}

Result<std::int64_t> Reader::signed_int() {
    const Head head = TRY(next_head());
    if (head.type != Type::unsigned_int && head.type != Type::negative_int)
        return wrong_type("an integer", head.type);
    if (head.argument > kInt64Max) return out_of_range();
    const auto magnitude = static_cast<std::int64_t>(head.argument);
    return head.type == Type::unsigned_int ? magnitude : -1 - magnitude;
}

Result<bool> Reader::boolean() {
    return TRY(expect(Type::boolean))
    .argument != 0;
}

Result<void> Reader::null() {
    TRY(expect(Type::null));
    return ok();
}

Result<double> Reader::floating() {
    return floating_of(TRY(expect(Type::floating)));
}

Result<ByteView> Reader::bytes() {
    return string_content(TRY(expect(Type::bytes)));
}

Result<std::string_view> Reader::text() {
    return as_text(TRY(string_content(TRY(expect(Type::text)))));
}

Result<ByteView> Reader::string_content(const Head& head) {
    if (head.indefinite) return join_chunks(head.type);
    const auto content = in_.take(head.argument);
    if (!content) return truncated();
    if (head.type == Type::text) TRY(checked_text(*content));
    return *content;
}

Result<ByteView> Reader::join_chunks(Type type) {
    ByteBuffer& joined = joined_.emplace_back();
    for (;;) {
        const Head chunk = TRY(raw_head());
        if (chunk.type == Type::end_mark) return ByteView(joined);
        if (chunk.type != type || chunk.indefinite)
            return malformed("a CBOR string of indefinite length has a chunk of another kind");
        append(joined, TRY(string_content(chunk)));
    }
}

Result<void> Reader::begin_array() {
    return nesting_.open(TRY(expect(Type::array)));
}

Result<void> Reader::begin_map() {
    return nesting_.open(TRY(expect(Type::map)));
}

Result<void> Reader::begin_set() {
    const std::uint64_t number = TRY(tag());
    if (number != kSetTag)
        return fail(ErrorKind::invalid, "cbor.wrong_type",
                    fmt::format("the CBOR document has tag {} where a set (tag {}) should be",
                                number, kSetTag));
    return begin_array();
}

Result<bool> Reader::more() {
    CHECK(nesting_.depth() > 0, "more() is asked inside a container");
    CHECK(!nesting_.at_value(), "more() is asked before a key, not before its value");
    if (nesting_.innermost_complete()) {
        nesting_.close();
        return false;
    }
    if (!nesting_.innermost_indefinite()) return true;
    ByteReader ahead = in_;
    const auto first = ahead.u8();
    if (!first) return truncated();
    if (*first != kEndMark) return true;
    in_ = ahead;
    TRY(nesting_.close_by_mark());
    return false;
}

Result<std::uint64_t> Reader::tag() {
    return TRY(expect(Type::tag))
    .argument;
}

Result<void> Reader::skip() {
    Head head = TRY(next_head());
    while (head.type == Type::tag) head = TRY(next_head());
    if (head.type == Type::bytes || head.type == Type::text) {
        TRY(string_content(head));
    } else if (head.type == Type::array || head.type == Type::map) {
        TRY(nesting_.open(head));  // at most depth_max deep, hence so deep a recursion
        while (TRY(more())) {
            TRY(skip());
            if (head.type == Type::map) TRY(skip());
        }
    }
    return ok();
}

std::unexpected<Error> Reader::unexpected_key(std::string_view key) const {
    constexpr std::size_t kShownMax = 64;
    return fail(ErrorKind::invalid, "cbor.unexpected_key",
                fmt::format("the CBOR map has a key that does not belong there: \"{}\"",
                            key.substr(0, kShownMax)));
}

Writer& Writer::head(std::uint8_t major, std::uint64_t argument) {
    const auto first = static_cast<std::uint8_t>(major << 5);
    if (argument < 24) {
        out_.push_back(static_cast<std::uint8_t>(first | argument));
        return *this;
    }
    std::uint8_t info = 24;
    std::size_t argument_bytes = 1;
    for (; argument_bytes < 8 && argument >> (8 * argument_bytes) != 0; argument_bytes *= 2) ++info;
    std::array<std::uint8_t, 9> bytes;
    bytes[0] = static_cast<std::uint8_t>(first | info);
    for (std::size_t i = 0; i < argument_bytes; ++i)
        bytes[argument_bytes - i] = static_cast<std::uint8_t>(argument >> (8 * i));
    append(out_, ByteView(bytes).first(1 + argument_bytes));
    return *this;
}

Writer& Writer::unsigned_int(std::uint64_t value) {
    return head(0, value);
}

Writer& Writer::signed_int(std::int64_t value) {
    return value < 0 ? head(1, static_cast<std::uint64_t>(-1 - value))
                     : head(0, static_cast<std::uint64_t>(value));
}

Writer& Writer::boolean(bool value) {
    out_.push_back(value ? 0xf5 : 0xf4);
    return *this;
}

Writer& Writer::null() {
    out_.push_back(0xf6);
    return *this;
}

Writer& Writer::bytes(ByteView value) {
    head(2, value.size());
    append(out_, value);
    return *this;
}

Writer& Writer::text(std::string_view value) {
    head(3, value.size());
    append(out_, value);
    return *this;
}

Writer& Writer::begin_array(std::uint64_t items) {
    return head(4, items);
}
Writer& Writer::begin_map(std::uint64_t pairs) {
    return head(5, pairs);
}
Writer& Writer::begin_set(std::uint64_t items) {
    return tag(kSetTag).begin_array(items);
}
Writer& Writer::tag(std::uint64_t number) {
    return head(6, number);
}
Writer& Writer::bytes_head(std::uint64_t size) {
    return head(2, size);
}

}  // namespace s4::codec::cbor
