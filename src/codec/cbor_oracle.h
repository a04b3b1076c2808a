// For tests and fuzzers: one document read by the whole-document reader and by the streaming
// reader, as the same list of events, and whether libcbor takes it for well-formed.
#pragma once

#include <cbor.h>

#include <optional>
#include <string>

#include "codec/cbor_stream.h"
#include "codec/hex.h"

namespace s4::codec::cbor::oracle {

// A document as text, or the code of the error that ended it.
struct Outcome {
    std::string events;
    std::string error;
    std::uint64_t consumed = 0;

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

inline Result<void> describe(Reader& in, std::string& out) {
    switch (TRY(in.peek())) {
        case Type::unsigned_int:
            out += "u" + std::to_string(TRY(in.unsigned_int())) + " ";
            return ok();
        case Type::bytes:
            out += "b" + hex::encode(TRY(in.bytes())) + " ";
            return ok();
        case Type::text:
            out += "t" + hex::encode(as_bytes(TRY(in.text()))) + " ";
            return ok();
        case Type::boolean:
            out += TRY(in.boolean())
            ? "true " : "false ";
            return ok();
        case Type::null:
            out += "null ";
            return in.null();
        case Type::tag:
            out += "#" + std::to_string(TRY(in.tag())) + " ";
            return describe(in, out);
        case Type::array:
            TRY(in.begin_array());
            out += "[ ";
            while (TRY(in.more())) TRY(describe(in, out));
            out += "] ";
            return ok();
        case Type::map:
            TRY(in.begin_map());
            out += "{ ";
            while (TRY(in.more())) {
                TRY(describe(in, out));
                TRY(describe(in, out));
            }
            out += "} ";
            return ok();
        case Type::negative_int:
        case Type::undefined:
        case Type::floating:
        case Type::end_mark:
            out += "other ";
            return in.skip();
        case Type::simple:
            out += "simple ";
            return in.skip();
    }
    return ok();
}

inline Outcome read_whole(ByteView document, const Limits& limits = {}) {
    Outcome out;
    Reader in(document, limits);
    if (const auto result = describe(in, out.events); !result)
        return {{}, std::string(result.error().code())};
    out.consumed = document.size() - in.trailing_bytes();
    return out;
}

// Feeds pieces whose sizes `piece_size` chooses (at least 1 each).
template <typename PieceSize>
Outcome read_stream(ByteView document, PieceSize piece_size, const Limits& limits = {}) {
    Outcome out;
    StreamReader in(limits);
    std::string closers;
    ByteBuffer string;
    for (;;) {
        const auto event = in.next();
        if (!event) return {{}, std::string(event.error().code())};
        switch (event->kind) {
            case EventKind::need_more: {
                if (document.empty()) return {{}, std::string(in.finish().error().code())};
                const std::size_t n = std::min<std::size_t>(document.size(), piece_size());
                in.feed(document.first(n));
                document = document.subspan(n);
                break;
            }
            case EventKind::unsigned_int:
                out.events += "u" + std::to_string(event->number) + " ";
                break;
            case EventKind::boolean:
                out.events += event->truth ? "true " : "false ";
                break;
            case EventKind::null:
                out.events += "null ";
                break;
            case EventKind::tag:
                out.events += "#" + std::to_string(event->number) + " ";
                break;
            case EventKind::text:
                out.events += "t" + hex::encode(as_bytes(event->text)) + " ";
                break;
            case EventKind::bytes_begin:
                string.clear();
                break;
            case EventKind::bytes_chunk:
                append(string, event->bytes);
                break;
            case EventKind::bytes_end:
                out.events += "b" + hex::encode(string) + " ";
                break;
            case EventKind::array_begin:
                out.events += "[ ";
                closers += ']';
                break;
            case EventKind::map_begin:
                out.events += "{ ";
                closers += '}';
                break;
            case EventKind::end:
                out.events += closers.back();
                out.events += ' ';
                closers.pop_back();
                break;
            case EventKind::negative_int:
            case EventKind::floating:
            case EventKind::undefined:
                out.events += "other ";
                break;
            case EventKind::simple:
                out.events += "simple ";
                break;
            case EventKind::done:
                out.consumed = in.consumed();
                return out;
        }
    }
}

// libcbor 0.8 knows no simple values but the four that have names, and none of the tags 6 to 20 in
// their short form.
inline bool libcbor_knows(const Outcome& outcome) {
    if (outcome.events.find("simple") != std::string::npos) return false;
    for (int tag = 6; tag <= 20; ++tag)
        if (outcome.events.find("#" + std::to_string(tag) + " ") != std::string::npos) return false;
    return true;
}

// How many bytes libcbor's tree builder takes for one item, or nothing if it refuses. It does not
// check UTF-8.
inline std::optional<std::uint64_t> libcbor_consumed(ByteView document) {
    cbor_load_result result{};
    cbor_item_t* item = cbor_load(document.data(), document.size(), &result);
    if (item == nullptr) return std::nullopt;
    cbor_decref(&item);
    return result.read;
}

}  // namespace s4::codec::cbor::oracle
