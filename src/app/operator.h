// The operator's subcommands: requests to the running server and their answers as text or JSON;
// restore, which needs none.
#pragma once

#include <string>

#include "app/command_line.h"

namespace s4::app {

// Each returns the process's exit code and prints to standard output, errors and progress to
// standard error.
int run_subscription(const std::string& state, const SubscriptionCommand& command);
int run_backup(const std::string& state, const BackupCommand& command);
int run_restore(const std::string& state, const RestoreCommand& command);

}  // namespace s4::app
