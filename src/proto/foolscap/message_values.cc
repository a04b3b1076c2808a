// The second half of the reader: finished values, and the messages that they make.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/utf8.h"
#include "proto/foolscap/message_reader.h"
#include "proto/foolscap/message_writer.h"

namespace s4::proto::foolscap {
namespace {

constexpr std::string_view kFailureClass = "twisted.python.failure.Failure";
constexpr std::size_t kValueOverheadBytes = 64;  // what one held value costs besides its bytes

bool is_hashable(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::list:
        case Value::Kind::set:
        case Value::Kind::dict:
            return false;
        case Value::Kind::tuple:
            return std::all_of(value.as_tuple()->begin(), value.as_tuple()->end(), is_hashable);
        default:
            return true;
    }
}

// Equal for equal values: the value as it would be sent on a fresh connection.
std::string fingerprint(const Value& value) {
    class ByObject final : public Exporter {
        Export export_object(const Referenceable& object) override {
            return {static_cast<std::uint64_t>(object.object.value), false};
        }
    };
    ByObject exporter;
    Encoder encoder(0);
    write_value(encoder, exporter, value);
    return to_string(encoder.out());
}

std::string to_text(const Value& value) {
    return to_string(*value.as_bytes());
}

}  // namespace

// Gives a finished value to the sequence that it stands in.
MessageReader::Outcome MessageReader::accept(Value value) {
    Frame& top = frames_.back();
    switch (top.kind) {
        case Kind::call:
            return accept_in_call(std::move(value));
        case Kind::answer:
        case Kind::error:
            return accept_in_reply(std::move(value));
        case Kind::arguments:
            return accept_in_arguments(std::move(value));
        case Kind::dict:
            return accept_in_dict(top, std::move(value));
        case Kind::set:
        case Kind::immutable_set:
            return accept_in_set(top, std::move(value));
        case Kind::list:
        case Kind::tuple:
        case Kind::unicode:
        case Kind::boolean:
        case Kind::none:
        case Kind::reference:
        case Kind::copyable:
        case Kind::my_reference:
        case Kind::your_reference:
        case Kind::their_reference:
            top.items.push_back(std::move(value));
            return {};
    }
    UNREACHABLE("every kind of frame is listed");
}

MessageReader::Outcome MessageReader::accept_in_call(Value value) {
    switch (message_.stage++) {
        case 0:
            message_.request = *value.as_u64();
            if (*message_.request != 0 && host_.request_is_active(*message_.request))
                return malformed("request ID is in use");
            return {};
        case 1: {
            const auto clid = value.as_u64();
            auto target = clid ? host_.find_target(*clid) : std::nullopt;
            if (!target) {
                message_.stage = 1;
                return violate(fmt::format("unknown CLID {}", value.as_i64().value_or(-1)));
            }
            message_.clid = *clid;
            message_.target = *std::move(target);
            return {};
        }
        default:
            message_.method = to_text(value);
            message_.mode = host_.argument_mode(message_.target.object, message_.method);
            if (message_.mode == ArgumentMode::refused)
                return violate(fmt::format("method '{}' not defined in {}", message_.method,
                                           message_.target.interface_name));
            return {};
    }
}

MessageReader::Outcome MessageReader::accept_in_reply(Value value) {
    if (message_.stage++ == 0) {
        const std::uint64_t request = *value.as_u64();
        if (!host_.own_request_is_active(request))
            return violate(fmt::format("non-existent reqID '{}'", request));
        message_.request = request;
        return {};
    }
    if (frames_.back().kind == Kind::error && value.as_failure() == nullptr)
        return violate("an error holds a Failure");
    message_.value = std::move(value);
    return {};
}

