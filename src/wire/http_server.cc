#include "wire/http_server.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/log.h"
#include "proto/http1/parser.h"
#include "proto/http1/serializer.h"
#include "rt/scope.h"

namespace s4::wire {

namespace http1 = proto::http1;

namespace {

// Whether the peer sent what is no HTTP, rather than went away: it is owed an answer.
bool is_of_parser(const Error& error) {
    return error.code().starts_with("http1.");
}

}  // namespace

// One connection: its unread bytes, the request being parsed, the answer being built. Lives in the
// frame of serve(). Time limits are only noted here (deadline_); the server's sweep enforces them,
// so that no timer is set for a request.
class HttpConnection {
  public:
    HttpConnection(HttpServer& server, std::unique_ptr<rt::Stream> stream, ByteBuffer already_read);
    HttpConnection(const HttpConnection&) = delete;
    ~HttpConnection() { server_.remove(*this); }

    // Reads and answers one request; false when the connection is to end.
    rt::Task<bool> serve_one(const rt::Context& ctx);
    // Says goodbye and waits a little for the peer to have read it: closing a socket with unread
    // bytes would take the last answer away from the peer.
    rt::Task<void> finish(const rt::Context& ctx);
    void abort() {
        aborted_ = true;
        stream_->abort();
    }

    bool idle() const { return idle_; }
    bool aborted() const { return aborted_; }
    bool expired(Instant now) const { return !aborted_ && now > deadline_; }

    // What HttpRequest offers.
    const http1::RequestHead& request() const { return parser_.head(); }
    const rt::Endpoint& peer() const { return peer_; }
    std::unique_ptr<HttpAttachment>& attachment() { return attachment_; }
    rt::Task<Result<ByteView>> next_piece(const rt::Context& ctx);

    // What HttpResponse offers.
    void begin_head(int status);
    ByteBuffer& head() { return head_; }
    void close_after() { keep_alive_ = false; }
    void begin(std::optional<std::uint64_t> body_bytes);
    rt::Task<Result<void>> write(const rt::Context& ctx, ByteView piece);
    rt::Task<Result<void>> end(const rt::Context& ctx);
    bool begun() const { return answer_ != Answer::not_begun; }

    HttpConnection* previous = nullptr;  // the server's list
    HttpConnection* next = nullptr;

  private:
    enum class Answer : std::uint8_t { not_begun, with_length, chunked, ended };

    rt::Task<Result<bool>> read_head(const rt::Context& ctx);
    rt::Task<void> refuse(const rt::Context& ctx, const Error& error);
    rt::Task<bool> drop_unread_body(const rt::Context& ctx);
    rt::Task<Result<bool>> fill(const rt::Context& ctx);
    rt::Task<Result<void>> put(const rt::Context& ctx, std::span<const ByteView> parts);
    void make_room();
    void release_room();
    bool unread_body_is_long() const;
    const Error& body_failed(Error why);

    ByteView unread() const { return ByteView(input_).subspan(input_at_, input_end_ - input_at_); }
    void wait_at_most(Duration limit) { deadline_ = server_.reactor_.now() + limit; }
    void wait_for_ever() { deadline_ = rt::kNoDeadline; }

    HttpServer& server_;
    std::unique_ptr<rt::Stream> stream_;
    rt::Endpoint peer_;
    std::unique_ptr<HttpAttachment> attachment_;
    Instant deadline_ = rt::kNoDeadline;
    bool idle_ = false;
    bool aborted_ = false;
    bool first_request_ = true;

    http1::RequestParser parser_;
    ByteBuffer input_;
    std::size_t input_at_ = 0;
    std::size_t input_end_ = 0;
    bool body_ended_ = true;
    bool continue_due_ = false;
    std::optional<Error> body_failure_;
    std::uint64_t body_bytes_read_ = 0;

