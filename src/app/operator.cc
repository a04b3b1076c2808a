#include "app/operator.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include "app/ask.h"
#include "app/state_directory.h"
#include "billing/plans.h"
#include "codec/json.h"
#include "control/copy.h"
#include "rt/asio/backend.h"

namespace s4::app {

namespace json = codec::json;

namespace {

void print_addresses(const json::Value& value) {
    if (value.find("transports") != nullptr)
        fmt::print("Transports    {}\n", text_of(value, "transports"));
    if (value.find("introducer_furl") != nullptr) {
        fmt::print("Introducer    {}\n", text_of(value, "introducer_furl"));
        fmt::print("Storage       {}\n", text_of(value, "storage_furl"));
        if (const json::Value* nurls = value.find("nurls");
            nurls != nullptr && nurls->as_array() != nullptr)
            for (const json::Value& nurl : *nurls->as_array())
                if (nurl.as_string() != nullptr)
                    fmt::print("              {}\n", *nurl.as_string());
    }
    if (value.find("page") != nullptr) fmt::print("Page          {}\n", text_of(value, "page"));
}

void print_limits(const json::Value& limits) {
    const json::Value* rate = limits.find("bytes_per_second");
    const bool limited = rate != nullptr && rate->as_int64().value_or(0) != 0;
    fmt::print("Limits        {} connections, {} requests at a time, {} unfinished uploads, {}\n",
               text_of(limits, "connections"), text_of(limits, "requests"),
               text_of(limits, "unfinished_uploads"),
               limited ? bytes_of(limits, "bytes_per_second") + " a second" : "any rate");
}

void print_subscription(const json::Value& value) {
    fmt::print("Subscription  {}\n", text_of(value, "subscription"));
    if (value.find("email") != nullptr) {
        fmt::print("Customer      {}\n", text_of(value, "email"));
        fmt::print("Plan          {}\n", text_of(value, "plan"));
        fmt::print("State         {} ({})\n", text_of(value, "state"), text_of(value, "stage"));
        fmt::print("Used          {} of {}\n", bytes_of(value, "used_bytes"),
                   bytes_of(value, "quota_bytes"));
        if (const json::Value* limits = value.find("limits")) print_limits(*limits);
    }
    print_addresses(value);
}

constexpr const char* kListRow = "{:>12}  {:<32}  {:<10}  {:<10}  {:>10}  {:>10}\n";

void print_row(const json::Value& value) {
    fmt::print(fmt::runtime(kListRow), text_of(value, "subscription"), text_of(value, "email"),
               text_of(value, "plan"), text_of(value, "state"), bytes_of(value, "used_bytes"),
               bytes_of(value, "quota_bytes"));
}

// Page by page, so that a long list costs neither side much memory.
int print_list(const std::string& state, bool as_json) {
    if (!as_json)
        fmt::print(fmt::runtime(kListRow), "SUBSCRIPTION", "CUSTOMER", "PLAN", "STATE", "USED",
                   "ALLOWED");
    json::Array all;
    std::int64_t after = 0;
    for (bool more = true; more;) {
        const Result<json::Value> page =
            ask(state, {{"command", "subscription.list"}, {"after", after}});
        if (!page) return failed(page.error());
        const json::Value* rows = page->find("subscriptions");
        if (rows == nullptr || rows->as_array() == nullptr) break;
        for (const json::Value& row : *rows->as_array()) {
            const json::Value* id = row.find("subscription");
            after = id == nullptr ? after : id->as_int64().value_or(after);
            as_json ? all.push_back(row) : print_row(row);
        }
        const json::Value* rest = page->find("more");
        more = rest != nullptr && rest->as_bool().value_or(false);
    }
    if (as_json) fmt::print("{}\n", json::to_text(json::Value(std::move(all))));
    return 0;
}

const char* command_name(SubscriptionCommand::Verb verb) {
    switch (verb) {
        case SubscriptionCommand::Verb::list:
            return "subscription.list";
        case SubscriptionCommand::Verb::show:
            return "subscription.show";
        case SubscriptionCommand::Verb::create:
            return "subscription.create";
        case SubscriptionCommand::Verb::link:
            return "subscription.link";
        case SubscriptionCommand::Verb::cancel:
            return "subscription.cancel";
        case SubscriptionCommand::Verb::transports:
            return "subscription.transports";
    }
    return "";
}

Result<json::Object> request_of(const SubscriptionCommand& command) {
    json::Object request{{"command", command_name(command.verb)}};
    if (command.verb == SubscriptionCommand::Verb::create) {
        request.emplace_back("email", command.email);
        if (!command.plan.empty()) request.emplace_back("plan", command.plan);
        return request;
    }
    request.emplace_back("subscription", TRY(subscription_number(command.id)));
    if (command.verb == SubscriptionCommand::Verb::transports)
        request.emplace_back("transports", command.transports);
    return request;
}

std::string absolute(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
}

std::string moment(std::int64_t unix_us) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                       std::chrono::sys_seconds(std::chrono::seconds(unix_us / 1'000'000)));
}

