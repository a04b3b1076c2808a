// FoolscapDoor: who takes over a connection whose first bytes are Foolscap's. The gate's front door
// knows no more of that protocol than these eight bytes.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "rt/stream.h"
#include "rt/task.h"

namespace s4::gate {

class FoolscapDoor {
  public:
    virtual ~FoolscapDoor() = default;
    // Serves one connection until it ends. `already_read` are the bytes that were looked at, to be
    // read before the stream. Cancelled through the context.
    virtual rt::Task<void> serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                 ByteBuffer already_read) = 0;
    // Ends all connections, letting calls under way finish until the context's deadline.
    virtual rt::Task<void> drain(const rt::Context& ctx) = 0;
};

}  // namespace s4::gate
