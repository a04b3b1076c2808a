#include "app/serve.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "app/ask.h"
#include "app/node.h"
#include "rt/asio/posix_files.h"

namespace s4::app {
namespace {

constexpr std::uint64_t kSettingsFileBytesMax = 1 * kMiB;

Result<ServeOptions> read_options(const ServeCommand& command,
                                  std::span<const std::string> environment) {
    std::array<SettingValues, 3> layers {
        command.flags, TRY(settings_from_environment(environment))
        , {}
    };
    if (command.config_file) {
        rt::asio::PosixFiles files;
        const ByteBuffer content =
            TRY(rt::read_file(files, *command.config_file, kSettingsFileBytesMax));
        layers[2] = TRY(parse_settings_file(as_text(content), *command.config_file));
    }
    return make_serve_options(layers);
}

// For tests of what takes weeks (docs/decisions/0006): a setting that no help, flag or file
// knows, so that nobody sets it by accident.
Result<std::chrono::seconds> test_clock_offset(std::span<const std::string> environment) {
    constexpr std::string_view kName = "S4_TEST_CLOCK_OFFSET_S=";
    for (const std::string& entry : environment) {
        if (!entry.starts_with(kName)) continue;
        std::int64_t seconds = 0;
        const char* end = entry.data() + entry.size();
        const auto [at, error] = std::from_chars(entry.data() + kName.size(), end, seconds);
        if (error != std::errc{} || at != end)
            return fail(ErrorKind::invalid, "app.bad_setting",
                        "S4_TEST_CLOCK_OFFSET_S takes a whole number of seconds");
        return std::chrono::seconds(seconds);
    }
    return std::chrono::seconds(0);
}

void print_ready(const ReadyReport& report) {
    fmt::print("\nS4 is ready.\n\n");
    fmt::print("  Pages          {}/{}\n", report.pages_url,
               report.signup_open ? "" : "   (sign-up is closed)");
    fmt::print("  Tahoe clients  {}\n", report.announced);
    fmt::print("  Health         http://{}/healthz\n", report.addresses.admin.to_string());
    fmt::print("  State          {}\n", report.state);
    if (report.test_payments) fmt::print("\nPayments are in test mode: no money moves.\n");
    fmt::print("Ctrl-C stops it.\n\n");
    std::fflush(stdout);
}

rt::Task<void> run(Node& node, Result<void>& out) {
    out = co_await node.run(print_ready);
}

}  // namespace

int serve(const ServeCommand& command, std::span<const std::string> environment) {
    const Result<ServeOptions> options = read_options(command, environment);
    if (!options) {
        fmt::print(stderr, "s4: {}\n", options.error().message());
        return 1;
    }
    const Result<std::chrono::seconds> clock_offset = test_clock_offset(environment);
    if (!clock_offset) return failed(clock_offset.error());
    log::set_level(options->log_level);
    rt::asio::Backend backend(options->threads);
    if (clock_offset->count() != 0) {
        backend.shift_clock(*clock_offset);
        log::warning("app", "the clock is moved by S4_TEST_CLOCK_OFFSET_S: only for tests",
                     {{"seconds", clock_offset->count()}});
    }
    Result<void> served = ok();
    {
        Node node(backend, *options);
        backend.run(run(node, served));
    }
    if (!served) {
        fmt::print(stderr, "s4: {}\n", served.error().sentence());
        return 1;
    }
    return 0;
}

}  // namespace s4::app
