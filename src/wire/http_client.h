// HttpClient: HTTP/1.1 calls to one origin over a pool of connections, inside TLS if the origin
// says how its peer is known. Used by the probe that checks a grid from outside, and by the typed
// clients of outside services.
//
// All on one reactor's thread. Calls may run side by side, each on its own connection. Every wait
// is bounded by the call's context. The client outlives its calls.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/http1/message.h"
#include "proto/tls/engine.h"
#include "rt/reactor.h"
#include "rt/stream.h"
#include "wire/limits.h"

namespace s4::wire {

struct HttpOrigin {
    rt::Endpoint endpoint;
    std::optional<proto::tls::PeerPolicy> tls = {};  // plain text without
};

struct HttpCall {
    proto::http1::Method method = proto::http1::Method::get;
    std::string target;
    // But Host, Content-Length and Connection, which are added.
    std::vector<std::pair<std::string, std::string>> fields = {};
    ByteBuffer body = {};
};

struct HttpAnswer {
    proto::http1::ResponseHead head;
    ByteBuffer body;
};

class HttpClient {
  public:
    HttpClient(rt::Reactor& reactor, rt::Network& network, const proto::tls::Library& tls,
               HttpOrigin origin, const HttpClientLimits& limits = {});
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    // The whole answer, whatever its status. A call without a body whose pooled connection turned
    // out dead is made again once, on a new one. Errors: of the stream, the TLS engine and the
    // parser; "http.answer_too_large".
    rt::Task<Result<HttpAnswer>> call(const rt::Context& ctx, HttpCall call);

    std::size_t idle_connections() const { return idle_.size(); }

  private:
    class Connection;

    std::unique_ptr<Connection> take_idle();
    rt::Task<Result<std::unique_ptr<Connection>>> connect(const rt::Context& ctx);

    rt::Reactor& reactor_;
    rt::Network& network_;
    proto::tls::Library tls_;
    HttpOrigin origin_;
    HttpClientLimits limits_;
    std::vector<std::unique_ptr<Connection>> idle_;  // the last used at the end
};

}  // namespace s4::wire
