// The client's side of the control socket, for subcommands.
#pragma once

#include <functional>
#include <string>

#include "codec/json.h"
#include "rt/runtime.h"

namespace s4::control {

// Sends one request to the server on `path` and returns its answer; `progress` is called with what
// it tells meanwhile. Errors: control.no_server (with a sentence that says how to start one), the
// server's own (code control.refused).
rt::Task<Result<codec::json::Value>> call(const rt::Context& ctx, rt::Runtime& runtime,
                                          std::string path, codec::json::Object request,
                                          std::function<void(const std::string&)> progress);

}  // namespace s4::control
