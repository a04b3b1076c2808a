#include "control/messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace s4::control {

namespace json = codec::json;

namespace {

std::unexpected<Error> bad_request(std::string message) {
    return fail(ErrorKind::invalid, "control.bad_request", std::move(message));
}

// An Error's code lives for ever, a code that came over the socket does not: it is kept in the
// message instead.
constexpr std::string_view kRemoteCode = "control.refused";

constexpr std::array kKinds{ErrorKind::invalid,     ErrorKind::unauthorized, ErrorKind::not_found,
                            ErrorKind::conflict,    ErrorKind::too_large,    ErrorKind::no_space,
                            ErrorKind::unavailable, ErrorKind::timeout,      ErrorKind::cancelled,
                            ErrorKind::closed,      ErrorKind::corrupt,      ErrorKind::io,
                            ErrorKind::unsupported};

ErrorKind kind_of(std::string_view name) {
    const auto found =
        std::ranges::find_if(kKinds, [&](ErrorKind kind) { return to_string(kind) == name; });
    return found == kKinds.end() ? ErrorKind::unavailable : *found;
}

std::string line_of(std::string_view name, json::Value value) {
    return json::to_text(json::Object{{std::string(name), std::move(value)}}) + "\n";
}

}  // namespace

Result<std::optional<std::string>> LineReader::next() {
    const auto end = std::ranges::find(pending_, std::uint8_t{'\n'});
    if (end == pending_.end()) {
        if (pending_.size() > kLineBytesMax) return bad_request("a line is longer than 1 MiB");
        return std::nullopt;
    }
    std::string line(pending_.begin(), end);
    pending_.erase(pending_.begin(), end + 1);
    if (line.size() > kLineBytesMax) return bad_request("a line is longer than 1 MiB");
    return line;
}

Result<Request> parse_request(std::string_view line) {
    auto parsed = json::parse(line);
    if (!parsed)
        return bad_request("a request is one line with a JSON object: " + parsed.error().message());
    const json::Value* command = parsed->find("command");
    if (command == nullptr || command->as_string() == nullptr)
        return bad_request("a request has a member \"command\" with the command's name");
    return Request{*command->as_string(), std::move(*parsed)};
}

std::unexpected<Error> unknown_command(const Request& request) {
    return bad_request(fmt::format(
        "the server knows no command '{}'; use the s4 that runs as the server", request.command));
}

Result<std::string> Request::text(std::string_view member) const {
    auto value = optional_text(member);
    if (!value) return bad_request(fmt::format("{} takes a text \"{}\"", command, member));
    return std::move(*value);
}

Result<std::int64_t> Request::number(std::string_view member) const {
    const json::Value* value = members.find(member);
    const auto number = value == nullptr ? std::nullopt : value->as_int64();
    if (!number || !value->is_integer())
        return bad_request(fmt::format("{} takes a whole number \"{}\"", command, member));
    return *number;
}

std::optional<std::string> Request::optional_text(std::string_view member) const {
    const json::Value* value = members.find(member);
    if (value == nullptr || value->as_string() == nullptr) return std::nullopt;
    return *value->as_string();
}

bool Request::flag(std::string_view member) const {
    const json::Value* value = members.find(member);
    return value != nullptr && value->as_bool().value_or(false);
}

std::string progress_line(std::string_view text) {
    return line_of("progress", text);
}
std::string ok_line(json::Value value) {
    return line_of("ok", std::move(value));
}
std::string error_line(const Error& error) {
    return line_of("error", json::Object{{"code", error.code()},
                                         {"kind", to_string(error.kind())},
                                         {"message", error.message()}});
}

Result<Answer> parse_answer(std::string_view line) {
    const auto bad = [] {
        return fail(ErrorKind::unsupported, "control.bad_answer",
                    "the server's answer is not understood; use the s4 that runs as the server");
    };
    auto parsed = json::parse(line);
    if (!parsed) return bad();
    if (const json::Value* progress = parsed->find("progress");
        progress != nullptr && progress->as_string() != nullptr)
        return Answer(Progress{*progress->as_string()});
    if (const json::Value* value = parsed->find("ok")) return Answer(*value);
    const json::Value* error = parsed->find("error");
    if (error == nullptr) return bad();
    const json::Value* kind = error->find("kind");
    const json::Value* message = error->find("message");
    if (kind == nullptr || message == nullptr || kind->as_string() == nullptr ||
        message->as_string() == nullptr)
        return bad();
    return Answer(Error(kind_of(*kind->as_string()), kRemoteCode, *message->as_string()));
}

}  // namespace s4::control
