#include "proto/foolscap/message_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "proto/foolscap/vocabulary.h"

namespace s4::proto::foolscap {
namespace {

bool is_text(TokenType type) {
    return type == TokenType::string || type == TokenType::vocabulary;
}

}  // namespace

std::unexpected<std::variant<MessageReader::Violation, Error>> MessageReader::violate(
    std::string text) {
    return std::unexpected<std::variant<Violation, Error>>(Violation{std::move(text)});
}

std::unexpected<std::variant<MessageReader::Violation, Error>> MessageReader::malformed(
    std::string_view text) const {
    return std::unexpected<std::variant<Violation, Error>>(
        Error(ErrorKind::invalid, "banana.malformed",
              fmt::format("BananaError(in {}): ('{}',)", where(), text)));
}

Result<void> MessageReader::feed(const Token& token) {
    events_.clear();
    next_event_ = 0;
    return settle(dispatch(token));
}

std::optional<ReadEvent> MessageReader::next() {
    if (next_event_ == events_.size()) return std::nullopt;
    return std::move(events_[next_event_++]);
}

Result<void> MessageReader::settle(Outcome outcome) {
    if (outcome) return ok();
    if (auto* error = std::get_if<Error>(&outcome.error())) return fail(std::move(*error));
    abandon(std::get<Violation>(outcome.error()).text);
    return ok();
}

// Gives up the message: what is open of it is skipped up to its CLOSE.
void MessageReader::abandon(std::string_view text) {
    const std::optional<Kind> kind =
        frames_.empty() ? std::nullopt : std::optional(frames_.front().kind);
    for (const std::uint64_t clid : message_.references) host_.reference_dropped(clid);
    if (message_.first_stream) events_.push_back(StreamsBroken{message_.first_stream});
    if (kind && message_.request) {
        if (*kind == Kind::call && text != "ABORT received")
            events_.push_back(CallRefused{*message_.request, Failure::violation(where(), text)});
        if (*kind != Kind::call)
            events_.push_back(AnswerRead{*message_.request, Failure::violation(where(), text)});
    }
    discarding_ = frames_.size() + (in_open_ ? 1 : 0);
    frames_.clear();
    in_open_ = false;
    message_ = {};
    remembered_.clear();
    streaming_.reset();
    string_.clear();
}

std::string MessageReader::where() const {
    std::string out = "<RootUnslicer>";
    if (frames_.empty()) return out;
    if (frames_.front().kind != Kind::call) {
        const std::string_view name = frames_.front().kind == Kind::answer ? "answer" : "error";
        const std::string number = message_.request ? std::to_string(*message_.request) : "?";
        return out + fmt::format(".<{}-{}>", name, number);
    }
    out += ".<methodcall";
    if (message_.stage >= 1) out += fmt::format(" reqID={}", *message_.request);
    if (message_.stage >= 2)
        out += " iface=" +
               (message_.target.interface_name.empty() ? "[none]" : message_.target.interface_name);
    if (message_.stage >= 3) out += " methodname=" + message_.method;
    out += ">";
    if (frames_.size() < 2) return out;
    if (message_.keyword) return out + fmt::format(".<arguments arg[{}]>", *message_.keyword);
    if (!message_.positional_count) return out + ".<arguments>";
    return out + fmt::format(".<arguments arg[{}]>", message_.arguments.positional.size());
}

MessageReader::Outcome MessageReader::dispatch(const Token& token) {
    if (token.type == TokenType::open) return on_open(token);
    if (discarding_ > 0) {
        if (token.type == TokenType::close) --discarding_;
        return {};
    }
    if (token.type == TokenType::close) return on_close(token);
    if (token.type == TokenType::abort) return violate("ABORT received");
    if (in_open_) return on_opentype(token);
    if (token.type != TokenType::string || token.first)
        if (auto allowed = check_place(token.type); !allowed) return allowed;
    switch (token.type) {
        case TokenType::string:
            return on_string(token);
        case TokenType::vocabulary: {
            const auto word = vocabulary_word(vocabulary_table_, token.number);
            if (!word) return malformed("unknown vocabulary index");
            if (auto fits = charge(1, word->size()); !fits) return fits;
            return accept(Value::bytes(*word));
        }
        case TokenType::integer:
        case TokenType::negative: {
            if (auto fits = charge(1, 0); !fits) return fits;
            ByteWriter magnitude;
            return accept(Value::big_integer(token.type == TokenType::negative,
                                             magnitude.u64(token.number).view()));
        }
        case TokenType::long_integer:
        case TokenType::long_negative:
            if (token.oversized)
                return violate(fmt::format("LONGINT token too large: {}>{}", token.number,
                                           kLongIntegerBytesMax));
            if (auto fits = charge(1, token.body.size()); !fits) return fits;
            return accept(Value::big_integer(token.type == TokenType::long_negative, token.body));
        case TokenType::floating:
            if (auto fits = charge(1, 0); !fits) return fits;
            return accept(Value::floating(token.floating));
        default:
            UNREACHABLE("the decoder and the broker keep the other tokens");
    }
}

// Which tokens may stand where. What the reference treats as a broken stream is an Error here too.
MessageReader::Outcome MessageReader::check_place(TokenType type) const {
    if (frames_.empty()) {
        if (type != TokenType::open) return malformed("top-level must be OPEN");
        return {};
    }
    const Frame& top = frames_.back();
    switch (top.kind) {
        case Kind::call:
            return check_call_place(type);
        case Kind::arguments:
            return check_arguments_place(type);
        case Kind::answer:
        case Kind::error:
            if (message_.stage == 0 && type != TokenType::integer)
                return malformed("request ID must be an INT");
            if (message_.stage == 2) return malformed("stop sending me stuff!");
            return {};
        case Kind::unicode:
            if (!is_text(type)) return malformed("UnicodeUnslicer only accepts strings");
            if (!top.items.empty()) return malformed("already received a string");
            return {};
        case Kind::boolean:
            if (type != TokenType::integer || !top.items.empty())
                return malformed("BooleanUnslicer only accepts an INT token");
            return {};
        case Kind::none:
            return malformed("NoneUnslicer does not accept any tokens");
        case Kind::reference:
            if (type != TokenType::integer || !top.items.empty())
                return malformed("ReferenceUnslicer only accepts INTs");
            return {};
        case Kind::my_reference:
            if (top.items.size() == 3) return violate("too many parameters in my-reference");
            if (top.items.empty() && type != TokenType::integer && type != TokenType::negative)
                return malformed("reference ID must be an INT or NEG");
            if (!top.items.empty() && !is_text(type))
                return violate("a my-reference holds a number and texts");
            return {};
        case Kind::your_reference:
            if (!top.items.empty() || (type != TokenType::integer && type != TokenType::negative))
                return malformed("your-reference ID must be an INT or NEG");
            return {};
        case Kind::copyable:
            if ((top.items.empty() || top.items.size() % 2 == 1) && !is_text(type))
                return malformed("attribute names must be strings");
            return {};
        case Kind::list:
        case Kind::tuple:
        case Kind::set:
        case Kind::immutable_set:
        case Kind::dict:
        case Kind::their_reference:
            return {};
    }
    UNREACHABLE("every kind of frame is listed");
}

MessageReader::Outcome MessageReader::check_call_place(TokenType type) const {
    switch (message_.stage) {
        case 0:
            if (type != TokenType::integer) return malformed("request ID must be an INT");
            return {};
        case 1:
            if (type != TokenType::integer && type != TokenType::negative)
                return malformed("object ID must be an INT/NEG");
            return {};
        case 2:
            if (!is_text(type)) return malformed("method name must be a STRING");
            return {};
        case 3:
            if (type != TokenType::open)
                return malformed("arguments must be an arguments sequence");
            return {};
        default:
            return malformed("too many objects given to CallUnslicer");
    }
}

MessageReader::Outcome MessageReader::check_arguments_place(TokenType type) const {
    if (!message_.positional_count) {
        if (type != TokenType::integer) return malformed("posarg count must be an INT");
        return {};
    }
    if (message_.arguments.positional.size() < *message_.positional_count) return {};
    if (!message_.keyword && !is_text(type)) return malformed("kwarg name must be a STRING");
    return {};
}

MessageReader::Outcome MessageReader::on_open(const Token& token) {
    ++opens_;
    if (discarding_ > 0) {
        ++discarding_;
        return {};
    }
    if (in_open_) return malformed("OPEN token followed by OPEN");
    in_open_ = true;
    open_count_ = token.number;
    if (auto allowed = check_place(TokenType::open); !allowed) return allowed;
    if (frames_.size() == kNestingMax) return violate("nested too deeply");
    return {};
}

MessageReader::Outcome MessageReader::on_opentype(const Token& token) {
    if (token.type == TokenType::vocabulary) {
        const auto word = vocabulary_word(vocabulary_table_, token.number);
        if (!word) return malformed("unknown vocabulary index");
        return open_frame(*word);
    }
    if (token.type != TokenType::string)
        return violate(fmt::format("index token 0x{:02x} not STRING or VOCAB",
                                   static_cast<unsigned>(token.type)));
    if (token.number > kOpentypeBytesMax)
        return violate(fmt::format("first opentype STRING token is too long, {}>{}", token.number,
                                   kOpentypeBytesMax));
    if (token.first) string_.clear();
    append(string_, token.body);
    if (token.remaining > 0) return {};
    return open_frame(std::string(as_text(string_)));
}

MessageReader::Outcome MessageReader::open_frame(std::string_view opentype) {
    constexpr std::pair<std::string_view, Kind> values[] = {
        {"list", Kind::list},
        {"tuple", Kind::tuple},
        {"set", Kind::set},
        {"immutable-set", Kind::immutable_set},
        {"dict", Kind::dict},
        {"unicode", Kind::unicode},
        {"boolean", Kind::boolean},
        {"none", Kind::none},
        {"reference", Kind::reference},
        {"copyable", Kind::copyable},
        {"my-reference", Kind::my_reference},
        {"your-reference", Kind::your_reference},
        {"their-reference", Kind::their_reference},
    };
    constexpr std::pair<std::string_view, Kind> messages[] = {
        {"call", Kind::call}, {"answer", Kind::answer}, {"error", Kind::error}};

    const auto push = [this](Kind kind) -> Outcome {
        frames_.push_back({.kind = kind,
                           .open_count = open_count_,
                           .object = opens_ - 1,
                           .items = {},
                           .seen = {},
                           .values_before = message_.values,
                           .bytes_before = message_.bytes});
        in_open_ = false;
        return {};
    };
    if (frames_.empty()) {
        for (const auto& [name, kind] : messages)
            if (name == opentype) return push(kind);
        return violate(fmt::format("unknown top-level OPEN type {}", opentype));
    }
    if (frames_.back().kind == Kind::call) {
        if (opentype == "arguments") return push(Kind::arguments);
        return malformed("arguments must be an arguments sequence");
    }
    for (const auto& [name, kind] : values) {
        if (name != opentype) continue;
        if (kind == Kind::their_reference) return violate("gifts are prohibited in this Tub");
        return push(kind);
    }
    return violate(fmt::format("unknown OPEN type {}", opentype));
}

MessageReader::Outcome MessageReader::on_close(const Token& token) {
    if (in_open_) return malformed("CLOSE token followed OPEN");
    if (frames_.empty()) return malformed(fmt::format("lost sync, got CLOSE({})", token.number));
    if (frames_.back().open_count != token.number)
        return malformed(fmt::format("lost sync, got CLOSE({}) but expecting {}", token.number,
                                     frames_.back().open_count));
    if (frames_.size() == 1) return close_message(frames_.back().kind);
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    return close_frame(std::move(frame));
}

MessageReader::Outcome MessageReader::on_string(const Token& token) {
    if (token.first)
        if (auto begun = begin_string(token); !begun) return begun;
    const bool last = token.remaining == 0;
    if (streaming_) {
        events_.push_back(StreamPiece{*streaming_, token.body, last});
        if (!last) return {};
        const StreamId stream = *std::exchange(streaming_, std::nullopt);
        return accept(StreamedBytes{stream, token.number});
    }
    append(string_, token.body);
    if (!last) return {};
    return accept(Value::bytes(std::exchange(string_, {})));
}

MessageReader::Outcome MessageReader::begin_string(const Token& token) {
    string_.clear();
    if (streams_here(token.number)) {
        if (auto fits = charge(1, 0); !fits) return fits;
        streaming_ = StreamId{next_stream_++};
        if (!message_.first_stream) message_.first_stream = *streaming_;
        events_.push_back(StreamBegan{*streaming_, token.number, message_.target.object,
                                      message_.method, message_.arguments});
        return {};
    }
    if (token.number > string_limit())
        return violate(fmt::format("string too long ({} > {})", token.number, string_limit()));
    if (auto fits = charge(1, token.number); !fits) return fits;
    // Room for what came, not for what was announced: a peer that announces and falls silent should
    // not cost memory.
    string_.reserve(token.body.size());
    return {};
}

std::size_t MessageReader::string_limit() const {
    const Frame& top = frames_.back();
    switch (top.kind) {
        case Kind::call:
            return kMethodNameBytesMax;
        case Kind::arguments:
            if (message_.arguments.positional.size() == message_.positional_count &&
                !message_.keyword)
                return kMethodNameBytesMax;
            break;
        case Kind::my_reference:
            return top.items.size() == 1 ? kInterfaceNameBytesMax : kFurlBytesMax;
        case Kind::copyable:
            return kFailureTracebackBytesMax;
        default:
            break;
    }
    return limits_.message_bytes_max;
}

// Streamed are large strings that stand for a value; never keys and members, which are compared.
bool MessageReader::streams_here(std::uint64_t size) const {
    if (message_.mode != ArgumentMode::streamed || message_.stage != 3) return false;
    if (size < kStreamedStringBytesMin) return false;
    if (frames_.back().kind == Kind::arguments && !message_.keyword &&
        message_.arguments.positional.size() == message_.positional_count)
        return false;
    return std::all_of(frames_.begin() + 1, frames_.end(), [](const Frame& frame) {
        if (frame.kind == Kind::dict) return frame.items.size() % 2 == 1;
        return frame.kind == Kind::arguments || frame.kind == Kind::list ||
               frame.kind == Kind::tuple;
    });
}

MessageReader::Outcome MessageReader::charge(std::size_t values, std::size_t bytes) {
    message_.values += values;
    message_.bytes += bytes;
    if (message_.values > limits_.message_values_max)
        return violate(
            fmt::format("more than {} values in one message", limits_.message_values_max));
    if (message_.bytes > limits_.message_bytes_max)
        return violate(fmt::format("more than {} bytes in one message", limits_.message_bytes_max));
    return {};
}

}  // namespace s4::proto::foolscap
