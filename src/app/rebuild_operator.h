// `s4 storage rebuild-index`: works on the state directory itself, which no server may use
// meanwhile.
#pragma once

#include <string>

namespace s4::app {

// Returns the process's exit code: 0 when every share of the store can be served, 1 otherwise.
int run_rebuild(const std::string& state);

}  // namespace s4::app
