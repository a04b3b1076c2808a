#include "codec/cbor_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "codec/utf8.h"

namespace s4::codec::cbor {
namespace {

std::unexpected<Error> malformed(std::string message) {
    return fail(ErrorKind::invalid, "cbor.malformed", std::move(message));
}

}  // namespace

std::string_view name_of(EventKind kind) {
    switch (kind) {
        case EventKind::need_more:
            return "the end of the input";
        case EventKind::unsigned_int:
            return "an unsigned integer";
        case EventKind::negative_int:
            return "a negative integer";
        case EventKind::floating:
            return "a float";
        case EventKind::boolean:
            return "a boolean";
        case EventKind::null:
            return "null";
        case EventKind::undefined:
            return "undefined";
        case EventKind::simple:
            return "a simple value";
        case EventKind::tag:
            return "a tag";
        case EventKind::text:
            return "a text string";
        case EventKind::bytes_begin:
            return "a byte string";
        case EventKind::bytes_chunk:
            return "the content of a byte string";
        case EventKind::bytes_end:
            return "the end of a byte string";
        case EventKind::array_begin:
            return "an array";
        case EventKind::map_begin:
            return "a map";
        case EventKind::end:
            return "the end of a container";
        case EventKind::done:
            return "the end of the document";
    }
    return "unknown";
}

StreamReader::StreamReader(const Limits& limits)
    : limits_(limits), nesting_(limits.depth_max, limits.items_max) {}

void StreamReader::feed(ByteView piece) {
    CHECK(piece_.empty() || state_ == State::finished || error_,
          "the piece fed before was not used up");
    piece_ = piece;
}

Result<Event> StreamReader::next() {
    if (error_) return std::unexpected(*error_);
    for (;;) {
        auto event = step();
        if (!event) {
            error_ = event.error();
            return std::unexpected(*error_);
        }
        if (*event) return **event;
    }
}

Result<void> StreamReader::finish() const {
    if (error_) return std::unexpected(*error_);
    if (state_ == State::finished) return ok();
    return fail(ErrorKind::invalid, "cbor.truncated",
                "the CBOR document ends in the middle of an item");
}

Result<std::optional<Event>> StreamReader::step() {
    switch (state_) {
        case State::item:
            return step_item();
        case State::string_content:
            return step_string_content();
        case State::chunk_head:
            return step_chunk_head();
        case State::finished:
            return Event{.kind = EventKind::done};
    }
    UNREACHABLE("every state has its step");
}

Result<std::optional<Event>> StreamReader::step_item() {
    if (nesting_.innermost_complete()) {
        nesting_.close();
        return Event{.kind = EventKind::end};
    }
    if (nesting_.document_complete()) {
        state_ = State::finished;
        return std::nullopt;
    }
    const std::optional<Head> head = TRY(take_head());
    if (!head) return Event{.kind = EventKind::need_more};
    if (head->type == Type::end_mark) {
        TRY(nesting_.close_by_mark());
        return Event{.kind = EventKind::end};
    }
    TRY(nesting_.enter_item(*head));
    if (head->type == Type::bytes || head->type == Type::text) return string_begin(*head);
    return TRY(item(*head));
}

Result<Event> StreamReader::item(const Head& head) {
    switch (head.type) {
        case Type::unsigned_int:
            return Event{.kind = EventKind::unsigned_int, .number = head.argument};
        case Type::negative_int:
            return Event{.kind = EventKind::negative_int, .number = head.argument};
        case Type::floating:
            return Event{.kind = EventKind::floating, .real = floating_of(head)};
        case Type::boolean:
            return Event{.kind = EventKind::boolean, .truth = head.argument != 0};
        case Type::null:
            return Event{.kind = EventKind::null};
        case Type::undefined:
            return Event{.kind = EventKind::undefined};
        case Type::simple:
            return Event{.kind = EventKind::simple, .number = head.argument};
        case Type::tag:
            return Event{.kind = EventKind::tag, .number = head.argument};
        case Type::array:
        case Type::map: {
            TRY(nesting_.open(head));
            Event event{.kind =
                            head.type == Type::map ? EventKind::map_begin : EventKind::array_begin};
            if (!head.indefinite) event.size = head.argument;
            return event;
        }
        case Type::bytes:
        case Type::text:
        case Type::end_mark:
            break;
    }
    UNREACHABLE("strings and end marks are handled by step_item");
}

Result<std::optional<Event>> StreamReader::string_begin(const Head& head) {
    string_is_text_ = head.type == Type::text;
    string_indefinite_ = head.indefinite;
    text_.clear();
    if (head.indefinite) {
        state_ = State::chunk_head;
    } else {
        TRY(begin_chunk(head.argument));
    }
    if (string_is_text_) return std::nullopt;
    Event event{.kind = EventKind::bytes_begin};
    if (!head.indefinite) event.size = head.argument;
    return event;
}

// The content of a string of known length, or of one chunk of the other kind.
Result<void> StreamReader::begin_chunk(std::uint64_t size) {
    if (string_is_text_ && size > limits_.text_bytes_max - text_.size())
        return fail(ErrorKind::too_large, "cbor.too_large",
                    fmt::format("a CBOR text string may have at most {} bytes here",
                                limits_.text_bytes_max));
    chunk_at_ = text_.size();
    string_left_ = size;
    state_ = State::string_content;
    return ok();
}

Result<std::optional<Event>> StreamReader::step_string_content() {
    if (string_left_ > 0) {
        if (piece_.empty()) return Event{.kind = EventKind::need_more};
        const ByteView chunk =
            take(static_cast<std::size_t>(std::min<std::uint64_t>(string_left_, piece_.size())));
        string_left_ -= chunk.size();
        if (!string_is_text_) return Event{.kind = EventKind::bytes_chunk, .bytes = chunk};
        text_ += as_text(chunk);
        return std::nullopt;
    }
    if (string_is_text_ && !utf8::is_valid(as_bytes(text_).subspan(chunk_at_)))
        return malformed("a CBOR text string is not valid UTF-8");
    if (!string_indefinite_) return string_end();
    state_ = State::chunk_head;
    return std::nullopt;
}

Result<std::optional<Event>> StreamReader::step_chunk_head() {
    const std::optional<Head> head = TRY(take_head());
    if (!head) return Event{.kind = EventKind::need_more};
    if (head->type == Type::end_mark) return string_end();
    const Type type = string_is_text_ ? Type::text : Type::bytes;
    if (head->type != type || head->indefinite)
        return malformed("a CBOR string of indefinite length has a chunk of another kind");
    TRY(begin_chunk(head->argument));
    return std::nullopt;
}

Event StreamReader::string_end() {
    state_ = State::item;
    if (string_is_text_) return Event{.kind = EventKind::text, .text = text_};
    return Event{.kind = EventKind::bytes_end};
}

// A head, once all its bytes have come.
Result<std::optional<Head>> StreamReader::take_head() {
    if (piece_.empty()) return std::nullopt;
    if (head_have_ == 0) head_bytes_[head_have_++] = take(1)[0];
    const std::size_t size = std::max<std::size_t>(head_size(head_bytes_[0]), 1);
    const ByteView more = take(std::min(size - head_have_, piece_.size()));
    std::ranges::copy(more, head_bytes_ + head_have_);
    head_have_ += more.size();
    if (head_have_ < size) return std::nullopt;
    head_have_ = 0;
    return TRY(read_head(ByteView(head_bytes_, size)));
}

ByteView StreamReader::take(std::size_t n) {
    const ByteView out = piece_.first(n);
    piece_ = piece_.subspan(n);
    consumed_ += n;
    return out;
}

}  // namespace s4::codec::cbor
