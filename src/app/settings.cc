#include "app/settings.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>

namespace s4::app {
namespace {

constexpr std::array kSettings{
    Setting{"state", SettingKind::path, "s4-state", "",
            "Directory that holds everything: the database, the shares, the keys."},
    Setting{"gate", SettingKind::address, "127.0.0.1:8470", "",
            "Where Tahoe clients connect. Port 0 picks a free port and keeps it in the state "
            "directory."},
    Setting{"gate-public", SettingKind::address, "", "",
            "The address that grids announce, when it differs from --gate (behind a router or a "
            "load balancer)."},
    Setting{"web", SettingKind::address, "127.0.0.1:8480", "",
            "Where the pages are served. Off loopback it needs a certificate or --behind-proxy."},
    Setting{
        "web-public", SettingKind::text, "", "",
        "The pages' address as browsers reach it, when it differs from --web: https://s4.example"},
    Setting{"web-tls-cert", SettingKind::path, "", "",
            "Certificate chain (PEM) for the pages; with --web-tls-key."},
    Setting{"web-tls-key", SettingKind::path, "", "", "Private key (PEM) for the pages."},
    Setting{"behind-proxy", SettingKind::flag, "no", "",
            "The pages are served through a proxy that adds TLS; trust its X-Forwarded-For."},
    Setting{"admin", SettingKind::address, "127.0.0.1:8490", "",
            "Where /metrics, /healthz and /readyz are served."},
    Setting{"signup", SettingKind::choice, "open", "open closed",
            "Whether visitors may sign up; `s4 subscription create` always may."},
    Setting{"contact", SettingKind::text, "", "",
            "The e-mail address that the pages give to customers who need help."},
    Setting{
        "plans", SettingKind::path, "", "",
        "A JSON file with the plans that are sold, instead of the standard ones (docs/plans.md)."},
    Setting{"allow-test-payments", SettingKind::flag, "no", "",
            "Allow the test-mode payment step on an address off loopback, where strangers could "
            "use it."},
    Setting{"log-level", SettingKind::choice, "info", "debug info warning error",
            "What is logged, as JSON lines on standard error."},
    Setting{"drain", SettingKind::seconds, "20", "",
            "Seconds that requests under way get to end after SIGTERM."},
    Setting{"scrub-mib-per-s", SettingKind::count, "8", "",
            "MiB a second that the scrub reads at most while it verifies every share once in 30 "
            "days; 0 turns it off."},
    Setting{"ship-log", SettingKind::path, "", "",
            "A directory, best on another disk, that gets a second copy of the database, at most "
            "about a second behind; `s4 restore --log` takes it (docs/recovery.md)."},
    Setting{"threads", SettingKind::count, "4", "", "Threads for disk and database reads."},
};

// Environment names that are no settings: what scripts around the program use, and what its tests
// move the clock by (serve.cc).
constexpr std::array<std::string_view, 2> kForeignEnvironment{"S4_BIN", "S4_TEST_CLOCK_OFFSET_S"};

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorKind::invalid, "app.bad_setting", std::move(message));
}

std::string known_keys() {
    std::string out;
    for (const Setting& setting : kSettings) {
        if (!out.empty()) out += ", ";
        out += setting.key;
    }
    return out;
}

bool is_loopback(const rt::Endpoint& endpoint) {
    return endpoint.host == "localhost" || endpoint.host == "::1" ||
           endpoint.host.starts_with("127.");
}

bool is_any_address(const rt::Endpoint& endpoint) {
    return endpoint.host == "0.0.0.0" || endpoint.host == "::";
}

Result<std::uint32_t> parse_count(std::string_view key, std::string_view text,
                                  std::string_view unit) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
        return refuse(
            fmt::format("'{}' is not a value for {}; give a whole number{}", text, key, unit));
    return value;
}

Result<bool> parse_flag(std::string_view key, std::string_view text) {
    if (text == "yes" || text == "true" || text == "1") return true;
    if (text == "no" || text == "false" || text == "0") return false;
    return refuse(fmt::format("'{}' is not a value for {}; give yes or no", text, key));
}

