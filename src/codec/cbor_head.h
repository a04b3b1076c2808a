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

// The containers that are open around a reader, with what each still owes.
class Nesting {
  public:
    Nesting(std::size_t depth_max, std::size_t items_max)
        : depth_max_(depth_max), items_max_(items_max) {}

    // Accounts for an item whose head was read; to be called before its content. Errors:
    // cbor.too_large.
    Result<void> enter_item(const Head& head);
    // Opens the array or map of this head. Errors: cbor.too_deep, cbor.too_large.
    Result<void> open(const Head& head);
    // An end mark was read where an item may begin. Errors: cbor.malformed where none may stand.
    Result<void> close_by_mark();
    // The innermost container had all its items.
    void close();

    // Whether the innermost container is open and has had all its items; never true for one of
    // indefinite length.
    bool innermost_complete() const;
    bool innermost_indefinite() const { return !frames_.empty() && frames_.back().indefinite; }
    // Whether the next item is a map's value.
    bool at_value() const { return !frames_.empty() && frames_.back().value_next; }
    // Whether at least one item at the top was read and nothing is owed.
    bool document_complete() const { return items_ > 0 && frames_.empty() && !after_tag_; }

    std::size_t depth() const { return frames_.size(); }

  private:
    struct Frame {
        bool is_map;
        bool indefinite;
        bool value_next;
        std::uint64_t items_left;  // keys and values counted apart
    };

    std::vector<Frame> frames_;
    std::size_t depth_max_;
    std::size_t items_max_;
    std::size_t items_ = 0;
    bool after_tag_ = false;  // a tag was read, what it stands in front of was not
};

}  // namespace s4::codec::cbor
