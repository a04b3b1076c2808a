#include "app/storage_operator.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include "app/ask.h"
#include "app/check_operator.h"
#include "app/rebuild_operator.h"
#include "codec/json.h"

namespace s4::app {

namespace json = codec::json;

namespace {

std::string time_of(const json::Value& value, std::string_view member) {
    const json::Value* found = value.find(member);
    const auto at = found == nullptr ? std::nullopt : found->as_int64();
    if (!at) return "never";
    return fmt::format("{:%Y-%m-%d %H:%M} UTC",
                       std::chrono::sys_seconds(std::chrono::seconds(*at)));
}

std::string leases_of(const json::Value& grid) {
    std::string out;
    const json::Value* leases = grid.find("leases");
    if (leases == nullptr || leases->as_array() == nullptr) return out;
    for (const json::Value& entry : *leases->as_array()) {
        if (!out.empty()) out += ", ";
        const bool oldest = entry.find("days") == nullptr;
        out += oldest ? fmt::format("older: {}", text_of(entry, "count"))
                      : fmt::format("up to {} days: {}", text_of(entry, "days"),
                                    text_of(entry, "count"));
    }
    return out;
}

std::string shares_of(const json::Value& grid, std::string_view kind) {
    const json::Value* found = grid.find(kind);
    if (found == nullptr) return "";
    return fmt::format("{} ({})", text_of(*found, "shares"), bytes_of(*found, "bytes"));
}

void print_grid(const json::Value& grid) {
    fmt::print("Subscription  {}  {}  ({})\n", text_of(grid, "subscription"),
               text_of(grid, "email"), text_of(grid, "state"));
    fmt::print("  Used        {} of {}; {} reserved for uploads under way\n",
               bytes_of(grid, "used_bytes"), bytes_of(grid, "quota_bytes"),
               bytes_of(grid, "reserved_bytes"));
    fmt::print("  Immutable   {}\n", shares_of(grid, "immutable"));
    fmt::print("  Mutable     {}\n", shares_of(grid, "mutable"));
    fmt::print("  Leases      {}\n", leases_of(grid));
    fmt::print("  Activity    {}\n", time_of(grid, "last_activity"));
    fmt::print("  Advisories  {}\n", text_of(grid, "advisories"));
}

void print_shipped_log(const json::Value& log) {
    if (log.is_null()) return;
    const json::Value* whole = log.find("whole");
    const json::Value* behind = log.find("behind_ms");
    fmt::print("Shipped log   {}: {:.1f} s behind at most{}{}\n", text_of(log, "directory"),
               behind == nullptr ? 0.0 : static_cast<double>(behind->as_int64().value_or(0)) / 1000,
               whole != nullptr && whole->as_bool().value_or(false) ? "" : "; no snapshot yet",
               log.find("problem") == nullptr ? "" : "; FAILS: " + text_of(log, "problem"));
}

// Names the command's grid in `request`, if it has one.
Result<void> add_grid(json::Object& request, const StorageCommand& command) {
    if (!command.grid.empty())
        request.emplace_back("subscription", TRY(subscription_number(command.grid)));
    return ok();
}

Result<json::Value> ask_of(const std::string& state, const StorageCommand& command,
                           json::Object request) {
    TRY(add_grid(request, command));
    return ask(state, std::move(request));
}

int print_json(const json::Value& value) {
    fmt::print("{}\n", json::to_text(value));
    return 0;
}

// Hands every grid of a page on.
void take_grids(const json::Value& page, bool as_json, json::Array& all) {
    const json::Value* grids = page.find("grids");
    if (grids == nullptr || grids->as_array() == nullptr) return;
    for (const json::Value& grid : *grids->as_array())
        as_json ? all.push_back(grid) : print_grid(grid);
}

int print_status(const std::string& state, const StorageCommand& command) {
    json::Object request{{"command", "storage.status"}};
    if (const auto named = add_grid(request, command); !named) return failed(named.error());
    json::Array all;
    std::int64_t after = 0;
    for (bool more = true; more;) {
        json::Object page_request = request;
        if (command.grid.empty()) page_request.emplace_back("after", after);
        const Result<json::Value> page = ask(state, std::move(page_request));
        if (!page) return failed(page.error());
        take_grids(*page, command.json, all);
        const json::Value* rest = page->find("more");
        const json::Value* next = page->find("after");
        more = rest != nullptr && rest->as_bool().value_or(false) && next != nullptr;
        if (!more && !command.json && page->find("care") != nullptr)
            print_care(*page->find("care"));
        if (!more && !command.json && page->find("shipped_log") != nullptr)
            print_shipped_log(*page->find("shipped_log"));
        if (more) after = next->as_int64().value_or(after);
    }
    return command.json ? print_json(json::Value(std::move(all))) : 0;
}

// A path as the server finds it, which runs elsewhere.
std::string absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
}

// Of `request`, the members that were given on the command line.
void add_given(json::Object& request, const char* member, const std::string& value) {
    if (!value.empty()) request.emplace_back(member, value);
}

void print_skipped(const json::Value& answer) {
    if (text_of(answer, "skipped") == "0") return;
    fmt::print("Left out      {} files; which and why is in {}\n", text_of(answer, "skipped"),
               text_of(answer, "skipped_list"));
}

int import_tahoe(const std::string& state, const StorageCommand& command) {
    json::Object request{{"command", "storage.import-tahoe"},
                         {"directory", absolute(command.directory)},
                         {"dry_run", command.dry_run}};
    if (!command.introducer.empty())
        request.emplace_back("introducer", absolute(command.introducer));
    add_given(request, "email", command.email);
    add_given(request, "plan", command.plan);
    const auto answer = ask_of(state, command, std::move(request));
    if (!answer) return failed(answer.error());
    if (command.json) return print_json(*answer);
    fmt::print("Found         {} shares, {}\n", text_of(*answer, "shares"),
               bytes_of(*answer, "bytes"));
    if (!command.dry_run) {
        fmt::print("Stored        {} shares, {}; {} were there already\n",
                   text_of(*answer, "stored"), bytes_of(*answer, "stored_bytes"),
                   text_of(*answer, "there_already"));
        fmt::print("Subscription  {}\n", text_of(*answer, "subscription"));
        fmt::print("Introducer    {}\n", text_of(*answer, "introducer_furl"));
        fmt::print("Storage       {}\n", text_of(*answer, "storage_furl"));
        if (answer->find("page") != nullptr)
            fmt::print("Page          {}\n", text_of(*answer, "page"));
    }
    print_skipped(*answer);
    return 0;
}

int export_tahoe(const std::string& state, const StorageCommand& command) {
    json::Object request{{"command", "storage.export-tahoe"},
                         {"directory", absolute(command.directory)}};
    add_given(request, "location", command.location);
    add_given(request, "introducer_location", command.introducer_location);
    const auto answer = ask_of(state, command, std::move(request));
    if (!answer) return failed(answer.error());
    if (command.json) return print_json(*answer);
    fmt::print("Exported      {} shares, {} of them written now ({}), {} removed\n",
               text_of(*answer, "shares"), text_of(*answer, "written"),
               bytes_of(*answer, "written_bytes"), text_of(*answer, "removed"));
    print_skipped(*answer);
    fmt::print("How to run it is in {}/README.txt\n", command.directory);
    return 0;
}

void print_orders(const json::Array& orders) {
    if (orders.empty()) fmt::print("No customer asked for anything to be freed.\n");
    for (const json::Value& order : orders)
        fmt::print(
            "Subscription  {}: {} shares ({}) would go; {}, asked for by the {} on {}\n",
            text_of(order, "subscription"), text_of(order, "shares"), bytes_of(order, "bytes"),
            text_of(order, "kind") == "expiry"
                ? std::string("leases of 31 days expire")
                : fmt::format("what was not renewed since {}", time_of(order, "not_renewed_since")),
            text_of(order, "asked_by"), time_of(order, "asked"));
}

int run_collect(const std::string& state, const StorageCommand& command) {
    json::Object request{{"command", "storage.collect"},
                         {"dry_run", command.dry_run},
                         {"confirm_clock", command.confirm_clock}};
    const auto answer = ask_of(state, command, std::move(request));
    if (!answer) return failed(answer.error());
    if (command.json) return print_json(*answer);
    if (const json::Value* orders = answer->find("dry_run");
        orders != nullptr && orders->as_array() != nullptr) {
        print_orders(*orders->as_array());
        return 0;
    }
    fmt::print("{} shares marked, {} spared, {} deleted ({} freed).\n", text_of(*answer, "marked"),
               text_of(*answer, "spared"), text_of(*answer, "freed"), bytes_of(*answer, "bytes"));
    if (answer->find("clock_problem") == nullptr) return 0;
    fmt::print(stderr,
               "s4: nothing is collected: {}. If the clock is right now: s4 storage collect "
               "--confirm-clock\n",
               text_of(*answer, "clock_problem"));
    return 1;
}

}  // namespace

int run_storage(const std::string& state, const StorageCommand& command) {
    switch (command.verb) {
        case StorageCommand::Verb::status:
            return print_status(state, command);
        case StorageCommand::Verb::check:
            return run_check(state, command);
        case StorageCommand::Verb::rebuild_index:
            return run_rebuild(state);
        case StorageCommand::Verb::import_tahoe:
            return import_tahoe(state, command);
        case StorageCommand::Verb::export_tahoe:
            return export_tahoe(state, command);
        case StorageCommand::Verb::collect:
            return run_collect(state, command);
    }
    return 1;
}

}  // namespace s4::app