rt::Task<void> run_restore_task(rt::asio::Backend& backend, control::RestoreOrder order,
                                Result<control::RestoreReport>& out) {
    const rt::Context ctx;
    const auto progress = [](const control::CopyReport& report) {
        print_progress(fmt::format("{} blobs, {} copied ({})", report.blobs, report.copied,
                                   billing::format_bytes(report.copied_bytes)));
    };
    out = co_await control::restore(ctx, backend.runtime(), std::move(order), progress);
}

}  // namespace

int run_subscription(const std::string& state, const SubscriptionCommand& command) {
    if (command.verb == SubscriptionCommand::Verb::list) return print_list(state, command.json);
    Result<json::Object> request = request_of(command);
    if (!request) return failed(request.error());
    const Result<json::Value> answer = ask(state, std::move(*request));
    if (!answer) return failed(answer.error());
    if (command.json) {
        fmt::print("{}\n", json::to_text(*answer));
    } else {
        print_subscription(*answer);
    }
    return 0;
}

int run_backup(const std::string& state, const BackupCommand& command) {
    const Result<json::Value> answer = ask(state, {{"command", "backup"},
                                                   {"directory", absolute(command.directory)},
                                                   {"with_key", !command.without_key}});
    if (!answer) return failed(answer.error());
    fmt::print("Backed up to {}: the database and {} blobs, {} of them new ({}).\n",
               command.directory, text_of(*answer, "blobs"), text_of(*answer, "copied"),
               bytes_of(*answer, "bytes"));
    if (command.without_key)
        fmt::print(
            "master.key is not in it: without that file the backup cannot be restored. Keep it "
            "elsewhere.\n");
    return 0;
}

int run_restore(const std::string& state, const RestoreCommand& command) {
    rt::asio::Backend backend(kToolThreads);
    // Held while restoring, so that no server starts on half of it.
    const Result<StateDirectory> directory = StateDirectory::open(backend.runtime().files, state);
    if (!directory) return failed(directory.error());
    Result<control::RestoreReport> report = control::RestoreReport{};
    backend.run(run_restore_task(backend, {command.directory, command.log, state}, report));
    end_progress();
    if (!report) return failed(report.error());
    if (report->log)
        fmt::print(
            "Restored the database from {} as it was at {}: a snapshot and {} transactions after "
            "it.\n",
            command.log, moment(report->log->as_of_us), report->log->commits);
    if (!command.directory.empty())
        fmt::print("Restored {}{} blobs from {}.\n", report->log ? "" : "the database and ",
                   report->copy.blobs, command.directory);
    if (report->log)
        fmt::print(
            "What came after that moment is lost, but for large shares, which `s4 storage "
            "rebuild-index --state {}` finds by their blobs.\n",
            state);
    fmt::print("Start it with: s4 serve --state {}\n", state);
    return 0;
}

}  // namespace s4::app