Result<rt::Endpoint> parse_address(std::string_view key, std::string_view text) {
    auto endpoint = rt::Endpoint::parse(text);
    if (!endpoint) return refuse(fmt::format("{}: {}", key, endpoint.error().message()));
    return *endpoint;
}

Result<void> check_choice(const Setting& setting, std::string_view text) {
    std::string_view rest = setting.choices;
    while (!rest.empty()) {
        const std::size_t space = rest.find(' ');
        if (rest.substr(0, space) == text) return ok();
        rest = space == std::string_view::npos ? std::string_view{} : rest.substr(space + 1);
    }
    return refuse(fmt::format("'{}' is not a value for {}; give one of: {}", text, setting.key,
                              setting.choices));
}

Result<void> check_web_exposure(const ServeOptions& options) {
    if (options.web_tls_cert.has_value() != options.web_tls_key.has_value())
        return refuse("web-tls-cert and web-tls-key go together; give both or neither");
    if (is_loopback(options.web)) return ok();
    if (!options.web_tls_cert && !options.behind_proxy)
        return refuse(
            fmt::format("the pages would be served without TLS on {}; give --web-tls-cert and "
                        "--web-tls-key, or --behind-proxy if a "
                        "proxy adds TLS",
                        options.web.to_string()));
    if (!options.allow_test_payments)
        return refuse(
            fmt::format("payments are in test mode, so anyone who reaches {} could sign up without "
                        "paying; give --allow-test-payments "
                        "if that is meant, or serve the pages on loopback",
                        options.web.to_string()));
    return ok();
}

Result<void> check_web_public(const ServeOptions& options) {
    if (!options.web_public) return ok();
    const std::string& url = *options.web_public;
    if (!(url.starts_with("https://") || url.starts_with("http://")) || url.ends_with("/"))
        return refuse(
            fmt::format("'{}' is not a value for web-public; give the start of an address without "
                        "a slash at its end, for example "
                        "https://s4.example",
                        url));
    return ok();
}

Result<void> check_gate(const ServeOptions& options) {
    if (options.gate_public && options.gate_public->port == 0)
        return refuse(
            "gate-public is what clients are told, so its port cannot be 0; give the real one");
    if (is_any_address(options.gate) && !options.gate_public)
        return refuse(
            fmt::format("clients cannot connect to {}; give --gate-public HOST:PORT with the name "
                        "or address that they can reach",
                        options.gate.host));
    return ok();
}

// As the file system has it, with what links stand for.
std::string resolved(const std::string& path) {
    std::error_code error;
    std::string out = std::filesystem::weakly_canonical(path, error).string();
    while (out.size() > 1 && out.ends_with('/')) out.pop_back();
    return error ? path : out;
}

Result<void> check_ship_log(const ServeOptions& options) {
    if (!options.ship_log) return ok();
    const std::string directory = resolved(*options.ship_log);
    const std::string state = resolved(options.state);
    if (directory == state || directory.starts_with(state + "/"))
        return refuse(
            fmt::format("ship-log: {} lies in the state directory and would be lost with it; give "
                        "a directory elsewhere, best on another disk",
                        *options.ship_log));
    return ok();
}

}  // namespace

std::span<const Setting> settings() {
    return kSettings;
}

const Setting* find_setting(std::string_view key) {
    const auto it = std::ranges::find(kSettings, key, &Setting::key);
    return it == kSettings.end() ? nullptr : &*it;
}

std::string environment_name(std::string_view key) {
    std::string out = "S4_";
    for (const char c : key)
        out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
}

