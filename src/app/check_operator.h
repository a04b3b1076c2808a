// `s4 storage check`: asks the running server for a check, answer by answer, and prints what it
// found.
#pragma once

#include <string>

#include "app/command_line.h"
#include "codec/json.h"

namespace s4::app {

// Returns the process's exit code: 0 when all is sound, 1 when something is not, 2 when the check
// could not end.
int run_check(const std::string& state, const StorageCommand& command);

// The lines of `s4 storage status` about the service as a whole.
void print_care(const codec::json::Value& care);

}  // namespace s4::app
