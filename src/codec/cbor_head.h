// What both CBOR readers share: the head of an item, and the stack of open containers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace s4::codec::cbor {

enum class Type : std::uint8_t {
    unsigned_int,
    negative_int,
    bytes,
    text,
    array,
    map,
    tag,
    boolean,
    null,
    undefined,
    floating,
    simple,    // a simple value without a meaning of its own
    end_mark,  // ends an item of indefinite length
};

std::string_view name_of(Type type);

inline constexpr std::uint64_t kSetTag = 258;

// The first one to nine bytes of an item.
struct Head {
    Type type = Type::null;
    std::uint64_t argument =
        0;  // value, length, count of items or pairs, tag number, or the float's bits
    std::uint8_t argument_bytes = 0;  // 0 when the argument stood in the first byte
    bool indefinite = false;          // bytes, text, array or map without a length
};

// How many bytes the head that begins with `first` has: 1, 2, 3, 5 or 9; 0 if no item may begin
// with it.
std::size_t head_size(std::uint8_t first);

// Reads one head of exactly head_size() bytes. Errors: cbor.malformed.
Result<Head> read_head(ByteView bytes);

// The value of a half, single or double float's bits.
double floating_of(const Head& head);

// The containers that are open around the reader, with what each still owes.
class Nesting {
  public:
    Nesting(std::size_t depth_max, std::size_t items_max)
        : depth_max_(depth_max), items_max_(items_max) {}

    // Accounts for an item (or an end mark) whose head was read; to be called before its content.
    // An end mark where none may stand is an error.
    Result<void> enter_item(const Head& head);
    // Opens the array, map or tag of this head.
    Result<void> open(const Head& head);
    // Whether the innermost container has had all its items. Never true for one of indefinite
    // length.
    bool innermost_complete() const;
    bool innermost_indefinite() const { return !frames_.empty() && frames_.back().indefinite; }
    bool innermost_is_tag() const { return !frames_.empty() && frames_.back().type == Type::tag; }
    // Whether the next item of the innermost map is a value.
    bool at_value() const { return !frames_.empty() && frames_.back().value_next; }
    void close();

    std::size_t depth() const { return frames_.size(); }

  private:
    struct Frame {
        Type type;
        bool indefinite;
        bool value_next;
        std::uint64_t items_left;  // keys and values counted apart
    };

    std::vector<Frame> frames_;
    std::size_t depth_max_;
    std::size_t items_max_;
    std::size_t items_ = 0;
};

}  // namespace s4::codec::cbor
