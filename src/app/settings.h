// The service's settings, described once: this table makes the flags of `s4 serve`, the names of
// environment variables, the keys that a configuration file may hold, their help and their checks.
//
//   --gate-public HOST:PORT      S4_GATE_PUBLIC=HOST:PORT      gate-public: HOST:PORT
//
// A flag goes before the environment, that before the file, that before the default. An unknown
// key, or a value that its setting does not take, is refused with a sentence that names it and says
// what would be right.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/units.h"
#include "rt/stream.h"

namespace s4::app {

enum class SettingKind : std::uint8_t { text, path, address, choice, flag, seconds, count };

struct Setting {
    std::string_view key;  // "gate-public"
    SettingKind kind;
    std::string_view fallback;  // as text; empty: none
    std::string_view choices;   // for kind choice: "open closed"
    std::string_view help;      // one sentence, for people
};

// In the order in which help shows them.
std::span<const Setting> settings();
const Setting* find_setting(std::string_view key);
std::string environment_name(std::string_view key);  // "S4_GATE_PUBLIC"

using SettingValues = std::map<std::string, std::string, std::less<>>;

// A configuration file: YAML, one level of `key: value`. `text` is its content, `name` what errors
// call it.
Result<SettingValues> parse_settings_file(std::string_view text, std::string_view name);
// Reads the S4_ variables among `environment` ("NAME=value" entries). An S4_ name that is no
// setting is refused, but for those that the development scripts use (S4_BIN).
Result<SettingValues> settings_from_environment(std::span<const std::string> environment);

// What `s4 serve` runs with, checked as a whole.
struct ServeOptions {
    std::string state;
    rt::Endpoint gate;
    std::optional<rt::Endpoint> gate_public;
    rt::Endpoint web;
    rt::Endpoint admin;
    std::optional<std::string> web_public;
    std::optional<std::string> web_tls_cert;
    std::optional<std::string> web_tls_key;
    bool behind_proxy = false;
    bool signup_open = true;
    std::string contact;
    std::optional<std::string> plans;
    bool allow_test_payments = false;
    log::Level log_level = log::Level::info;
    Duration drain{};
    std::size_t threads = 0;
    std::uint64_t scrub_bytes_per_s = 0;
    std::optional<std::string> ship_log;
};

// Merges `layers` (the first has the last word) over the defaults and checks them together.
Result<ServeOptions> make_serve_options(std::span<const SettingValues> layers);

}  // namespace s4::app
