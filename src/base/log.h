// Structured logging: a sentence that never changes plus typed fields, one JSON line each.
//
//   log::info("gate", "connection closed", {{"grid", grid.value}, {"reason", error.code()}});
//
// A field takes numbers, booleans, text and Errors; a Secret does not convert to any of them, so it
// cannot be logged. The sink is the process's (standard error by default) and is replaced by tests.
// Thread-safe.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/secret.h"

namespace s4::log {

enum class Level : std::uint8_t { debug, info, warning, error };

struct Field {
    std::string_view key;
    std::variant<std::int64_t, std::uint64_t, double, bool, std::string> value;

    template <std::signed_integral T>
    Field(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
    template <std::unsigned_integral T>
    Field(std::string_view k, T v) : key(k), value(static_cast<std::uint64_t>(v)) {}
    Field(std::string_view k, bool v) : key(k), value(v) {}
    Field(std::string_view k, double v) : key(k), value(v) {}
    Field(std::string_view k, std::string_view v) : key(k), value(std::string(v)) {}
    Field(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
    Field(std::string_view k, const std::string& v) : key(k), value(v) {}
    Field(std::string_view k, const Error& v) : key(k), value(v.to_string()) {}
    Field(std::string_view, const Secret&) = delete;
};

using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view module, std::string_view sentence, Fields fields);

inline void debug(std::string_view module, std::string_view sentence, Fields fields = {}) {
    write(Level::debug, module, sentence, fields);
}
inline void info(std::string_view module, std::string_view sentence, Fields fields = {}) {
    write(Level::info, module, sentence, fields);
}
inline void warning(std::string_view module, std::string_view sentence, Fields fields = {}) {
    write(Level::warning, module, sentence, fields);
}
inline void error(std::string_view module, std::string_view sentence, Fields fields = {}) {
    write(Level::error, module, sentence, fields);
}

// What is below `level` is dropped before it is formatted. Default: info.
void set_level(Level level);
// Receives one complete JSON line without its line end. An empty function restores standard error.
void set_sink(std::function<void(Level, std::string_view line)> sink);
// Supplies the time stamp (RFC 3339); the simulator passes virtual time. An empty function restores
// the system clock.
void set_clock(std::function<std::string()> clock);

}  // namespace s4::log
