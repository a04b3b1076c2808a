#include "codec/cbor_head.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "base/check.h"

namespace s4::codec::cbor {
namespace {

// The first byte: three bits of major type, five bits of additional information (RFC 8949, section
// 3).
constexpr std::uint8_t kInfoOneByte = 24;
constexpr std::uint8_t kInfoEightBytes = 27;
constexpr std::uint8_t kInfoIndefinite = 31;
constexpr std::uint8_t kMajorTag = 6;
constexpr std::uint8_t kMajorOther = 7;

std::unexpected<Error> malformed(std::string message) {
    return fail(ErrorKind::invalid, "cbor.malformed", std::move(message));
}

// Major type 7: the simple values, floats and the end mark.
Result<Head> read_other(std::uint8_t info, Head head) {
    constexpr std::uint8_t kFalse = 20, kTrue = 21, kNull = 22, kUndefined = 23;
    constexpr std::uint64_t kTwoByteSimpleMin = 32;
    if (info == kInfoIndefinite) {
        head.type = Type::end_mark;
    } else if (info > kInfoOneByte) {
        head.type = Type::floating;
    } else if (info == kInfoOneByte) {
        if (head.argument < kTwoByteSimpleMin)
            return malformed("a CBOR simple value below 32 is written in one byte");
        head.type = Type::simple;
    } else if (info == kFalse || info == kTrue) {
        head.type = Type::boolean;
        head.argument = info == kTrue;
    } else if (info == kNull) {
        head.type = Type::null;
    } else if (info == kUndefined) {
        head.type = Type::undefined;
    } else {
        head.type = Type::simple;
    }
    return head;
}

double half_of(std::uint16_t bits) {
    const int exponent = bits >> 10 & 0x1f;
    const int fraction = bits & 0x3ff;
    double value = 0;
    if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else if (exponent == 0x1f) {
        value = fraction == 0 ? INFINITY : NAN;
    } else {
        value = std::ldexp(fraction + 1024, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -value : value;
}

}  // namespace

std::string_view name_of(Type type) {
    switch (type) {
        case Type::unsigned_int:
            return "an unsigned integer";
        case Type::negative_int:
            return "a negative integer";
        case Type::bytes:
            return "a byte string";
        case Type::text:
            return "a text string";
        case Type::array:
            return "an array";
        case Type::map:
            return "a map";
        case Type::tag:
            return "a tag";
        case Type::boolean:
            return "a boolean";
        case Type::null:
            return "null";
        case Type::undefined:
            return "undefined";
        case Type::floating:
            return "a float";
        case Type::simple:
            return "a simple value";
        case Type::end_mark:
            return "an end mark";
    }
    return "unknown";
}

std::size_t head_size(std::uint8_t first) {
    const std::uint8_t major = first >> 5;
    const std::uint8_t info = first & 31;
    if (info < kInfoOneByte) return 1;
    if (info <= kInfoEightBytes) return 1 + (std::size_t{1} << (info - kInfoOneByte));
    const bool may_be_indefinite = major >= 2 && major != kMajorTag;
    return info == kInfoIndefinite && may_be_indefinite ? 1 : 0;
}

Result<Head> read_head(ByteView bytes) {
    CHECK(!bytes.empty(), "a head has at least one byte");
    const std::uint8_t major = bytes[0] >> 5;
    const std::uint8_t info = bytes[0] & 31;
    const std::size_t size = head_size(bytes[0]);
    if (size == 0) return malformed(fmt::format("no CBOR item begins with byte {:02x}", bytes[0]));
    CHECK(size == bytes.size(), "exactly one head is passed in");

    Head head;
    head.argument_bytes = static_cast<std::uint8_t>(size - 1);
    head.argument = size == 1 ? info : 0;
    for (const std::uint8_t b : bytes.subspan(1)) head.argument = head.argument << 8 | b;
    if (major == kMajorOther) return read_other(info, head);
    constexpr Type kTypes[] = {Type::unsigned_int, Type::negative_int, Type::bytes, Type::text,
                               Type::array,        Type::map,          Type::tag};
    head.type = kTypes[major];
    head.indefinite = info == kInfoIndefinite;
    if (head.indefinite) head.argument = 0;
    return head;
}

double floating_of(const Head& head) {
    switch (head.argument_bytes) {
        case 2:
            return half_of(static_cast<std::uint16_t>(head.argument));
        case 4:
            return std::bit_cast<float>(static_cast<std::uint32_t>(head.argument));
        default:
            return std::bit_cast<double>(head.argument);
    }
}

Result<void> Nesting::enter_item(const Head& head) {
    CHECK(!innermost_complete(), "an item was read behind the last one of its container");
    if (items_ == items_max_)
        return fail(ErrorKind::too_large, "cbor.too_large",
                    fmt::format("a CBOR document may have at most {} items here", items_max_));
    ++items_;
    after_tag_ = head.type == Type::tag;
    if (after_tag_ || frames_.empty()) return ok();
    Frame& frame = frames_.back();
    if (!frame.indefinite) --frame.items_left;
    if (frame.is_map) frame.value_next = !frame.value_next;
    return ok();
}

Result<void> Nesting::open(const Head& head) {
    if (frames_.size() == depth_max_)
        return fail(ErrorKind::too_large, "cbor.too_deep",
                    fmt::format("CBOR may be nested at most {} deep here", depth_max_));
    // Also keeps the doubling below from overflowing.
    if (head.argument > items_max_)
        return fail(ErrorKind::too_large, "cbor.too_large",
                    fmt::format("a CBOR document may have at most {} items here", items_max_));
    const bool is_map = head.type == Type::map;
    frames_.push_back({.is_map = is_map,
                       .indefinite = head.indefinite,
                       .value_next = false,
                       .items_left = is_map ? head.argument * 2 : head.argument});
    return ok();
}

Result<void> Nesting::close_by_mark() {
    if (!innermost_indefinite() || at_value() || after_tag_)
        return malformed("a CBOR end mark stands where an item should");
    close();
    return ok();
}

void Nesting::close() {
    CHECK(!frames_.empty(), "a container is closed that was not opened");
    frames_.pop_back();
}

bool Nesting::innermost_complete() const {
    return !frames_.empty() && !after_tag_ && !frames_.back().indefinite &&
           frames_.back().items_left == 0;
}

}  // namespace s4::codec::cbor