Result<SettingValues> parse_settings_file(std::string_view text, std::string_view name) {
    SettingValues out;
    try {
        const YAML::Node root = YAML::Load(std::string(text));
        if (root.IsNull()) return out;
        if (!root.IsMap())
            return refuse(
                fmt::format("{} is not a list of settings; write `key: value` lines", name));
        for (const auto& entry : root) {
            const auto key = entry.first.as<std::string>();
            if (find_setting(key) == nullptr)
                return refuse(fmt::format("{}: '{}' is not a setting; there are: {}", name, key,
                                          known_keys()));
            if (!entry.second.IsScalar())
                return refuse(
                    fmt::format("{}: {} takes one value, not a list or a group", name, key));
            out[key] = entry.second.as<std::string>();
        }
    } catch (const YAML::Exception& error) {
        return refuse(fmt::format("{}, line {}: {}", name, error.mark.line + 1, error.msg));
    }
    return out;
}

Result<SettingValues> settings_from_environment(std::span<const std::string> environment) {
    SettingValues out;
    for (const std::string& entry : environment) {
        if (!entry.starts_with("S4_")) continue;
        const std::string_view variable = std::string_view(entry).substr(0, entry.find('='));
        if (variable.size() == entry.size()) continue;
        if (std::ranges::find(kForeignEnvironment, variable) != kForeignEnvironment.end()) continue;
        const auto setting = std::ranges::find_if(
            kSettings, [&](const Setting& s) { return environment_name(s.key) == variable; });
        if (setting == kSettings.end())
            return refuse(
                fmt::format("the environment has {}, which is not a setting; there are: {}",
                            variable, known_keys()));
        out[std::string(setting->key)] = entry.substr(variable.size() + 1);
    }
    return out;
}

Result<ServeOptions> make_serve_options(std::span<const SettingValues> layers) {
    const auto text = [&](std::string_view key) -> std::string {
        for (const SettingValues& layer : layers)
            if (const auto it = layer.find(key); it != layer.end()) return it->second;
        return std::string(find_setting(key)->fallback);
    };
    const auto optional_text = [&](std::string_view key) -> std::optional<std::string> {
        std::string value = text(key);
        if (value.empty()) return std::nullopt;
        return value;
    };
    for (const Setting& setting : kSettings)
        if (setting.kind == SettingKind::choice) TRY(check_choice(setting, text(setting.key)));

    ServeOptions out;
    out.state = text("state");
    if (out.state.empty())
        return refuse("state is empty; give the directory that holds the service's data");
    while (out.state.size() > 1 && out.state.ends_with('/')) out.state.pop_back();
    out.gate = TRY(parse_address("gate", text("gate")));
    if (const auto announced = optional_text("gate-public"))
        out.gate_public = TRY(parse_address("gate-public", *announced));
    out.web = TRY(parse_address("web", text("web")));
    out.admin = TRY(parse_address("admin", text("admin")));
    out.web_public = optional_text("web-public");
    out.web_tls_cert = optional_text("web-tls-cert");
    out.web_tls_key = optional_text("web-tls-key");
    out.behind_proxy = TRY(parse_flag("behind-proxy", text("behind-proxy")));
    out.signup_open = text("signup") == "open";
    out.contact = text("contact");
    out.plans = optional_text("plans");
    out.allow_test_payments = TRY(parse_flag("allow-test-payments", text("allow-test-payments")));
    const std::string level = text("log-level");
    out.log_level = level == "debug"     ? log::Level::debug
                    : level == "info"    ? log::Level::info
                    : level == "warning" ? log::Level::warning
                                         : log::Level::error;
    out.drain = std::chrono::seconds(TRY(parse_count("drain", text("drain"), " of seconds")));
    out.scrub_bytes_per_s =
        kMiB * TRY(parse_count("scrub-mib-per-s", text("scrub-mib-per-s"), " of MiB a second"));
    out.threads = TRY(parse_count("threads", text("threads"), " from 1 to 64"));
    if (out.threads < 1 || out.threads > 64)
        return refuse("threads takes a whole number from 1 to 64");
    out.ship_log = optional_text("ship-log");
    TRY(check_ship_log(out));
    TRY(check_gate(out));
    TRY(check_web_exposure(out));
    TRY(check_web_public(out));
    return out;
}

}  // namespace s4::app
