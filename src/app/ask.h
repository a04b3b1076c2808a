// What all subcommands of the operator share: asking the running server, reading its answer, and
// telling what failed. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace s4::app {

// Threads for files and sums, of a subcommand that works by itself.
inline constexpr std::size_t kToolThreads = 2;

// Sends one request to the server of the state directory `state`; progress goes to the terminal.
Result<codec::json::Value> ask(const std::string& state, codec::json::Object request);

// A subscription's number as it was typed. Errors: app.bad_subscription.
Result<std::int64_t> subscription_number(const std::string& text);

// A member of an answer as text; empty when it is missing.
std::string text_of(const codec::json::Value& value, std::string_view member);
// A member of an answer as "12.5 MB".
std::string bytes_of(const codec::json::Value& value, std::string_view member);

// Progress overwrites itself on a terminal and is left out elsewhere.
void print_progress(const std::string& text);
void end_progress();

// Prints the error; returns the exit code.
int failed(const Error& error);

}  // namespace s4::app
