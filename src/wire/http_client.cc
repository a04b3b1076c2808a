#include "wire/http_client.h"

#include <algorithm>

#include "base/check.h"
#include "proto/http1/parser.h"
#include "proto/http1/serializer.h"
#include "wire/tls_stream.h"

namespace s4::wire {

namespace http1 = proto::http1;

// One connection and what was read ahead on it.
class HttpClient::Connection {
  public:
    Connection(std::unique_ptr<rt::Stream> stream, const HttpClientLimits& limits)
        : stream_(std::move(stream)), limits_(limits), parser_(limits.message) {}

    rt::Task<Result<HttpAnswer>> exchange(const rt::Context& ctx, const std::string& host,
                                          const HttpCall& call);

    // Whether the server had begun to answer the call that failed.
    bool answer_begun() const { return answer_begun_; }
    bool can_be_kept() const { return keep_alive_ && unread_.empty(); }

    Instant idle_since{};

  private:
    rt::Task<Result<void>> send(const rt::Context& ctx, const std::string& host,
                                const HttpCall& call);
    rt::Task<Result<http1::Step>> next_step(const rt::Context& ctx);

    std::unique_ptr<rt::Stream> stream_;
    const HttpClientLimits& limits_;
    http1::ResponseParser parser_;
    ByteBuffer unread_;
    std::size_t unread_at_ = 0;
    bool answer_begun_ = false;
    bool keep_alive_ = false;
};

rt::Task<Result<void>> HttpClient::Connection::send(const rt::Context& ctx, const std::string& host,
                                                    const HttpCall& call) {
    ByteBuffer head;
    http1::begin_request(head, http1::name_of(call.method), call.target);
    http1::add_field(head, "Host", host);
    for (const auto& [name, value] : call.fields) http1::add_field(head, name, value);
    const bool has_body = !call.body.empty() || call.method == http1::Method::post ||
                          call.method == http1::Method::put || call.method == http1::Method::patch;
    if (has_body) http1::add_field(head, "Content-Length", call.body.size());
    http1::end_head(head);
    const ByteView parts[] = {head, call.body};
    co_return co_await stream_->write(ctx, std::span(parts).first(call.body.empty() ? 1 : 2));
}

// The next event of the answer, reading as much as it takes.
rt::Task<Result<http1::Step>> HttpClient::Connection::next_step(const rt::Context& ctx) {
    for (;;) {
        const http1::Step step = CO_TRY(parser_.next(ByteView(unread_).subspan(unread_at_)));
        unread_at_ += step.consumed;
        if (step.what != http1::Step::What::need_more) co_return step;
        unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(unread_at_));
        unread_at_ = 0;
        const std::size_t before = unread_.size();
        unread_.resize(before + kHttpReadBytesMax);
        const auto got = co_await stream_->read_some(ctx, MutByteView(unread_).subspan(before));
        unread_.resize(before + got.value_or(0));
        if (!got) co_return fail(got.error());
        if (*got == 0) co_return parser_.ended();
        answer_begun_ = true;
    }
}

rt::Task<Result<HttpAnswer>> HttpClient::Connection::exchange(const rt::Context& ctx,
                                                              const std::string& host,
                                                              const HttpCall& call) {
    answer_begun_ = false;
    keep_alive_ = false;
    parser_.reset(call.method);
    CO_TRY(co_await send(ctx, host, call));
    HttpAnswer answer;
    for (;;) {
        const http1::Step step = CO_TRY(co_await next_step(ctx));
        if (step.what == http1::Step::What::end) break;
        if (step.what == http1::Step::What::head)
            answer.body.reserve(std::min<std::uint64_t>(parser_.head().content_length.value_or(0),
                                                        kHttpPieceBytesMax));
        if (step.body.size() > limits_.body_bytes_max - answer.body.size())
            co_return fail(ErrorKind::too_large, "http.answer_too_large",
                           "the server's answer is longer than is accepted here");
        append(answer.body, step.body);
    }
    answer.head = parser_.head();
    keep_alive_ = answer.head.keep_alive;
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(unread_at_));
    unread_at_ = 0;
    co_return answer;
}

HttpClient::HttpClient(rt::Reactor& reactor, rt::Network& network, const proto::tls::Library& tls,
                       HttpOrigin origin, const HttpClientLimits& limits)
    : reactor_(reactor),
      network_(network),
      tls_(tls),
      origin_(std::move(origin)),
      limits_(limits) {}

HttpClient::~HttpClient() = default;

// The connection that was used last: the others may grow old and be dropped.
std::unique_ptr<HttpClient::Connection> HttpClient::take_idle() {
    const Instant oldest = reactor_.now() - limits_.idle_time_max;
    std::erase_if(idle_, [oldest](const auto& c) { return c->idle_since < oldest; });
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
}

rt::Task<Result<std::unique_ptr<HttpClient::Connection>>> HttpClient::connect(
    const rt::Context& ctx) {
    std::unique_ptr<rt::Stream> stream = CO_TRY(co_await network_.connect(ctx, origin_.endpoint));
    if (origin_.tls) {
        auto engine = CO_TRY(proto::tls::Engine::client(tls_, nullptr, *origin_.tls));
        stream = CO_TRY(
            co_await TlsStream::handshake(ctx, reactor_, std::move(stream), std::move(engine)));
    }
    co_return std::make_unique<Connection>(std::move(stream), limits_);
}

rt::Task<Result<HttpAnswer>> HttpClient::call(const rt::Context& ctx, HttpCall call) {
    const std::string host = origin_.endpoint.to_string();
    auto connection = take_idle();
    bool reused = connection != nullptr;
    for (;;) {
        if (!connection) connection = CO_TRY(co_await connect(ctx));
        auto answer = co_await connection->exchange(ctx, host, call);
        const bool stale =
            !answer && reused && !connection->answer_begun() &&
            answer.error().kind() == ErrorKind::closed && call.body.empty() &&
            (call.method == http1::Method::get || call.method == http1::Method::head);
        if (stale) {
            connection.reset();
            reused = false;
            continue;
        }
        if (answer && connection->can_be_kept() && idle_.size() < limits_.idle_connections_max) {
            connection->idle_since = reactor_.now();
            idle_.push_back(std::move(connection));
        }
        co_return answer;
    }
}

}  // namespace s4::wire