    ByteBuffer head_;
    int status_ = 0;
    Answer answer_ = Answer::not_begun;
    std::uint64_t body_bytes_owed_ = 0;
    bool keep_alive_ = true;
    bool without_body_ = false;  // the answer to HEAD, or a status that has none
};

HttpConnection::HttpConnection(HttpServer& server, std::unique_ptr<rt::Stream> stream,
                               ByteBuffer already_read)
    : server_(server),
      stream_(std::move(stream)),
      peer_(stream_->peer()),
      parser_(server.limits_.message),
      input_(std::move(already_read)),
      input_end_(input_.size()) {
    server_.add(*this);
}

// ---- reading

void HttpConnection::make_room() {
    if (input_at_ == input_end_) {
        input_at_ = 0;
        input_end_ = 0;
    }
    if (input_end_ < input_.size()) return;
    if (input_at_ > 0) {
        std::memmove(input_.data(), input_.data() + input_at_, input_end_ - input_at_);
        input_end_ -= input_at_;
        input_at_ = 0;
        return;
    }
    // Nothing of it could be consumed, or the last read filled all of it.
    input_.resize(std::clamp(input_.size() * 2, kHttpReadBytesMin, kHttpReadBytesMax));
}

void HttpConnection::release_room() {
    if (input_at_ != input_end_ || input_.size() <= kHttpReadBytesMin) return;
    input_ = ByteBuffer();
    input_at_ = 0;
    input_end_ = 0;
}

// One read of the stream. False at the peer's end.
rt::Task<Result<bool>> HttpConnection::fill(const rt::Context& ctx) {
    make_room();
    CHECK(input_end_ < input_.size(), "the parser takes or refuses a full buffer");
    const std::size_t n =
        CO_TRY(co_await stream_->read_some(ctx, MutByteView(input_).subspan(input_end_)));
    input_end_ += n;
    co_return n > 0;
}

// False when the peer has gone between two requests.
rt::Task<Result<bool>> HttpConnection::read_head(const rt::Context& ctx) {
    idle_ = true;
    wait_at_most(first_request_ ? server_.limits_.head_time_max : server_.limits_.idle_time_max);
    for (;;) {
        const http1::Step step = CO_TRY(parser_.next(unread()));
        input_at_ += step.consumed;
        if (step.what == http1::Step::What::head) break;
        const bool begun = parser_.in_message() || !unread().empty();
        if (begun && idle_) {
            idle_ = false;
            wait_at_most(server_.limits_.head_time_max);
        }
        if (!begun && server_.draining_) co_return false;
        if (!begun) release_room();
        if (!CO_TRY(co_await fill(ctx))) co_return false;
    }
    idle_ = false;
    first_request_ = false;
    wait_for_ever();
    co_return true;
}

rt::Task<Result<ByteView>> HttpConnection::next_piece(const rt::Context& ctx) {
    if (body_ended_) co_return ByteView();
    if (continue_due_ && unread().empty()) {
        continue_due_ = false;
        const ByteView parts[] = {as_bytes(http1::kContinue)};
        CO_TRY(co_await put(ctx, parts));
    }
    for (;;) {
        const auto parsed = parser_.next(unread());
        if (!parsed) co_return fail(body_failed(parsed.error()));
        const http1::Step step = *parsed;
        input_at_ += step.consumed;
        if (step.what == http1::Step::What::body) {
            body_bytes_read_ += step.body.size();
            co_return step.body;
        }
        if (step.what == http1::Step::What::end) {
            body_ended_ = true;
            co_return ByteView();
        }
        wait_at_most(server_.limits_.body_silence_max);
        const auto more = co_await fill(ctx);
        wait_for_ever();
        if (!more) co_return fail(body_failed(more.error()));
        if (!*more)
            co_return fail(
                body_failed(Error(ErrorKind::closed, "http.truncated",
                                  "the connection ended in the middle of the request's body")));
    }
}

// Where the next request would begin cannot be known any more.
const Error& HttpConnection::body_failed(Error why) {
    keep_alive_ = false;
    return body_failure_.emplace(std::move(why));
}

bool HttpConnection::unread_body_is_long() const {
    if (body_ended_) return false;
    return request().content_length.value_or(0) >
           body_bytes_read_ + server_.limits_.unread_body_bytes_max;
}

// False if the connection is to be closed rather than read on.
rt::Task<bool> HttpConnection::drop_unread_body(const rt::Context& ctx) {
    std::uint64_t dropped = 0;
    continue_due_ = false;
    while (!body_ended_) {
        const auto piece = co_await next_piece(ctx);
        if (!piece) co_return false;
        dropped += piece->size();
        if (dropped > server_.limits_.unread_body_bytes_max) co_return false;
    }
    co_return true;
}

// ---- answering

void HttpConnection::begin_head(int status) {
    CHECK(!begun(), "the head has been sent");
    head_.clear();
    status_ = status;
    http1::begin_response(head_, status);
}

void HttpConnection::begin(std::optional<std::uint64_t> body_bytes) {
    CHECK(!begun(), "a request is answered once");
    const http1::RequestHead& asked = request();
    keep_alive_ = keep_alive_ && !server_.draining_ && !unread_body_is_long();
    without_body_ = asked.method == http1::Method::head || http1::has_no_body(status_);
    if (body_bytes) {
        answer_ = Answer::with_length;
        body_bytes_owed_ = *body_bytes;
        if (!http1::has_no_body(status_)) http1::add_field(head_, "Content-Length", *body_bytes);
    } else if (asked.minor_version >= 1) {
        answer_ = Answer::chunked;
        http1::add_field(head_, "Transfer-Encoding", "chunked");
    } else {
        answer_ = Answer::with_length;  // the end of the connection ends the body
        body_bytes_owed_ = UINT64_MAX;
        keep_alive_ = false;
    }
    if (!keep_alive_) http1::add_field(head_, "Connection", "close");
    if (keep_alive_ && asked.minor_version == 0)
        http1::add_field(head_, "Connection", "keep-alive");
    http1::end_head(head_);
}

rt::Task<Result<void>> HttpConnection::put(const rt::Context& ctx,
                                           std::span<const ByteView> parts) {
    wait_at_most(server_.limits_.write_time_max);
    auto written = co_await stream_->write(ctx, parts);
    wait_for_ever();
    co_return written;
}

rt::Task<Result<void>> HttpConnection::write(const rt::Context& ctx, ByteView piece) {
    CHECK(begun() && answer_ != Answer::ended, "a body follows its head");
    CHECK(answer_ == Answer::chunked || without_body_ || piece.size() <= body_bytes_owed_,
          "a body is as long as was said");
    if (without_body_) co_return ok();
    while (!piece.empty()) {
        const ByteView now = piece.first(std::min(piece.size(), kHttpPieceBytesMax));
        piece = piece.subspan(now.size());
        std::array<ByteView, 3> parts{ByteView(head_), now, {}};
        if (answer_ == Answer::chunked) {
            http1::add_chunk_head(head_, now.size());
            parts = {ByteView(head_), now, as_bytes(http1::kChunkEnd)};
        } else if (body_bytes_owed_ != UINT64_MAX) {
            body_bytes_owed_ -= now.size();
        }
        CO_TRY(co_await put(ctx, parts));
        head_.clear();
    }
    co_return ok();
}

rt::Task<Result<void>> HttpConnection::end(const rt::Context& ctx) {
    CHECK(begun() && answer_ != Answer::ended, "an answer ends once");
    const bool complete = answer_ == Answer::chunked || without_body_ || body_bytes_owed_ == 0 ||
                          body_bytes_owed_ == UINT64_MAX;
    if (!complete) co_return ok();  // serve_one() closes the connection, which tells the peer
    if (answer_ == Answer::chunked && !without_body_) append(head_, http1::kLastChunk);
    answer_ = Answer::ended;
    if (head_.empty()) co_return ok();
    const ByteView parts[] = {head_};
    CO_TRY(co_await put(ctx, parts));
    head_.clear();
    co_return ok();
}

// ---- the loop

rt::Task<void> HttpConnection::refuse(const rt::Context& ctx, const Error& error) {
    answer_ = Answer::not_begun;
    body_ended_ = true;
    begin_head(http1::status_for(error));
    http1::add_field(head_, "Content-Type", "text/plain; charset=utf-8");
    keep_alive_ = false;
    begin(error.message().size());
    if (!co_await write(ctx, as_bytes(error.message()))) co_return;
    (void)co_await end(ctx);
}

rt::Task<bool> HttpConnection::serve_one(const rt::Context& ctx) {
    parser_.reset();
    const auto read = co_await read_head(ctx);
    if (!read && is_of_parser(read.error())) co_await refuse(ctx, read.error());
    if (!read || !*read) co_return false;

    body_ended_ = !request().has_body();
    continue_due_ = request().expects_continue;
    body_failure_.reset();
    body_bytes_read_ = 0;
    keep_alive_ = request().keep_alive;
    answer_ = Answer::not_begun;
    begin_head(200);

    HttpRequest asked(*this);
    HttpResponse answer(*this);
    co_await server_.handler_.handle(ctx, asked, answer);
    if (aborted_) co_return false;
    if (!begun() && body_failure_) {
        if (is_of_parser(*body_failure_)) co_await refuse(ctx, *body_failure_);
        co_return false;
    }
    if (!begun()) {
        log::error("wire", "a handler returned without an answer",
                   {{"method", request().method_name}});
        begin_head(500);
        begin(0);
        if (!co_await end(ctx)) co_return false;
    }
    if (answer_ != Answer::ended || !keep_alive_) co_return false;
    co_return co_await drop_unread_body(ctx);
}

rt::Task<void> HttpConnection::finish(const rt::Context& ctx) {
    if (aborted_) co_return;
    wait_at_most(kHttpGoodbyeTime);
    if (!co_await stream_->shutdown_write(ctx)) co_return;
    std::uint64_t dropped = 0;
    while (dropped <= server_.limits_.unread_body_bytes_max) {
        input_at_ = input_end_;
        const auto more = co_await fill(ctx);
        if (!more || !*more) co_return;
        dropped += unread().size();
    }
}

// ---- the faces of a connection

const http1::RequestHead& HttpRequest::head() const {
    return connection_.request();
}
const rt::Endpoint& HttpRequest::peer() const {
    return connection_.peer();
}
std::unique_ptr<HttpAttachment>& HttpRequest::attachment() {
    return connection_.attachment();
}

[[clang::coro_wrapper]] rt::Task<Result<ByteView>> HttpRequest::next_piece(const rt::Context& ctx) {
    return connection_.next_piece(ctx);
}

rt::Task<Result<ByteBuffer>> HttpRequest::read_body(const rt::Context& ctx, std::size_t bytes_max) {
    const auto too_large = [] {
        return fail(ErrorKind::too_large, "http.body_too_large",
                    "the request's body is longer than is accepted here");
    };
    const std::uint64_t announced = head().content_length.value_or(0);
    if (announced > bytes_max) co_return too_large();
    ByteBuffer body;
    body.reserve(announced);
    for (;;) {
        const ByteView piece = CO_TRY(co_await next_piece(ctx));
        if (piece.empty()) co_return body;
        if (piece.size() > bytes_max - body.size()) co_return too_large();
        append(body, piece);
    }
}

HttpResponse& HttpResponse::status(int status) {
    connection_.begin_head(status);
    return *this;
}
HttpResponse& HttpResponse::field(std::string_view name, std::string_view value) {
    http1::add_field(connection_.head(), name, value);
    return *this;
}
HttpResponse& HttpResponse::field(std::string_view name, std::uint64_t value) {
    http1::add_field(connection_.head(), name, value);
    return *this;
}
HttpResponse& HttpResponse::close_after() {
    connection_.close_after();
    return *this;
}

rt::Task<Result<void>> HttpResponse::send(const rt::Context& ctx, ByteView body) {
    connection_.begin(body.size());
    CO_TRY(co_await connection_.write(ctx, body));
    co_return co_await connection_.end(ctx);
}

void HttpResponse::begin(std::uint64_t body_bytes) {
    connection_.begin(body_bytes);
}
void HttpResponse::begin_chunked() {
    connection_.begin(std::nullopt);
}
[[clang::coro_wrapper]] rt::Task<Result<void>> HttpResponse::write(const rt::Context& ctx,
                                                                   ByteView piece) {
    return connection_.write(ctx, piece);
}
[[clang::coro_wrapper]] rt::Task<Result<void>> HttpResponse::end(const rt::Context& ctx) {
    return connection_.end(ctx);
}
bool HttpResponse::begun() const {
    return connection_.begun();
}

// ---- the server

HttpServer::HttpServer(rt::Reactor& reactor, HttpHandler& handler, const HttpServerLimits& limits)
    : reactor_(reactor), handler_(handler), limits_(limits), empty_(reactor) {
    empty_.set();
}

HttpServer::~HttpServer() {
    CHECK(connections_ == 0, "a server outlives its connections");
    if (sweep_timer_ != 0) reactor_.cancel(sweep_timer_);
}

void HttpServer::add(HttpConnection& connection) {
    connection.next = first_;
    if (first_) first_->previous = &connection;
    first_ = &connection;
    ++connections_;
    ++changes_;
    empty_.clear();
    if (sweep_timer_ == 0)
        sweep_timer_ = reactor_.call_at(reactor_.now() + kHttpSweepInterval, [this] { sweep(); });
}

void HttpServer::remove(HttpConnection& connection) {
    if (connection.previous) connection.previous->next = connection.next;
    if (connection.next) connection.next->previous = connection.previous;
    if (first_ == &connection) first_ = connection.next;
    --connections_;
    ++changes_;
    if (connections_ == 0) empty_.set();
}

// Aborts every connection for which `due` holds. An abort may end its connection, or others, at
// once.
template <typename Due>
void HttpServer::abort_where(Due due) {
    for (HttpConnection* at = first_; at != nullptr;) {
        HttpConnection* const next = at->next;
        const std::uint64_t before = changes_;
        if (due(*at)) at->abort();
        at = changes_ == before ? next : first_;
    }
}

void HttpServer::sweep() {
    const Instant now = reactor_.now();
    abort_where([now](const HttpConnection& c) { return c.expired(now); });
    sweep_timer_ = 0;
    if (connections_ > 0)
        sweep_timer_ = reactor_.call_at(now + kHttpSweepInterval, [this] { sweep(); });
}

rt::Task<void> HttpServer::serve(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                 ByteBuffer already_read) {
    if (connections_ >= limits_.connections_max || draining_) {
        stream->abort();
        co_return;
    }
    HttpConnection connection(*this, std::move(stream), std::move(already_read));
    const rt::CancelRegistration cancelled(ctx.cancel, [&connection] { connection.abort(); });
    // Cancellation and time limits reach the stream through abort(): each of its operations need
    // not register for them.
    rt::Context quiet = ctx;
    quiet.cancel = {};
    quiet.deadline = rt::kNoDeadline;
    while (co_await connection.serve_one(quiet)) {
    }
    co_await connection.finish(quiet);
}

rt::Task<void> HttpServer::accept_all(const rt::Context& ctx, rt::Listener& listener) {
    rt::Scope scope(ctx);
    for (;;) {
        auto accepted = co_await listener.accept(scope.context());
        if (accepted) {
            scope.spawn(serve(scope.context(), std::move(*accepted)));
            continue;
        }
        if (accepted.error().kind() == ErrorKind::closed ||
            accepted.error().kind() == ErrorKind::cancelled)
            break;
        // Out of descriptors, most likely: those in use must end first.
        log::warning("wire", "a connection could not be accepted", {{"error", accepted.error()}});
        if (!co_await rt::sleep(reactor_, scope.context(), kAcceptRetryTime)) break;
    }
    co_await scope.join();
}

rt::Task<void> HttpServer::drain(const rt::Context& ctx) {
    draining_ = true;
    abort_where([](const HttpConnection& c) { return c.idle() && !c.aborted(); });
    if (co_await empty_.wait(ctx)) co_return;
    abort_where([](const HttpConnection& c) { return !c.aborted(); });
    rt::Context unbounded = ctx;
    unbounded.deadline = rt::kNoDeadline;
    unbounded.cancel = {};
    (void)co_await empty_.wait(unbounded);
}

}  // namespace s4::wire
