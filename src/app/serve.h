// `s4 serve`: settings from flags, environment and file, then a Node until it is told to stop.
#pragma once

#include <span>
#include <string>

#include "app/command_line.h"

namespace s4::app {

// Returns the process's exit code. `environment` as "NAME=value" entries.
int serve(const ServeCommand& command, std::span<const std::string> environment);

}  // namespace s4::app
