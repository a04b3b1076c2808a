#include "wire/foolscap_security.h"

#include <algorithm>
#include <utility>

#include "codec/base32.h"
#include "proto/foolscap/furl.h"
#include "proto/foolscap/limits.h"
#include "wire/tls_stream.h"

namespace s4::wire {

namespace pf = proto::foolscap;

rt::Task<Result<FoolscapSecurity::Secured>> FoolscapTls::accept(const rt::Context& ctx,
                                                                std::unique_ptr<rt::Stream> stream,
                                                                ByteBuffer already_read,
                                                                const crypto::TlsIdentity& own) {
    auto engine =
        CO_TRY(proto::tls::Engine::server(library_, own, proto::tls::PeerPolicy::any_tub()));
    co_return co_await shake(ctx, std::move(stream), std::move(already_read), std::move(engine));
}

rt::Task<Result<FoolscapSecurity::Secured>> FoolscapTls::connect(const rt::Context& ctx,
                                                                 std::unique_ptr<rt::Stream> stream,
                                                                 ByteBuffer already_read,
                                                                 const crypto::TlsIdentity& own,
                                                                 std::string target_tub_id) {
    const ByteBuffer hash = CO_TRY(codec::base32::decode(target_tub_id));
    crypto::Sha1Digest digest{};
    if (hash.size() != digest.size())
        co_return fail(ErrorKind::invalid, "furl.invalid", "the tub id is not 20 bytes");
    std::copy(hash.begin(), hash.end(), digest.begin());
    auto engine = CO_TRY(
        proto::tls::Engine::client(library_, &own, proto::tls::PeerPolicy::pinned_tub(digest)));
    co_return co_await shake(ctx, std::move(stream), std::move(already_read), std::move(engine));
}

rt::Task<Result<FoolscapSecurity::Secured>> FoolscapTls::shake(const rt::Context& ctx,
                                                               std::unique_ptr<rt::Stream> stream,
                                                               ByteBuffer already_read,
                                                               proto::tls::Engine engine) {
    auto secured = CO_TRY(co_await TlsStream::handshake(
        ctx, reactor_, std::move(stream), std::move(engine), std::move(already_read)));
    Secured out;
    if (const auto der = secured->engine().peer_certificate_der())
        out.peer_tub_id = pf::tub_id_of(*der);
    out.stream = std::move(secured);
    co_return out;
}

namespace {

// A stream some of whose bytes were read already.
class WithBytesBefore final : public rt::Stream {
  public:
    WithBytesBefore(std::unique_ptr<rt::Stream> inner, ByteBuffer before)
        : inner_(std::move(inner)), before_(std::move(before)) {}

    rt::Task<Result<std::size_t>> read_some(const rt::Context& ctx, MutByteView into) override {
        const std::size_t n = std::min(into.size(), before_.size() - at_);
        if (n == 0) co_return co_await inner_->read_some(ctx, into);
        std::copy_n(before_.begin() + static_cast<std::ptrdiff_t>(at_), n, into.begin());
        at_ += n;
        co_return n;
    }
    rt::Task<Result<void>> write(const rt::Context& ctx, std::span<const ByteView> parts) override {
        co_return co_await inner_->write(ctx, parts);
    }
    rt::Task<Result<void>> shutdown_write(const rt::Context& ctx) override {
        co_return co_await inner_->shutdown_write(ctx);
    }
    void abort() override { inner_->abort(); }
    rt::Endpoint peer() const override { return inner_->peer(); }

  private:
    std::unique_ptr<rt::Stream> inner_;
    ByteBuffer before_;
    std::size_t at_ = 0;
};

rt::Task<Result<FoolscapSecurity::Secured>> introduce(const rt::Context& ctx,
                                                      std::unique_ptr<rt::Stream> stream,
                                                      ByteBuffer already_read,
                                                      const crypto::TlsIdentity& own) {
    auto with_bytes = std::make_unique<WithBytesBefore>(std::move(stream), std::move(already_read));
    const std::string mine = own.certificate.tub_id();
    CO_TRY(co_await with_bytes->write_all(ctx, as_bytes(mine)));
    std::string theirs(pf::kTubIdSize, '\0');
    for (std::size_t at = 0; at < theirs.size();) {
        const MutByteView room(reinterpret_cast<std::uint8_t*>(theirs.data()) + at,
                               theirs.size() - at);
        const std::size_t n = CO_TRY(co_await with_bytes->read_some(ctx, room));
        if (n == 0) co_return fail(ErrorKind::closed, "tls.truncated", "the peer went away");
        at += n;
    }
    co_return FoolscapSecurity::Secured{std::move(with_bytes), std::move(theirs)};
}

}  // namespace

rt::Task<Result<FoolscapSecurity::Secured>> FoolscapPlaintext::accept(
    const rt::Context& ctx, std::unique_ptr<rt::Stream> stream, ByteBuffer already_read,
    const crypto::TlsIdentity& own) {
    co_return co_await introduce(ctx, std::move(stream), std::move(already_read), own);
}

rt::Task<Result<FoolscapSecurity::Secured>> FoolscapPlaintext::connect(
    const rt::Context& ctx, std::unique_ptr<rt::Stream> stream, ByteBuffer already_read,
    const crypto::TlsIdentity& own, std::string) {
    co_return co_await introduce(ctx, std::move(stream), std::move(already_read), own);
}

}  // namespace s4::wire
