// What peers may call over Foolscap: remote objects, and the Tub that they are found in.
//
// A RemoteObject belongs to one connection, which destroys it when the peer has dropped its last
// reference and no call on it runs, or when the connection has ended. So it may keep what the peer
// entrusted to it (an unfinished upload, a subscription) and let go of it in connection_lost(). All
// on the connection's reactor.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/certificate.h"
#include "crypto/random.h"
#include "proto/foolscap/broker.h"
#include "proto/foolscap/duplicates.h"
#include "rt/context.h"
#include "rt/task.h"

namespace s4::wire {

class FoolscapConnection;

// The bytes of a large byte string in an answer (proto::foolscap::SuppliedBytes), asked for while
// the peer takes them. Lives until the last one is sent or the connection has ended, longer than
// the call, and perhaps than the object, that made it.
class ByteSupply : public proto::foolscap::Supply {
  public:
    // The next piece, never empty and at most kFoolscapPieceBytesMax; the view lives until the next
    // call. A failure ends the connection, since the length was promised.
    virtual rt::Task<Result<ByteView>> next(const rt::Context& ctx) = 0;
    // The next piece if it is there already, and then next() goes on after it; else nothing.
    virtual ByteView at_hand() { return {}; }
};

class RemoteObject {
  public:
    // What a call ends with: the answer's value, or what the caller is told went wrong.
    using Answer = std::expected<proto::foolscap::Value, proto::foolscap::Failure>;

    virtual ~RemoteObject() = default;

    // Sent with the first reference; empty for plain objects.
    virtual std::string interface_name() const = 0;
    // `refused` for what is no method of this object: the caller then gets a Violation.
    virtual proto::foolscap::ArgumentMode argument_mode(std::string_view method) const = 0;

    // Runs one call. Calls are begun in the order in which they arrived, and run side by side; an
    // object whose calls must not overtake each other sees to that itself. References among the
    // arguments are released when the call has ended, unless the connection was told to hold()
    // them.
    virtual rt::Task<Answer> call(const rt::Context& ctx, std::string method,
                                  proto::foolscap::Arguments arguments) = 0;

    // The large byte strings of methods in `streamed` mode, in the order in which they arrive and
    // before the call that names them. The peer waits meanwhile. What fails here is remembered by
    // the object and answered by the call.
    virtual rt::Task<void> stream_began(const rt::Context& ctx,
                                        proto::foolscap::StreamBegan stream);
    virtual rt::Task<void> stream_piece(const rt::Context& ctx, proto::foolscap::StreamId stream,
                                        ByteView bytes);
    // The call will not come: drop `first` and all later streams of this object that no call named.
    virtual void streams_broken(proto::foolscap::StreamId first);

    // The connection is gone; calls under way are being cancelled. Must not wait.
    virtual void connection_lost() {}
};

// The arguments of a call do not fit the method, in the words of the reference's schemas:
// "Violation (NAME=): ('TEXT',)".
inline std::unexpected<proto::foolscap::Failure> bad_argument(std::string_view name,
                                                              std::string_view text) {
    return std::unexpected(proto::foolscap::Failure::violation(std::string(name) + "=", text));
}

// One Foolscap identity with its live connections. Made by whoever knows the identity; outlives its
// connections. A Tub that is dropped and made again has a new incarnation, which its peers take as
// a restart.
class FoolscapTub {
  public:
    FoolscapTub(crypto::TlsIdentity identity, crypto::Random& random);
    FoolscapTub(const FoolscapTub&) = delete;
    FoolscapTub& operator=(const FoolscapTub&) = delete;
    virtual ~FoolscapTub();

    // The object of that swissnum, made for this connection, which asks once for each name; null if
    // there is none. Compares in constant time.
    virtual std::unique_ptr<RemoteObject> open(FoolscapConnection& connection,
                                               std::string_view swissnum) = 0;

    const std::string& tub_id() const { return tub_id_; }
    const crypto::TlsIdentity& identity() const { return identity_; }
    proto::foolscap::DuplicateTable& table() { return table_; }

    std::size_t connections() const { return connections_.size(); }
    FoolscapConnection* find(proto::foolscap::ConnectionId id) const;
    // Ends all connections; each still takes a moment to end.
    void close_all();
    // The same, after the calls that have begun are answered.
    void finish_all();

    // For the pumps.
    proto::foolscap::ConnectionId next_connection() { return {next_connection_++}; }
    void attached(proto::foolscap::ConnectionId id, FoolscapConnection& connection);
    void detached(proto::foolscap::ConnectionId id, std::string_view peer_tub_id);

  private:
    std::vector<proto::foolscap::ConnectionId> all() const;

    crypto::TlsIdentity identity_;
    std::string tub_id_;
    proto::foolscap::DuplicateTable table_;
    std::map<proto::foolscap::ConnectionId, FoolscapConnection*> connections_;
    std::int64_t next_connection_ = 1;
};

// A Tub that offers nothing: for a client that only calls.
class ClientTub final : public FoolscapTub {
  public:
    using FoolscapTub::FoolscapTub;
    std::unique_ptr<RemoteObject> open(FoolscapConnection&, std::string_view) override {
        return nullptr;
    }
};

}  // namespace s4::wire
