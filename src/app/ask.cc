#include "app/ask.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "app/state_directory.h"
#include "billing/plans.h"
#include "control/client.h"
#include "rt/asio/backend.h"

namespace s4::app {

namespace json = codec::json;

namespace {

rt::Task<void> call_server(rt::asio::Backend& backend, std::string socket, json::Object request,
                           Result<json::Value>& answer) {
    const rt::Context ctx;
    answer = co_await control::call(ctx, backend.runtime(), std::move(socket), std::move(request),
                                    print_progress);
}

}  // namespace

Result<json::Value> ask(const std::string& state, json::Object request) {
    rt::asio::Backend backend(kToolThreads);
    Result<json::Value> answer = json::Value();
    backend.run(
        call_server(backend, StateDirectory::control_path(state), std::move(request), answer));
    end_progress();
    return answer;
}

Result<std::int64_t> subscription_number(const std::string& text) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || at != end || number <= 0)
        return fail(
            ErrorKind::invalid, "app.bad_subscription",
            fmt::format("'{}' is no subscription; give a number as `s4 subscription list` shows it",
                        text));
    return number;
}

std::string text_of(const json::Value& value, std::string_view member) {
    const json::Value* found = value.find(member);
    if (found == nullptr) return "";
    if (found->as_string() != nullptr) return *found->as_string();
    return json::to_text(*found);
}

std::string bytes_of(const json::Value& value, std::string_view member) {
    const json::Value* found = value.find(member);
    return billing::format_bytes(found == nullptr ? 0 : found->as_uint64().value_or(0));
}

void print_progress(const std::string& text) {
    if (::isatty(STDERR_FILENO) == 0) return;
    fmt::print(stderr, "\r\033[K{}", text);
    std::fflush(stderr);
}

void end_progress() {
    if (::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
}

int failed(const Error& error) {
    end_progress();
    fmt::print(stderr, "s4: {}\n", error.sentence());
    return 1;
}

}  // namespace s4::app
