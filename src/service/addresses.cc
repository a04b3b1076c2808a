#include "service/addresses.h"

#include "proto/foolscap/furl.h"
#include "proto/gbs/nurl.h"

namespace s4::service {
namespace {

constexpr std::string_view kNickname = "S4";
constexpr std::string_view kVersion = "s4/1";

std::string furl_of(const tenants::Tub& tub, const Secret& swissnum, const PublicGate& gate) {
    proto::foolscap::Furl furl;
    furl.tub_id = tub.tub_id;
    furl.hints = {proto::foolscap::format_tcp_hint({gate.host, gate.port})};
    furl.name = swissnum.reveal_text();
    return furl.format();
}

Secret to_secret(const std::string& text) {
    return Secret(as_bytes(text));
}

}  // namespace

Result<GridAddresses> addresses_of(const tenants::Keyring& keyring, const tenants::Grid& grid,
                                   const PublicGate& gate) {
    GridAddresses out;
    out.introducer_furl =
        to_secret(furl_of(grid.introducer, TRY(keyring.swissnum(grid.introducer)), gate));
    const Secret swissnum = TRY(keyring.swissnum(grid.storage));
    out.storage_furl = to_secret(furl_of(grid.storage, swissnum, gate));
    if (gate.host.find(':') != std::string::npos) return out;
    for (const PublicGate::Identity& identity : gate.identities) {
        proto::gbs::Nurl nurl;
        nurl.spki_hash = identity.spki_hash;
        nurl.host = gate.host;
        nurl.port = identity.port;
        nurl.swissnum = swissnum;
        out.nurls.push_back(nurl.to_text());
    }
    return out;
}

Result<introducer::StorageServer> storage_server_of(const tenants::Keyring& keyring,
                                                    const tenants::Grid& grid,
                                                    const PublicGate& gate) {
    const GridAddresses addresses = TRY(addresses_of(keyring, grid, gate));
    introducer::StorageServer out;
    out.furl = addresses.storage_furl.reveal_text();
    if (grid.policy.announced == tenants::Transports::both)
        for (const Secret& nurl : addresses.nurls) out.nurls.emplace_back(nurl.reveal_text());
    out.permutation_seed = grid.permutation_seed;
    out.nickname = kNickname;
    out.version = kVersion;
    return out;
}

}  // namespace s4::service
