// HttpServer: HTTP/1.1 over any streams (TCP or TLS). The pump reads requests one after the other
// from each connection and awaits the handler's answer to each before it reads the next.
//
//   class Hello : public HttpHandler {
//       rt::Task<void> handle(const rt::Context& ctx, HttpRequest& request, HttpResponse& response)
//       override {
//           co_await response.status(200).field("Content-Type", "text/plain").send(ctx,
//           as_bytes("hello"));
//       }
//   };
//
// All on one reactor's thread. The server and its handler outlive their connections: await drain()
// (or cancel the context and join the scope in which serve() runs) before destroying either.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "proto/http1/message.h"
#include "rt/reactor.h"
#include "rt/stream.h"
#include "rt/sync.h"
#include "wire/limits.h"

namespace s4::wire {

class HttpConnection;

// What a handler keeps with a connection from one request to the next: who the peer turned out to
// be, for example. Destroyed with the connection.
class HttpAttachment {
  public:
    virtual ~HttpAttachment() = default;
};

// One request as its handler sees it; lives as long as the handler's call.
class HttpRequest {
  public:
    explicit HttpRequest(HttpConnection& connection) : connection_(connection) {}
    HttpRequest(const HttpRequest&) = delete;
    HttpRequest& operator=(const HttpRequest&) = delete;

    const proto::http1::RequestHead& head() const;
    const rt::Endpoint& peer() const;
    std::unique_ptr<HttpAttachment>& attachment();

    // The next piece of the body, decoded; empty at its end. It lives until the next call. Nothing
    // is read from the peer before it is asked for here, so a slow handler slows the sender down.
    [[clang::coro_wrapper]] rt::Task<Result<ByteView>> next_piece(const rt::Context& ctx);
    // The whole body; "http.body_too_large" above `bytes_max`.
    rt::Task<Result<ByteBuffer>> read_body(const rt::Context& ctx, std::size_t bytes_max);

  private:
    HttpConnection& connection_;
};

// The answer. The head is built first (status() begins it anew), then sent with the whole body, or
// followed by pieces:
//
//   response.status(206).field("Content-Type", "application/octet-stream");
//   response.begin(length);
//   CO_TRY(co_await response.write(ctx, piece)); ...      // the head travels with the first piece
//   CO_TRY(co_await response.end(ctx));
//
// Content-Length, Transfer-Encoding and Connection are added here; an answer to HEAD carries the
// head alone, whatever is written. What fails, fails because the peer or the connection is gone:
// the handler just returns.
class HttpResponse {
  public:
    explicit HttpResponse(HttpConnection& connection) : connection_(connection) {}
    HttpResponse(const HttpResponse&) = delete;
    HttpResponse& operator=(const HttpResponse&) = delete;

    HttpResponse& status(int status);
    HttpResponse& field(std::string_view name, std::string_view value);
    HttpResponse& field(std::string_view name, std::uint64_t value);
    // The connection ends after this answer, and the answer says so.
    HttpResponse& close_after();

    rt::Task<Result<void>> send(const rt::Context& ctx, ByteView body = {});

    void begin(std::uint64_t body_bytes);
    void begin_chunked();
    [[clang::coro_wrapper]] rt::Task<Result<void>> write(const rt::Context& ctx, ByteView piece);
    [[clang::coro_wrapper]] rt::Task<Result<void>> end(const rt::Context& ctx);

    // Whether send() or begin() was called: too late for another status.
    bool begun() const;

  private:
    HttpConnection& connection_;
};

class HttpHandler {
  public:
    virtual ~HttpHandler() = default;
    // Answers one request. If it returns without an answer, the peer gets 500. What it leaves
    // unread of the body is dropped.
    virtual rt::Task<void> handle(const rt::Context& ctx, HttpRequest& request,
                                  HttpResponse& response) = 0;
};

class HttpServer {
  public:
    HttpServer(rt::Reactor& reactor, HttpHandler& handler, const HttpServerLimits& limits = {});
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    // Serves one connection until it ends, for whatever reason. `already_read` comes before what
    // the stream will give.
    rt::Task<void> serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                         ByteBuffer already_read = {});

    // Accepts and serves until the listener is closed or the context cancelled; returns when the
    // last connection has ended.
    rt::Task<void> accept_all(const rt::Context& ctx, rt::Listener& listener);

    // Connections end after the answer they are giving; idle ones at once. Returns when all have
    // ended; those left at the context's deadline are aborted.
    rt::Task<void> drain(const rt::Context& ctx);

    std::size_t connections() const { return connections_; }

  private:
    friend class HttpConnection;
    void add(HttpConnection& connection);
    void remove(HttpConnection& connection);
    void sweep();
    template <typename Due>
    void abort_where(Due due);

    rt::Reactor& reactor_;
    HttpHandler& handler_;
    HttpServerLimits limits_;
    HttpConnection* first_ = nullptr;  // of the connections, linked through themselves
    std::size_t connections_ = 0;
    std::uint64_t changes_ = 0;  // of the list
    rt::TimerId sweep_timer_ = 0;
    bool draining_ = false;
    rt::Event empty_;  // no connection is left
};

}  // namespace s4::wire
