#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "app/version.h"

namespace s4::app {
namespace {

constexpr const char* kAbout =
    "S4 sells end-to-end encrypted storage: each customer gets a private Tahoe-LAFS grid.\n"
    "\n"
    "Start it, sign up on its page, and give the Tahoe-LAFS client what the page shows:\n"
    "  s4 serve                                     everything under ./s4-state, pages on "
    "http://127.0.0.1:8480/\n"
    "  s4 subscription create --email ann@a.example a grid without the page\n"
    "  s4 subscription list                         who has one, and how much of it is used\n"
    "  s4 backup /mnt/backup                        a copy that `s4 restore` takes, made while the "
    "server runs";

constexpr const char* kServeAbout =
    "The service runs until SIGTERM or SIGINT. Every setting may also stand in a YAML file "
    "(--config) as `key: value`, or in\n"
    "the environment as S4_KEY with underscores: --gate-public is S4_GATE_PUBLIC. Flags go first, "
    "then environment, then file.";

// CLI11 keeps references to what it fills, so one struct owns it all while it parses.
struct Parser {
    CLI::App app{kAbout, "s4"};
    std::string state{find_setting("state")->fallback};
    std::map<std::string, std::string> serve_values;
    std::string config_file;
    SubscriptionCommand subscription;
    StorageCommand storage;
    BackupCommand backup_command;
    RestoreCommand restore_command;
    CLI::App* serve = nullptr;
    CLI::App* backup = nullptr;
    CLI::App* restore = nullptr;
    std::map<SubscriptionCommand::Verb, CLI::App*> verbs;
    std::map<StorageCommand::Verb, CLI::App*> storage_verbs;

    Parser() {
        app.require_subcommand(1);
        app.set_version_flag("--version", std::string("s4 ") + std::string(kVersion));
        app.set_help_flag("-h,--help", "Print this help and exit");
        app.failure_message([](const CLI::App*, const CLI::Error& error) {
            return fmt::format("s4: {}; `s4 --help` shows what there is\n", error.what());
        });
        add_serve();
        add_subscription();
        add_storage();
        add_copies();
    }

  private:
    void add_serve() {
        serve = app.add_subcommand("serve", "Run the service");
        serve->footer(kServeAbout);
        serve->add_option("--config", config_file, "A YAML file of settings.")->type_name("FILE");
        for (const Setting& setting : settings()) {
            const std::string key(setting.key);
            std::string help(setting.help);
            if (!setting.choices.empty()) {
                std::string choices(setting.choices);
                std::ranges::replace(choices, ' ', '|');
                help += " One of " + choices + ".";
            }
            if (!setting.fallback.empty()) help += fmt::format(" [{}]", setting.fallback);
            CLI::Option* option = serve->add_option("--" + key, serve_values[key], help);
            option->type_name(type_name(setting.kind));
            if (setting.kind == SettingKind::flag)
                option->expected(0, 1)->default_str("yes")->option_text("[yes|no]");
        }
    }

    void add_subscription() {
        using Verb = SubscriptionCommand::Verb;
        CLI::App* group =
            app.add_subcommand("subscription", "Look at and change customers' subscriptions");
        group->require_subcommand(1);
        const auto verb = [&](Verb which, const char* name, const char* help) {
            CLI::App* sub = group->add_subcommand(name, help);
            add_state(*sub);
            sub->add_flag("--json", subscription.json, "Print JSON for scripts");
            verbs[which] = sub;
            return sub;
        };
        const auto takes_id = [&](CLI::App* sub) {
            sub->add_option("subscription", subscription.id,
                            "The subscription, as `s4 subscription list` shows it")
                ->required();
        };
        verb(Verb::list, "list", "Every subscription: state, plan, used and allowed bytes");
        takes_id(verb(Verb::show, "show", "One subscription with the addresses of its grid"));
        CLI::App* create =
            verb(Verb::create, "create", "A subscription with its grid, without payment");
        create->add_option("--email", subscription.email, "The customer's e-mail address")
            ->required();
        create->add_option("--plan", subscription.plan,
                           "The plan's name; without it, the first plan");
        takes_id(verb(Verb::link, "link",
                      "A new address for the customer's page; the old one stops working"));
        takes_id(verb(Verb::cancel, "cancel",
                      "Cancel; the files stay readable until the plan's retention date"));
        CLI::App* transports =
            verb(Verb::transports, "transports", "What the grid's server announces to clients");
        takes_id(transports);
        transports
            ->add_option(
                "transports", subscription.transports,
                "Foolscap alone is for Gridsync, which counts no other server as connected")
            ->required()
            ->check(CLI::IsMember({"both", "foolscap"}));
    }

