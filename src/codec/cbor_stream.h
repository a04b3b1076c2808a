// CBOR read as it arrives: bytes are fed in pieces of any size and events are pulled, so that a
// byte string of 100 MB is never held (read-test-write bodies). Text strings are short and
// delivered whole; byte strings come in chunks that borrow from the fed piece.
//
//   reader.feed(piece);
//   for (;;) {
//       const cbor::Event event = TRY(reader.next());
//       if (event.kind == cbor::EventKind::need_more) break;      // the piece is used up: feed the
//       next one if (event.kind == cbor::EventKind::done) break;           // one document was read
//       ...
//   }
//   after the last piece: TRY(reader.finish());
//
// Sans-I/O; one reader reads one document and lives on whatever thread feeds it. It accepts what
// cbor::Reader accepts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codec/cbor.h"

namespace s4::codec::cbor {

enum class EventKind : std::uint8_t {
    need_more,     // everything fed was used
    unsigned_int,  // number
    negative_int,  // number n stands for -1 - n
    floating,
    boolean,
    null,
    undefined,
    simple,       // number
    tag,          // number; the tagged item follows
    text,         // text, whole
    bytes_begin,  // size, unless the string has no length
    bytes_chunk,  // bytes, never empty
    bytes_end,
    array_begin,  // size = items, unless indefinite
    map_begin,    // size = pairs, unless indefinite
    end,          // of the innermost array or map
    done,         // the document is complete; what was fed behind it is not looked at
};

std::string_view name_of(EventKind kind);

struct Event {
    EventKind kind = EventKind::need_more;
    std::uint64_t number = 0;                // unsigned_int, negative_int, simple, tag
    double real = 0;                         // floating
    bool truth = false;                      // boolean
    std::optional<std::uint64_t> size = {};  // bytes_begin, array_begin, map_begin
    ByteView bytes = {};                     // bytes_chunk: borrowed from the piece fed last
    std::string_view text = {};              // text: valid until the next call of next()
};

class StreamReader {
  public:
    explicit StreamReader(const Limits& limits = {});

    // `piece` is borrowed until next() has said need_more or done. Only to be called at the
    // beginning and after need_more.
    void feed(ByteView piece);

    // Errors as cbor::Reader; every later call returns the same error.
    Result<Event> next();

    // To be called when nothing more will come. Errors: cbor.truncated if the document is not
    // complete.
    Result<void> finish() const;

    // How many of the bytes fed so far belong to the document.
    std::uint64_t consumed() const { return consumed_; }
    // Containers open around the next event.
    std::size_t depth() const { return nesting_.depth(); }

  private:
    enum class State : std::uint8_t { item, string_content, chunk_head, finished };

    // The next event, or nothing if there was only inner progress.
    Result<std::optional<Event>> step();
    Result<std::optional<Event>> step_item();
    Result<std::optional<Event>> step_string_content();
    Result<std::optional<Event>> step_chunk_head();
    Result<Event> item(const Head& head);
    Result<std::optional<Event>> string_begin(const Head& head);
    Result<void> begin_chunk(std::uint64_t size);
    Event string_end();
    Result<std::optional<Head>> take_head();
    ByteView take(std::size_t n);

    Limits limits_;
    Nesting nesting_;
    State state_ = State::item;
    ByteView piece_;
    std::uint64_t consumed_ = 0;

    // A head that the pieces cut in two.
    std::uint8_t head_bytes_[9] = {};
    std::size_t head_have_ = 0;

    // The string being read.
    bool string_is_text_ = false;
    bool string_indefinite_ = false;
    std::uint64_t string_left_ = 0;  // of the string, or of its current chunk
    std::string text_;
    std::size_t chunk_at_ = 0;  // where in text_ the current chunk began

    std::optional<Error> error_;
};

}  // namespace s4::codec::cbor
