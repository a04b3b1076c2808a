// AsioNetwork: TCP and local sockets. Lives as long as the backend; all calls are on its reactor's
// thread.
#pragma once

#include "rt/asio/reactor.h"
#include "rt/stream.h"

namespace s4::rt::asio {

class AsioNetwork final : public Network {
  public:
    explicit AsioNetwork(AsioReactor& reactor) : reactor_(reactor) {}

    Result<std::unique_ptr<Listener>> listen(const Endpoint& at) override;
    Task<Result<std::unique_ptr<Stream>>> connect(const Context& ctx, const Endpoint& to) override;
    Result<std::unique_ptr<Listener>> listen_local(const std::string& path) override;
    Task<Result<std::unique_ptr<Stream>>> connect_local(const Context& ctx,
                                                        const std::string& path) override;

  private:
    AsioReactor& reactor_;
};

}  // namespace s4::rt::asio
