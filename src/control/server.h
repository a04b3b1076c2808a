// Server: answers requests on the control socket. start() once; stop() before destruction, which
// lets the answers under way end with their context cancelled.
#pragma once

#include <memory>

#include "control/commands.h"
#include "rt/scope.h"
#include "rt/stream.h"

namespace s4::control {

class Server {
  public:
    Server(rt::Reactor& reactor, std::unique_ptr<rt::Listener> listener, Commands& commands)
        : reactor_(reactor), listener_(std::move(listener)), commands_(commands) {}

    void start(const rt::Context& ctx);
    rt::Task<void> stop();

  private:
    rt::Task<void> accept_all(const rt::Context& ctx);
    rt::Task<void> serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream);
    rt::Task<Result<void>> answer_one(const rt::Context& ctx, rt::Stream& stream,
                                      const std::string& line);

    rt::Reactor& reactor_;
    std::unique_ptr<rt::Listener> listener_;
    Commands& commands_;
    std::unique_ptr<rt::Scope> scope_;
    std::size_t connections_ = 0;
};

}  // namespace s4::control
