#include "app/check_operator.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "app/ask.h"

namespace s4::app {

namespace json = codec::json;

namespace {

constexpr int kProblems = 1;
constexpr int kNotEnded = 2;

std::uint64_t number_of(const json::Value& value, std::string_view member) {
    const json::Value* found = value.find(member);
    return found == nullptr ? 0 : found->as_uint64().value_or(0);
}

struct Totals {
    std::uint64_t shares = 0;
    std::uint64_t bytes = 0;
    std::uint64_t blobs = 0;
    std::uint64_t grids = 0;
    std::uint64_t problems = 0;
    json::Array findings;
};

// What was put aside earlier is shown, and is no problem of today.
bool is_problem(const json::Value& finding) {
    return text_of(finding, "problem") != "quarantined";
}

void print_finding(const json::Value& finding) {
    end_progress();
    fmt::print("{:<15} grid {}", text_of(finding, "problem"), text_of(finding, "grid"));
    if (finding.find("index") != nullptr)
        fmt::print("  {} share {}", text_of(finding, "index"), text_of(finding, "share"));
    const json::Value* repaired = finding.find("repaired");
    const bool done = repaired != nullptr && repaired->as_bool().value_or(false);
    fmt::print("  {}{}\n", text_of(finding, "detail"), done ? "  [repaired]" : "");
}

void take(const json::Value& answer, bool as_json, Totals& totals) {
    totals.shares += number_of(answer, "shares");
    totals.bytes += number_of(answer, "bytes");
    totals.blobs += number_of(answer, "blobs");
    totals.grids += number_of(answer, "grids");
    const json::Value* findings = answer.find("findings");
    if (findings == nullptr || findings->as_array() == nullptr) return;
    for (const json::Value& finding : *findings->as_array()) {
        totals.problems += is_problem(finding) ? 1 : 0;
        as_json ? totals.findings.push_back(finding) : print_finding(finding);
    }
}

std::string time_of(const json::Value& value, std::string_view member) {
    const json::Value* found = value.find(member);
    const auto at = found == nullptr ? std::nullopt : found->as_int64();
    if (!at) return "never";
    return fmt::format("{:%Y-%m-%d %H:%M} UTC",
                       std::chrono::sys_seconds(std::chrono::seconds(*at)));
}

int cut_short(const Error& error, const std::string& from) {
    (void)failed(error);
    if (!from.empty())
        fmt::print(stderr, "s4: the check stopped; go on with: s4 storage check --from '{}'\n",
                   from);
    return kNotEnded;
}

}  // namespace

int run_check(const std::string& state, const StorageCommand& command) {
    json::Object request{{"command", "storage.check"}, {"repair", command.repair}};
    if (!command.grid.empty()) {
        const Result<std::int64_t> number = subscription_number(command.grid);
        if (!number) return cut_short(number.error(), "");
        request.emplace_back("subscription", *number);
    }
    Totals totals;
    std::string from = command.from;
    do {
        json::Object page = request;
        page.emplace_back("from", from);
        const Result<json::Value> answer = ask(state, std::move(page));
        if (!answer) return cut_short(answer.error(), from);
        take(*answer, command.json, totals);
        from = text_of(*answer, "next");
        if (!from.empty()) print_progress(fmt::format("{} shares checked", totals.shares));
    } while (!from.empty());
    end_progress();
    if (command.json)
        fmt::print(
            "{}\n",
            json::to_text(json::Value(json::Object{{"shares", totals.shares},
                                                   {"bytes", totals.bytes},
                                                   {"blobs", totals.blobs},
                                                   {"grids", totals.grids},
                                                   {"problems", totals.problems},
                                                   {"findings", std::move(totals.findings)}})));
    else
        fmt::print(
            "Checked {} shares ({} bytes), {} blobs and the usage of {} grids: {}\n", totals.shares,
            totals.bytes, totals.blobs, totals.grids,
            totals.problems == 0 ? "all is sound." : fmt::format("{} problems.", totals.problems));
    return totals.problems == 0 ? 0 : kProblems;
}

void print_care(const json::Value& care) {
    fmt::print("All grids     {} shares ({}); {} damaged ones in quarantine; {} advisories\n",
               text_of(care, "shares"), bytes_of(care, "data_bytes"), text_of(care, "quarantined"),
               text_of(care, "advisories"));
    fmt::print("Scrub         {} shares verified since {}, {} damaged; last whole round: {}\n",
               text_of(care, "scrub_shares"), time_of(care, "scrub_began"),
               text_of(care, "scrub_damaged"), time_of(care, "scrub_ended"));
}

}  // namespace s4::app
