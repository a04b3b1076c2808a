// `s4 storage ...`: requests to the running server and their answers as text or JSON.
#pragma once

#include <string>

#include "app/command_line.h"

namespace s4::app {

// Returns the process's exit code; prints to standard output, errors and progress to standard
// error.
int run_storage(const std::string& state, const StorageCommand& command);

}  // namespace s4::app
