// How a Foolscap connection is secured after its plaintext block: TLS with the certificates of both
// tubs. An interface, so that the simulator can run most of its seeds without the cost of TLS.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/certificate.h"
#include "proto/tls/engine.h"
#include "rt/reactor.h"
#include "rt/stream.h"
#include "rt/task.h"

namespace s4::wire {

class FoolscapSecurity {
  public:
    struct Secured {
        std::unique_ptr<rt::Stream> stream;
        // Of the certificate that the peer presented; nothing if it presented none.
        std::optional<std::string> peer_tub_id;
    };
    virtual ~FoolscapSecurity() = default;

    // As the listener. `already_read` are the first bytes of what begins here.
    virtual rt::Task<Result<Secured>> accept(const rt::Context& ctx,
                                             std::unique_ptr<rt::Stream> stream,
                                             ByteBuffer already_read,
                                             const crypto::TlsIdentity& own) = 0;
    // As the connector, which knows whom it wants to meet.
    virtual rt::Task<Result<Secured>> connect(const rt::Context& ctx,
                                              std::unique_ptr<rt::Stream> stream,
                                              ByteBuffer already_read,
                                              const crypto::TlsIdentity& own,
                                              std::string target_tub_id) = 0;
};

// Production: TLS 1.2 or 1.3, the listener asks for a certificate, whose hash is the peer's tub id.
// Both references outlive it.
class FoolscapTls final : public FoolscapSecurity {
  public:
    FoolscapTls(rt::Reactor& reactor, const proto::tls::Library& library)
        : reactor_(reactor), library_(library) {}

    rt::Task<Result<Secured>> accept(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                     ByteBuffer already_read,
                                     const crypto::TlsIdentity& own) override;
    rt::Task<Result<Secured>> connect(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                      ByteBuffer already_read, const crypto::TlsIdentity& own,
                                      std::string target_tub_id) override;

  private:
    rt::Task<Result<Secured>> shake(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                    ByteBuffer already_read, proto::tls::Engine engine);

    rt::Reactor& reactor_;
    const proto::tls::Library& library_;
};

// The simulator's: each end says its tub id, and is believed. Never used by the program.
class FoolscapPlaintext final : public FoolscapSecurity {
  public:
    rt::Task<Result<Secured>> accept(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                     ByteBuffer already_read,
                                     const crypto::TlsIdentity& own) override;
    rt::Task<Result<Secured>> connect(const rt::Context& ctx, std::unique_ptr<rt::Stream> stream,
                                      ByteBuffer already_read, const crypto::TlsIdentity& own,
                                      std::string target_tub_id) override;
};

}  // namespace s4::wire
