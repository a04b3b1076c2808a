// CBOR (RFC 8949) as Tahoe's storage protocol uses it: a reader over a whole document and a writer.
//
// The reader accepts what Tahoe's validator accepts (reference D.4): definite and indefinite
// lengths, numbers that are not in their shortest form, duplicates in a set, bytes behind the
// document. Numbers beyond 64 bits (bignums) are refused, and so is everything that the caller did
// not ask for. Documents too large to be held are read by cbor_stream.h.
//
//   cbor::Reader in(body);
//   TRY(in.begin_map());
//   while (TRY(in.more())) {
//       const std::string_view key = TRY(in.text());
//       if (key == "allocated-size") size = TRY(in.unsigned_int());
//       else return in.unexpected_key(key);
//   }
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/cbor_head.h"
#include "codec/limits.h"

namespace s4::codec::cbor {

struct Limits {
    std::size_t depth_max = kCborDepthMax;
    std::size_t items_max = kCborItemsMax;
    std::size_t text_bytes_max = kCborTextBytesMax;  // the streaming reader's alone
};

// Borrows the document. Every view it returns lives as long as the reader and the document. After
// an error the reader's position is meaningless: give up the document. Errors: cbor.truncated,
// cbor.malformed, cbor.wrong_type, cbor.too_deep, cbor.too_large, cbor.unexpected_key.
class Reader {
  public:
    explicit Reader(ByteView document, const Limits& limits = {});

    // What comes next, without taking it.
    Result<Type> peek();

    Result<std::uint64_t> unsigned_int();
    Result<std::int64_t> signed_int();
    Result<bool> boolean();
    Result<void> null();
    Result<double> floating();        // half, single or double
    Result<ByteView> bytes();         // chunks of an indefinite string are joined
    Result<std::string_view> text();  // valid UTF-8

    // Opens a container; its items follow until more() says no, which also closes it. In a map each
    // item is a key and then its value; more() is asked before a key only.
    Result<void> begin_array();
    Result<void> begin_map();
    Result<void> begin_set();  // tag 258 around an array
    Result<bool> more();

    Result<std::uint64_t> tag();
    // Passes over one whole item, whatever it is; it must be well-formed.
    Result<void> skip();

    // The error for a key that the document's schema does not have.
    std::unexpected<Error> unexpected_key(std::string_view key) const;

    // What is behind the items read so far.
    std::size_t trailing_bytes() const { return in_.remaining(); }

  private:
    Result<Head> raw_head();
    Result<Head> next_head();
    Result<Head> expect(Type type);
    Result<ByteView> string_content(const Head& head);
    Result<ByteView> join_chunks(Type type);

    ByteReader in_;
    Limits limits_;
    Nesting nesting_;
    std::deque<ByteBuffer> joined_;  // what indefinite strings became
};

// Writes minimal, definite CBOR, as every peer expects it. The caller announces sizes and then
// writes that many items.
class Writer {
  public:
    // Most messages fit into this room, and so do not grow byte by byte.
    Writer() { out_.reserve(256); }

    Writer& unsigned_int(std::uint64_t value);
    Writer& signed_int(std::int64_t value);
    Writer& boolean(bool value);
    Writer& null();
    Writer& bytes(ByteView value);
    Writer& text(std::string_view value);
    Writer& begin_array(std::uint64_t items);
    Writer& begin_map(std::uint64_t pairs);
    Writer& begin_set(std::uint64_t items);
    Writer& tag(std::uint64_t number);
    // Only the head of a byte string; the caller sends that many bytes itself behind what was taken
    // so far.
    Writer& bytes_head(std::uint64_t size);

    std::size_t size() const { return out_.size(); }
    const ByteBuffer& view() const { return out_; }
    ByteBuffer take() { return std::exchange(out_, {}); }

  private:
    Writer& head(std::uint8_t major, std::uint64_t argument);

    ByteBuffer out_;
};

}  // namespace s4::codec::cbor
