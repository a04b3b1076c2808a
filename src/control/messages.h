// The lines of the control socket (docs/formats/control.md), and their framing. LineReader takes
// bytes as they come; the rest are values. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/json.h"
#include "control/limits.h"

namespace s4::control {

// Cuts what a stream gives into lines.
class LineReader {
  public:
    void feed(ByteView bytes) { append(pending_, bytes); }
    // The next whole line without its end; nothing until more is fed. Errors: control.bad_request
    // for a line that is longer than kLineBytesMax.
    Result<std::optional<std::string>> next();

  private:
    ByteBuffer pending_;
};

struct Request {
    std::string command;
    codec::json::Value members;  // the whole object

    // Errors of these: control.bad_request, with a sentence that names the member.
    Result<std::string> text(std::string_view member) const;
    Result<std::int64_t> number(std::string_view member) const;
    std::optional<std::string> optional_text(std::string_view member) const;
    bool flag(std::string_view member) const;
};

Result<Request> parse_request(std::string_view line);
// The answer to a command that there is not.
std::unexpected<Error> unknown_command(const Request& request);

// Answers as lines, with their line feed.
std::string progress_line(std::string_view text);
std::string ok_line(codec::json::Value value);
std::string error_line(const Error& error);

struct Progress {
    std::string text;
};
using Answer = std::variant<Progress, codec::json::Value, Error>;
// Errors: control.bad_answer.
Result<Answer> parse_answer(std::string_view line);

}  // namespace s4::control
