#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <mutex>

namespace s4::log {
namespace {

std::atomic<Level> threshold{Level::info};
std::mutex mutex;
std::function<void(Level, std::string_view)> sink;
std::function<std::string()> clock_text;

std::string system_clock_text() {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                       (now - seconds).count());
}

std::string_view name(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
    }
    return "error";
}

void append_json(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (u < 0x20 || u == 0x7f) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", u);
        } else {
            out += c;
        }
    }
    out += '"';
}

}  // namespace

void write(Level level, std::string_view module, std::string_view sentence, Fields fields) {
    if (level < threshold.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex);
    std::string line = "{\"time\":";
    append_json(line, clock_text ? clock_text() : system_clock_text());
    line += ",\"level\":";
    append_json(line, name(level));
    line += ",\"module\":";
    append_json(line, module);
    line += ",\"message\":";
    append_json(line, sentence);
    for (const Field& field : fields) {
        line += ',';
        append_json(line, field.key);
        line += ':';
        std::visit(
            [&line](const auto& value) {
                if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>) {
                    append_json(line, value);
                } else {
                    fmt::format_to(std::back_inserter(line), "{}", value);
                }
            },
            field.value);
    }
    line += '}';
    if (sink) {
        sink(level, line);
    } else {
        line += '\n';
        std::fwrite(line.data(), 1, line.size(), stderr);
    }
}

void set_level(Level level) {
    threshold.store(level, std::memory_order_relaxed);
}

void set_sink(std::function<void(Level, std::string_view)> replacement) {
    const std::lock_guard lock(mutex);
    sink = std::move(replacement);
}

void set_clock(std::function<std::string()> replacement) {
    const std::lock_guard lock(mutex);
    clock_text = std::move(replacement);
}

}  // namespace s4::log
