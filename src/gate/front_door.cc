#include "gate/front_door.h"

#include "base/log.h"
#include "base/metrics.h"
#include "gate/limits.h"
#include "wire/tls_stream.h"

namespace s4::gate {

namespace {

constexpr std::string_view kFoolscapOpening = "GET /id/";
constexpr std::uint8_t kTlsHandshakeRecord = 0x16;
static_assert(kFoolscapOpening.size() == kFirstBytesMax);

metrics::Counter& accepted_as(const char* protocol) {
    return metrics::counter("s4_gate_connections_total", "Connections by what they spoke",
                            {{"protocol", protocol}});
}

}  // namespace

FrontDoor::FrontDoor(rt::Reactor& reactor, const proto::tls::Library& tls,
                     const crypto::TlsIdentity& service, GbsHandler& gbs, FoolscapDoor& foolscap,
                     const wire::HttpServerLimits& limits)
    : reactor_(reactor),
      tls_(tls),
      service_(service),
      foolscap_(foolscap),
      http_(reactor, gbs, limits) {}

FrontDoor::Speaks FrontDoor::judge(ByteView first) {
    if (first.empty()) return Speaks::unclear;
    if (first.front() == kTlsHandshakeRecord) return Speaks::tls;
    const std::string_view text = as_text(first.first(std::min(first.size(), kFirstBytesMax)));
    if (text == kFoolscapOpening) return Speaks::foolscap;
    return kFoolscapOpening.starts_with(text) ? Speaks::unclear : Speaks::neither;
}

rt::Task<Result<FrontDoor::Speaks>> FrontDoor::read_first_bytes(const rt::Context& ctx,
                                                                rt::Stream& stream,
                                                                ByteBuffer& first) {
    for (;;) {
        const Speaks speaks = judge(first);
        if (speaks != Speaks::unclear) co_return speaks;
        std::array<std::uint8_t, 2048> room;  // a TLS hello of today comes whole
        const std::size_t n = CO_TRY(co_await stream.read_some(ctx, room));
        if (n == 0) co_return Speaks::neither;
        append(first, ByteView(room).first(n));
    }
}

rt::Task<void> FrontDoor::greet(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream) {
    static metrics::Counter& displaced = accepted_as("displaced");
    static metrics::Counter& unknown = accepted_as("unknown");
    static metrics::Counter& foolscap = accepted_as("foolscap");
    static metrics::Counter& https = accepted_as("https");
    static metrics::Counter& no_handshake = accepted_as("failed_tls");

    Strangers::Stranger stranger(strangers_, ctx, stream->peer().host);
    ByteBuffer first;
    const rt::Context soon = stranger.context().until(reactor_.now() + kFirstBytesTimeMax);
    const auto speaks = co_await read_first_bytes(soon, *stream, first);
    if (!speaks || *speaks == Speaks::neither) {
        (stranger.displaced() ? displaced : unknown).add();
        stream->abort();
        co_return;
    }
    if (*speaks == Speaks::foolscap) {
        foolscap.add();
        stranger.introduced();
        co_await foolscap_.serve(ctx, std::move(stream), std::move(first));
        co_return;
    }
    auto engine = proto::tls::Engine::server(tls_, service_, proto::tls::PeerPolicy::anonymous());
    if (!engine) {
        log::error("gate", "no TLS connection could be made", {{"error", engine.error()}});
        co_return;
    }
    auto inside = co_await wire::TlsStream::handshake(soon, reactor_, std::move(stream),
                                                      std::move(*engine), std::move(first));
    if (!inside) {
        (stranger.displaced() ? displaced : no_handshake).add();
        co_return;
    }
    https.add();
    stranger.introduced();
    co_await http_.serve(ctx, std::move(*inside));
}

rt::Task<void> FrontDoor::run(const rt::Context& ctx, rt::Listener& listener) {
    rt::Scope scope(ctx);
    for (;;) {
        auto accepted = co_await listener.accept(scope.context());
        if (accepted) {
            scope.spawn(greet(scope.context(), std::move(*accepted)));
            continue;
        }
        if (accepted.error().kind() == ErrorKind::closed ||
            accepted.error().kind() == ErrorKind::cancelled)
            break;
        log::warning("gate", "a connection could not be accepted", {{"error", accepted.error()}});
        if (!co_await rt::sleep(reactor_, scope.context(), wire::kAcceptRetryTime)) break;
    }
    co_await scope.join();
}

rt::Task<void> FrontDoor::drain(const rt::Context& ctx) {
    rt::Scope scope(ctx);
    scope.spawn(http_.drain(ctx));
    scope.spawn(foolscap_.drain(ctx));
    co_await scope.join();
}

}  // namespace s4::gate