MessageReader::Outcome MessageReader::accept_in_arguments(Value value) {
    Arguments& arguments = message_.arguments;
    if (!message_.positional_count) {
        message_.positional_count = *value.as_u64();
        if (*message_.positional_count > limits_.message_values_max)
            return violate("too many positional arguments");
        return {};
    }
    if (arguments.positional.size() < *message_.positional_count) {
        arguments.positional.push_back(std::move(value));
        return {};
    }
    if (!message_.keyword) {
        std::string name = to_text(value);
        for (const auto& [known, unused] : arguments.keyword)
            if (known == name)
                return violate(fmt::format("got multiple values for keyword argument '{}'", name));
        message_.keyword = std::move(name);
        return {};
    }
    arguments.keyword.emplace_back(*std::exchange(message_.keyword, std::nullopt),
                                   std::move(value));
    return {};
}

MessageReader::Outcome MessageReader::accept_in_dict(Frame& frame, Value value) {
    if (frame.items.size() % 2 == 0) {
        if (!is_hashable(value)) return malformed("unhashable key");
        if (!frame.seen.insert(fingerprint(value)).second) return malformed("duplicate key");
    }
    frame.items.push_back(std::move(value));
    return {};
}

// A member that comes twice is there once.
MessageReader::Outcome MessageReader::accept_in_set(Frame& frame, Value value) {
    if (!is_hashable(value)) return malformed("unhashable member");
    if (frame.seen.insert(fingerprint(value)).second) frame.items.push_back(std::move(value));
    return {};
}

MessageReader::Outcome MessageReader::close_message(Kind kind) {
    if (kind == Kind::call) {
        if (message_.stage != 4) return malformed("call sequence ended too early");
        events_.push_back(
            CallRead{.request = *message_.request,
                     .object = message_.target.object,
                     .interface_name = std::move(message_.target.interface_name),
                     .method = std::move(message_.method),
                     .arguments = std::move(message_.arguments),
                     .held_bytes = message_.bytes + message_.values * kValueOverheadBytes});
    } else {
        if (message_.stage != 2) return malformed("sequence ended too early");
        AnswerRead answer{*message_.request, {}};
        if (kind == Kind::error) {
            answer.outcome = *message_.value->as_failure();
        } else {
            answer.outcome = *std::move(message_.value);
        }
        events_.push_back(std::move(answer));
    }
    frames_.clear();
    message_ = {};
    remembered_.clear();
    return {};
}

MessageReader::Outcome MessageReader::close_frame(Frame frame) {
    switch (frame.kind) {
        case Kind::arguments:
            if (!message_.positional_count || message_.keyword ||
                message_.arguments.positional.size() < *message_.positional_count)
                return malformed("arguments sequence ended too early");
            message_.stage = 4;
            return {};
        case Kind::list:
            return finish_container(frame, Value::list(std::move(frame.items)));
        case Kind::tuple:
            return finish_container(frame, Value::tuple(std::move(frame.items)));
        case Kind::set:
            return finish_container(frame, Value::set(std::move(frame.items)));
        case Kind::immutable_set:
            return finish_container(
                frame, Value::sequence(Value::Kind::immutable_set, std::move(frame.items)));
        case Kind::dict: {
            if (frame.items.size() % 2 == 1) return violate("a dict ended after a key");
            Value::Entries entries;
            entries.reserve(frame.items.size() / 2);
            for (std::size_t i = 0; i < frame.items.size(); i += 2)
                entries.emplace_back(std::move(frame.items[i]), std::move(frame.items[i + 1]));
            return finish_container(frame, Value::dict(std::move(entries)));
        }
        case Kind::unicode:
            if (frame.items.empty()) return malformed("unicode sequence ended too early");
            if (!codec::utf8::is_valid(*frame.items[0].as_bytes()))
                return violate("a unicode sequence is not UTF-8");
            return accept(Value::text(to_text(frame.items[0])));
        case Kind::boolean:
            if (frame.items.empty()) return malformed("boolean sequence ended too early");
            return accept(Value::boolean(frame.items[0] != Value::integer(0)));
        case Kind::none:
            if (auto fits = charge(1, 0); !fits) return fits;
            return accept(Value::none());
        case Kind::reference:
            return finish_reference(frame);
        case Kind::copyable:
            return finish_copyable(frame);
        case Kind::my_reference:
            return finish_my_reference(frame);
        case Kind::your_reference:
            return finish_your_reference(frame);
        case Kind::call:
        case Kind::answer:
        case Kind::error:
        case Kind::their_reference:
            break;
    }
    UNREACHABLE("messages are closed elsewhere, gifts never opened");
}

