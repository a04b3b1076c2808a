#include "wire/foolscap_negotiation.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"

namespace s4::wire {

namespace pf = proto::foolscap;
using pf::Negotiation;

namespace {

// One negotiation under way: a machine, the stream it speaks through, and what was read beyond it.
struct Talk {
    Negotiation machine;
    std::unique_ptr<rt::Stream> stream;
    ByteBuffer unread;
};

rt::Task<Result<void>> flush(const rt::Context& ctx, Talk& talk) {
    const ByteBuffer out = talk.machine.take_output();
    if (out.empty()) co_return ok();
    co_return co_await talk.stream->write_all(ctx, out);
}

// Reads until the machine wants something else than bytes. A failed machine's last words are sent.
rt::Task<Result<Negotiation::Step>> advance(const rt::Context& ctx, Talk& talk) {
    while (true) {
        ByteView view = talk.unread;
        Negotiation::Step step = talk.machine.receive(view);
        talk.unread = to_buffer(view);
        const auto flushed = co_await flush(ctx, talk);
        // What is established stands in the Tub's table, and only its connection takes it out.
        if (std::holds_alternative<Negotiation::Established>(step)) co_return step;
        if (!flushed) co_return fail(flushed.error());
        if (auto* failed = std::get_if<Negotiation::Failed>(&step)) {
            (void)co_await talk.stream->shutdown_write(ctx);
            co_return fail(std::move(failed->error));
        }
        if (!std::holds_alternative<Negotiation::Wait>(step)) co_return step;
        talk.unread.resize(kFoolscapReadBytesMin);
        auto read = co_await talk.stream->read_some(ctx, talk.unread);
        talk.unread.resize(read.value_or(0));
        if (!read) co_return fail(std::move(read).error());
        if (*read == 0)
            co_return fail(ErrorKind::closed, "negotiation.closed",
                           "the peer closed the connection during the negotiation");
    }
}

rt::Task<Result<Negotiation::Established>> exchange_hellos(const rt::Context& ctx, Talk& talk,
                                                           FoolscapSecurity::Secured secured) {
    talk.stream = std::move(secured.stream);
    talk.unread.clear();
    (void)talk.machine.tls_ready(std::move(secured.peer_tub_id));
    CO_TRY(co_await flush(ctx, talk));
    auto step = CO_TRY(co_await advance(ctx, talk));
    CHECK(std::holds_alternative<Negotiation::Established>(step),
          "after the hellos a negotiation is established or fails");
    co_return std::get<Negotiation::Established>(std::move(step));
}

rt::Task<Result<std::unique_ptr<FoolscapConnection>>> accept(
    const rt::Context& ctx, rt::Reactor& reactor, FoolscapSecurity& security, FoolscapHost& host,
    std::unique_ptr<FoolscapVisit>& visit, Talk& talk, const FoolscapLimits& limits) {
    const auto first = CO_TRY(co_await advance(ctx, talk));
    CHECK(std::holds_alternative<Negotiation::ChooseTub>(first), "a request names a tub");
    auto entered = co_await host.enter(ctx, std::get<Negotiation::ChooseTub>(first).tub_id,
                                       talk.stream->peer());
    if (!entered) {
        if (entered.error().kind() == ErrorKind::not_found) {
            (void)talk.machine.tub_unknown();
        } else {
            (void)talk.machine.tub_refused(entered.error().message());
        }
        (void)co_await flush(ctx, talk);
        (void)co_await talk.stream->shutdown_write(ctx);
        co_return fail(std::move(entered).error());
    }
    visit = *std::move(entered);
    FoolscapTub& tub = visit->tub();
    const pf::ConnectionId id = tub.next_connection();
    (void)talk.machine.tub_chosen(id, tub.tub_id(), tub.table());
    CO_TRY(co_await flush(ctx, talk));
    auto secured = CO_TRY(co_await security.accept(ctx, std::move(talk.stream),
                                                   std::exchange(talk.unread, {}), tub.identity()));
    auto established = CO_TRY(co_await exchange_hellos(ctx, talk, std::move(secured)));
    co_return std::make_unique<FoolscapConnection>(reactor, tub, id, std::move(established),
                                                   std::move(talk.stream), std::move(talk.unread),
                                                   limits);
}

}  // namespace

rt::Task<void> serve_foolscap(rt::Context ctx, rt::Reactor& reactor, FoolscapSecurity& security,
                              FoolscapHost& host, std::unique_ptr<rt::Stream> stream,
                              ByteBuffer already_read, FoolscapLimits limits) {
    std::unique_ptr<FoolscapVisit> visit;  // outlives the connection
    std::unique_ptr<FoolscapConnection> connection;
    {
        Talk talk{Negotiation::listener(), std::move(stream), std::move(already_read)};
        const rt::Context bounded = ctx.until(reactor.now() + limits.negotiation_time_max);
        auto accepted = co_await accept(bounded, reactor, security, host, visit, talk, limits);
        if (!accepted) {
            log::debug("foolscap", "negotiation failed", {{"why", accepted.error()}});
            co_return;
        }
        connection = *std::move(accepted);
    }
    co_await connection->run(ctx);
}

namespace {

// The attempts of one connect(): the first success is kept, and ends the others.
struct Attempts {
    rt::Scope& scope;
    std::unique_ptr<FoolscapConnection> connection;
    Error error =
        Error(ErrorKind::unavailable, "foolscap.no_address", "the FURL names no TCP address");
};

rt::Task<Result<std::unique_ptr<FoolscapConnection>>> reach(
    const rt::Context& ctx, rt::Runtime& runtime, FoolscapSecurity& security, FoolscapTub& tub,
    std::string target, const pf::TcpAddress& address, const FoolscapLimits& limits) {
    auto stream =
        CO_TRY(co_await runtime.network.connect(ctx, rt::Endpoint{address.host, address.port}));
    const pf::ConnectionId id = tub.next_connection();
    Talk talk{Negotiation::connector(id, tub.tub_id(), tub.table(), target, address.host),
              std::move(stream),
              {}};
    CO_TRY(co_await flush(ctx, talk));
    const auto first = CO_TRY(co_await advance(ctx, talk));
    CHECK(std::holds_alternative<Negotiation::StartTls>(first), "an answer leads to TLS");
    auto secured = CO_TRY(co_await security.connect(ctx, std::move(talk.stream),
                                                    std::exchange(talk.unread, {}), tub.identity(),
                                                    std::move(target)));
    auto established = CO_TRY(co_await exchange_hellos(ctx, talk, std::move(secured)));
    co_return std::make_unique<FoolscapConnection>(runtime.reactor, tub, id, std::move(established),
                                                   std::move(talk.stream), std::move(talk.unread),
                                                   limits);
}

rt::Task<void> attempt(rt::Context ctx, rt::Runtime& runtime, FoolscapSecurity& security,
                       FoolscapTub& tub, std::string target, pf::TcpAddress address,
                       FoolscapLimits limits, Attempts& attempts) {
    auto reached = co_await reach(ctx, runtime, security, tub, std::move(target), address, limits);
    if (attempts.connection != nullptr) co_return;
    if (!reached) {
        attempts.error = std::move(reached).error();
        co_return;
    }
    attempts.connection = *std::move(reached);
    attempts.scope.cancel();
}

}  // namespace

rt::Task<Result<std::unique_ptr<FoolscapClient>>> FoolscapClient::connect(
    const rt::Context& ctx, rt::Runtime& runtime, FoolscapSecurity& security, FoolscapTub& tub,
    const pf::Furl& furl, const FoolscapLimits& limits) {
    rt::Scope scope(ctx.until(runtime.reactor.now() + limits.negotiation_time_max));
    Attempts attempts{.scope = scope, .connection = nullptr};
    for (const pf::TcpAddress& address : furl.tcp_addresses())
        scope.spawn(attempt(scope.context(), runtime, security, tub, furl.tub_id, address, limits,
                            attempts));
    co_await scope.join();
    if (attempts.connection == nullptr) co_return fail(std::move(attempts.error));
    co_return std::make_unique<FoolscapClient>(Private{}, ctx, std::move(attempts.connection));
}

FoolscapClient::FoolscapClient(Private, const rt::Context& ctx,
                               std::unique_ptr<FoolscapConnection> connection)
    : connection_(std::move(connection)), scope_(ctx) {
    rt::Context unbounded = scope_.context();
    unbounded.deadline = rt::kNoDeadline;  // the connection outlives the call that opened it
    scope_.spawn(connection_->run(unbounded));
}

rt::Task<void> FoolscapClient::close() {
    connection_->close("we closed it");
    scope_.cancel();
    co_await scope_.join();
}

}  // namespace s4::wire
