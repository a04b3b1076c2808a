// The command line as a value: what `s4 ...` was asked to do. Parsing touches nothing; commands.h
// and serve.h do the work. command_line.cc is the one file that includes CLI11.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>

#include "app/settings.h"

namespace s4::app {

struct ServeCommand {
    SettingValues flags;
    std::optional<std::string> config_file;
};

// `s4 subscription ...`: one request to the running server.
struct SubscriptionCommand {
    enum class Verb : std::uint8_t { list, show, create, link, cancel, transports };
    Verb verb{};
    std::string id;  // show, link, cancel, transports
    std::string email;
    std::string plan;        // create; empty: the first plan
    std::string transports;  // transports
    bool json = false;
};

// `s4 storage ...`: what is stored, grid by grid.
struct StorageCommand {
    enum class Verb : std::uint8_t {
        status,
        check,
        rebuild_index,
        import_tahoe,
        export_tahoe,
        collect
    };
    Verb verb{};
    std::string grid;     // its subscription's number; empty: all grids
    bool repair = false;  // check
    std::string from;     // check
    bool json = false;

    std::string directory;            // import_tahoe, export_tahoe
    std::string introducer;           // import_tahoe: its directory; empty: within the node's
    std::string email;                // import_tahoe: of a new subscription
    std::string plan;                 // likewise; empty: the first plan
    bool dry_run = false;             // import_tahoe, collect
    std::string location;             // export_tahoe: HOST:PORT of the storage node
    std::string introducer_location;  // likewise
    bool confirm_clock = false;       // collect
};

struct BackupCommand {
    std::string directory;
    bool without_key = false;
};

// Into a state directory that no server uses.
struct RestoreCommand {
    std::string directory;  // of a backup; empty: the shipped log alone
    std::string log;        // of a shipped log; empty: the backup alone
};

// What the text alone answers: --help, --version, or a command line that does not parse.
struct Answer {
    int exit_code = 0;
    std::string text;
};

struct CommandLine {
    std::string state;  // of every command but serve, which has it among its flags
    std::variant<Answer, ServeCommand, SubscriptionCommand, StorageCommand, BackupCommand,
                 RestoreCommand>
        command;
};

// `arguments` without the program's name.
CommandLine parse_command_line(std::span<const std::string> arguments);

}  // namespace s4::app