MessageReader::Outcome MessageReader::finish_container(const Frame& frame, Value value) {
    if (auto fits = charge(1, 0); !fits) return fits;
    remembered_.try_emplace(frame.object, Remembered{value, message_.values - frame.values_before,
                                                     message_.bytes - frame.bytes_before});
    return accept(std::move(value));
}

// The same object again. It costs what the first one did, so that a few references to references
// cannot stand for a tree that nobody could walk.
MessageReader::Outcome MessageReader::finish_reference(const Frame& frame) {
    if (frame.items.empty()) return malformed("reference sequence ended too early");
    const std::uint64_t number = *frame.items[0].as_u64();
    for (const Frame& open : frames_)
        if (open.object == number && open.kind != Kind::call)
            return violate("a value that holds itself is not supported");
    const auto found = remembered_.find(number);
    if (found == remembered_.end()) return violate(fmt::format("dangling reference {}", number));
    if (auto fits = charge(found->second.values, found->second.bytes); !fits) return fits;
    return accept(found->second.value);
}

MessageReader::Outcome MessageReader::finish_my_reference(const Frame& frame) {
    if (frame.items.empty()) return malformed("sequence ended too early");
    const auto clid = frame.items[0].as_u64();
    if (!clid) return violate("bound methods are not supported");
    const auto text = [&frame](std::size_t i) {
        return frame.items.size() > i ? std::optional(to_text(frame.items[i])) : std::nullopt;
    };
    auto reference = host_.reference_received(*clid, text(1), text(2));
    if (!reference) {
        if (reference.error().is("foolscap.wrong_tub"))
            return malformed(reference.error().message());
        return violate(reference.error().message());
    }
    message_.references.push_back(*clid);
    return accept(*std::move(reference));
}

MessageReader::Outcome MessageReader::finish_your_reference(const Frame& frame) {
    if (frame.items.empty()) return malformed("sequence ended too early");
    const auto clid = frame.items[0].as_u64();
    auto target = clid && *clid != 0 ? host_.find_target(*clid) : std::nullopt;
    if (!target)
        return violate(fmt::format("unknown clid '{}'", frame.items[0].as_i64().value_or(-1)));
    return accept(Referenceable{target->object, std::move(target->interface_name)});
}

MessageReader::Outcome MessageReader::finish_copyable(const Frame& frame) {
    if (frame.items.empty() || to_text(frame.items[0]) != kFailureClass)
        return violate("unknown RemoteCopy name");
    Failure failure;
    unsigned seen = 0;
    for (std::size_t i = 1; i + 1 < frame.items.size(); i += 2) {
        const std::string key = to_text(frame.items[i]);
        const Value& value = frame.items[i + 1];
        const auto text = [&value](std::string& into, std::size_t limit) {
            const auto bytes = value.as_bytes();
            if (!bytes || bytes->size() > limit) return 0u;
            into = to_string(*bytes);
            return 1u;
        };
        if (key == "type") seen |= text(failure.type, kFailureTypeBytesMax) << 0;
        if (key == "value") seen |= text(failure.value, kFailureValueBytesMax) << 1;
        if (key == "traceback") seen |= text(failure.traceback, kFailureTracebackBytesMax) << 2;
        if (key != "parents") continue;
        const auto* parents = value.as_list();
        if (parents == nullptr || parents->size() > kFailureParentsMax) continue;
        seen |= 1u << 3;
        for (const Value& parent : *parents) {
            const auto bytes = parent.as_bytes();
            if (!bytes || bytes->size() > kFailureParentBytesMax)
                return violate("a Failure's parents are short byte strings");
            failure.parents.push_back(to_string(*bytes));
        }
    }
    if (seen != 15 || frame.items.size() != 9)
        return violate("a Failure has exactly type, value, traceback and parents");
    return accept(std::move(failure));
}

}  // namespace s4::proto::foolscap