    void add_storage() {
        using Verb = StorageCommand::Verb;
        CLI::App* group = app.add_subcommand("storage", "Look at and care for what is stored");
        group->require_subcommand(1);
        const auto verb = [&](Verb which, const char* name, const char* help) {
            CLI::App* sub = group->add_subcommand(name, help);
            add_state(*sub);
            storage_verbs[which] = sub;
            return sub;
        };
        const auto takes_grid = [&](CLI::App* sub) {
            return sub->add_option(
                "grid", storage.grid,
                "The grid's subscription, as `s4 subscription list` shows it; without "
                "it, all");
        };
        CLI::App* status = verb(Verb::status, "status",
                                "Used bytes, shares by kind, leases by age, last activity");
        takes_grid(status);
        status->add_flag("--json", storage.json, "Print JSON for scripts");
        CLI::App* check = verb(Verb::check, "check",
                               "Compare index and blobs both ways and verify every checksum");
        takes_grid(check);
        check->add_flag("--json", storage.json, "Print JSON for scripts");
        check->add_flag("--repair", storage.repair,
                        "Repair what can be: usage, orphans; damaged shares are put aside, so that "
                        "clients upload them anew");
        verb(Verb::rebuild_index, "rebuild-index",
             "Make the index of large shares anew from the blobs; the server must not run "
             "(docs/recovery.md)");
        check->add_option("--from", storage.from, "Where an interrupted check goes on");
        CLI::App* collect =
            verb(Verb::collect, "collect",
                 "Do now what customers asked for: mark what no client renewed, delete what was "
                 "marked a day ago and not renewed since");
        collect->add_flag("--json", storage.json, "Print JSON for scripts");
        CLI::Option* dry = collect->add_flag("--dry-run", storage.dry_run,
                                             "Only show what was asked for and what would go");
        takes_grid(collect)->needs(dry);
        collect->add_flag("--confirm-clock", storage.confirm_clock,
                          "After the clock jumped: it is right now, so go on; what was marked "
                          "before is marked anew");
        add_import(*verb(Verb::import_tahoe, "import-tahoe",
                         "Take in a Tahoe-LAFS storage node, with its shares and its identity"));
        add_export(*verb(Verb::export_tahoe, "export-tahoe",
                         "Write a grid as a directory that `tahoe run` serves as it is"));
    }

    void add_import(CLI::App& sub) {
        sub.add_option("directory", storage.directory,
                       "The node's directory; the node must not run. Run again, it goes on")
            ->required();
        sub.add_option("--introducer", storage.introducer,
                       "The directory of the grid's introducer, to be taken in too; without it, "
                       "the folder `introducer` in the node's directory, if there is one")
            ->type_name("PATH");
        CLI::Option* email = sub.add_option("--email", storage.email,
                                            "The customer's e-mail address, of a new subscription");
        sub.add_option("--plan", storage.plan, "Its plan's name; without it, the first plan")
            ->needs(email);
        sub.add_option("--into", storage.grid,
                       "Instead: a subscription whose grid is empty, as `s4 subscription list` "
                       "shows it")
            ->excludes(email);
        sub.add_flag("--dry-run", storage.dry_run,
                     "Only say what would be imported, and what could not be");
        sub.add_flag("--json", storage.json, "Print JSON for scripts");
    }

