// The program: parses the command line and does what it says.

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "app/operator.h"
#include "app/serve.h"
#include "app/storage_operator.h"

namespace s4::app {
namespace {

int run(const CommandLine& line) {
    struct Visitor {
        const std::string& state;
        int operator()(const Answer& answer) const {
            std::fputs(answer.text.c_str(), answer.exit_code == 0 ? stdout : stderr);
            return answer.exit_code;
        }
        int operator()(const ServeCommand& command) const {
            std::vector<std::string> environment;
            for (char** entry = environ; *entry != nullptr; ++entry)
                environment.emplace_back(*entry);
            return serve(command, environment);
        }
        int operator()(const SubscriptionCommand& command) const {
            return run_subscription(state, command);
        }
        int operator()(const StorageCommand& command) const { return run_storage(state, command); }
        int operator()(const BackupCommand& command) const { return run_backup(state, command); }
        int operator()(const RestoreCommand& command) const { return run_restore(state, command); }
    };
    return std::visit(Visitor{line.state}, line.command);
}

}  // namespace
}  // namespace s4::app

int main(int argc, char** argv) {
    return s4::app::run(
        s4::app::parse_command_line(std::vector<std::string>(argv + 1, argv + argc)));
}
