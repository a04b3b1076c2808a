// What the request `storage.check` of the control socket does: as many steps of a check as one
// answer holds. The client asks again with the answer's `next` (docs/formats/control.md).
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "codec/json.h"
#include "control/messages.h"
#include "rt/context.h"
#include "rt/task.h"
#include "storage/engine.h"

namespace s4::control {

rt::Task<Result<codec::json::Value>> run_check(
    const rt::Context& ctx, storage::Engine& engine, const Request& request,
    std::optional<GridId> grid, std::function<void(std::string_view progress)>& tell);

// The part of the operator's status that is about the service as a whole.
rt::Task<Result<codec::json::Object>> describe_care(const rt::Context& ctx,
                                                    storage::Engine& engine);

}  // namespace s4::control