    void add_export(CLI::App& sub) {
        sub.add_option("grid", storage.grid,
                       "The grid's subscription, as `s4 subscription list` shows it")
            ->required();
        sub.add_option("directory", storage.directory,
                       "Where to; an earlier export there is brought up to date")
            ->required();
        sub.add_option("--location", storage.location,
                       "Where clients will reach the storage node; without it, beside the gate")
            ->type_name("HOST:PORT");
        sub.add_option("--introducer-location", storage.introducer_location,
                       "Where clients will reach the introducer; without it, the gate's address")
            ->type_name("HOST:PORT");
        sub.add_flag("--json", storage.json, "Print JSON for scripts");
    }

    void add_copies() {
        backup =
            app.add_subcommand("backup", "Copy the database and the shares while the server runs");
        add_state(*backup);
        backup
            ->add_option("directory", backup_command.directory,
                         "Where to; an earlier backup there is brought up to date")
            ->required();
        backup->add_flag("--without-key", backup_command.without_key,
                         "Leave master.key out; the backup is then useless without the copy that "
                         "you keep elsewhere");
        restore = app.add_subcommand(
            "restore",
            "Put a backup, a shipped log or both into a state directory without a database");
        add_state(*restore);
        restore->add_option("directory", restore_command.directory, "The backup's directory");
        restore
            ->add_option(
                "--log", restore_command.log,
                "The directory of a shipped log: the database comes from there; master.key "
                "and blobs from the backup, or from where they are in the state directory")
            ->type_name("PATH");
    }

    void add_state(CLI::App& sub) {
        sub.add_option("--state", state, std::string(find_setting("state")->help))
            ->envname(environment_name("state"))
            ->type_name("PATH")
            ->capture_default_str();
    }

    static const char* type_name(SettingKind kind) {
        switch (kind) {
            case SettingKind::text:
                return "TEXT";
            case SettingKind::path:
                return "PATH";
            case SettingKind::address:
                return "HOST:PORT";
            case SettingKind::choice:
                return "WORD";
            case SettingKind::flag:
                return "yes|no";
            case SettingKind::seconds:
                return "SECONDS";
            case SettingKind::count:
                return "N";
        }
        return "TEXT";
    }
};

CommandLine result_of(Parser& parser) {
    CommandLine out;
    out.state = parser.state;
    if (parser.serve->parsed()) {
        ServeCommand serve;
        if (!parser.config_file.empty()) serve.config_file = parser.config_file;
        for (const Setting& setting : settings()) {
            const std::string key(setting.key);
            const CLI::Option* option = parser.serve->get_option("--" + key);
            if (option->count() == 0) continue;
            const bool bare = setting.kind == SettingKind::flag && parser.serve_values[key].empty();
            serve.flags[key] = bare ? "yes" : parser.serve_values[key];
        }
        out.command = serve;
    }
    for (const auto& [verb, sub] : parser.verbs) {
        if (!sub->parsed()) continue;
        parser.subscription.verb = verb;
        out.command = parser.subscription;
    }
    for (const auto& [verb, sub] : parser.storage_verbs) {
        if (!sub->parsed()) continue;
        parser.storage.verb = verb;
        out.command = parser.storage;
    }
    if (parser.backup->parsed()) out.command = parser.backup_command;
    if (parser.restore->parsed()) {
        out.command = parser.restore_command;
        if (parser.restore_command.directory.empty() && parser.restore_command.log.empty())
            out.command = Answer{2,
                                 "s4: restore takes the directory of a backup, --log with that "
                                 "of a shipped log, or both\n"};
    }
    return out;
}

}  // namespace

CommandLine parse_command_line(std::span<const std::string> arguments) {
    Parser parser;
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 takes them
    if (reversed.empty()) reversed.push_back("--help");
    try {
        parser.app.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
        std::ostringstream good;
        std::ostringstream bad;
        const int code = parser.app.exit(error, good, bad);
        CommandLine out;
        out.command = Answer{code == 0 ? 0 : 2, code == 0 ? good.str() : bad.str()};
        return out;
    }
    return result_of(parser);
}

}  // namespace s4::app
