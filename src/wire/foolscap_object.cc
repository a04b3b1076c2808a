#include "wire/foolscap_object.h"

#include "base/check.h"
#include "codec/hex.h"
#include "wire/foolscap_connection.h"

namespace s4::wire {

namespace pf = proto::foolscap;

// A method in streamed mode comes with its own of these three.
rt::Task<void> RemoteObject::stream_began(const rt::Context&, pf::StreamBegan) {
    UNREACHABLE("an object without streamed methods gets no streams");
    co_return;
}
rt::Task<void> RemoteObject::stream_piece(const rt::Context&, pf::StreamId, ByteView) {
    UNREACHABLE("an object without streamed methods gets no streams");
    co_return;
}
void RemoteObject::streams_broken(pf::StreamId) {
    UNREACHABLE("an object without streamed methods gets no streams");
}

FoolscapTub::FoolscapTub(crypto::TlsIdentity identity, crypto::Random& random)
    : identity_(std::move(identity)),
      tub_id_(identity_.certificate.tub_id()),
      table_(codec::hex::encode(crypto::random_bytes<8>(random))) {}

FoolscapTub::~FoolscapTub() {
    CHECK(connections_.empty(), "a tub outlives its connections");
}

FoolscapConnection* FoolscapTub::find(pf::ConnectionId id) const {
    const auto found = connections_.find(id);
    return found == connections_.end() ? nullptr : found->second;
}

// By number: ending one connection may end others, and take them out of the map.
std::vector<pf::ConnectionId> FoolscapTub::all() const {
    std::vector<pf::ConnectionId> out;
    for (const auto& [id, connection] : connections_) out.push_back(id);
    return out;
}

void FoolscapTub::close_all() {
    for (const pf::ConnectionId id : all())
        if (FoolscapConnection* connection = find(id)) connection->close("the tub was closed");
}

void FoolscapTub::finish_all() {
    for (const pf::ConnectionId id : all())
        if (FoolscapConnection* connection = find(id)) connection->finish();
}

void FoolscapTub::attached(pf::ConnectionId id, FoolscapConnection& connection) {
    connections_.emplace(id, &connection);
}

void FoolscapTub::detached(pf::ConnectionId id, std::string_view peer_tub_id) {
    connections_.erase(id);
    table_.detach(peer_tub_id, id);
}

}  // namespace s4::wire
