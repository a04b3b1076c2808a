// DuplicateTable: what one Tub knows of its connections to each other tub, and the rules by which a
// second connection replaces the first or is refused (A.5). Pure state: no socket, no time.
//
// Made with its Tub and lives as long, on the grid's home reactor. The negotiation asks and tells
// it; the pump closes what it says was replaced. A Tub loaded again begins with a new incarnation
// and an empty table, which its peers take as a restart.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/id.h"
#include "proto/foolscap/limits.h"

namespace s4::proto::foolscap {

using ConnectionId = Id<struct ConnectionTag>;

// One connection as a pair of names: the master's incarnation and its sequence number.
struct ConnectionMark {
    std::string master_incarnation;
    std::uint64_t sequence = 0;
    friend bool operator==(const ConnectionMark&, const ConnectionMark&) = default;
};

// The parts of a peer's hello that decide.
struct DuplicateOffer {
    std::optional<std::string> incarnation;  // "my-incarnation"
    // "last-connection", which only connectors send: a mark with the incarnation "none" says "never
    // met".
    std::optional<ConnectionMark> last_connection;
};

enum class OfferVerdict : std::uint8_t {
    accept_first,       // no connection to this tub is alive
    accept_restarted,   // the peer is another incarnation than the one connected
    accept_our_past,    // the peer last spoke with an earlier incarnation of ours
    accept_known_dead,  // the peer names the existing connection as its last
    reject_old_peer,    // the offer lacks my-incarnation or last-connection
    reject_never_met,   // the peer does not know of the existing one: parallel attempts
    reject_older,       // the peer's last connection is older than the existing one
    reject_newer,       // newer than any we made: nonsense
};
bool accepted(OfferVerdict verdict);

class DuplicateTable {
  public:
    // `incarnation`: 16 hex digits, random for each Tub object.
    explicit DuplicateTable(std::string incarnation) : incarnation_(std::move(incarnation)) {}
    DuplicateTable(const DuplicateTable&) = delete;
    DuplicateTable& operator=(const DuplicateTable&) = delete;

    const std::string& incarnation() const { return incarnation_; }

    // As master: what to do with an offer.
    OfferVerdict judge(std::string_view peer, const DuplicateOffer& offer) const;

    // As master, after an accepted offer: `connection` is the live one from now on. Returns its
    // sequence number and the connection that it replaces, to be closed.
    struct Attached {
        std::uint64_t sequence = 0;
        std::optional<ConnectionId> replaced;
    };
    Attached attach_as_master(std::string_view peer, ConnectionId connection,
                              std::optional<std::string> slave_incarnation);
    // As slave, after the master's decision, whose mark is kept for the next hello.
    std::optional<ConnectionId> attach_as_slave(std::string_view peer, ConnectionId connection,
                                                std::optional<ConnectionMark> mark);
    // The connection is gone. One that was replaced meanwhile changes nothing.
    void detach(std::string_view peer, ConnectionId connection);

    std::optional<ConnectionId> live(std::string_view peer) const;
    // What a connector says in "last-connection".
    ConnectionMark last_connection(std::string_view peer) const;

    std::size_t remembered() const { return peers_.size(); }

  private:
    struct Live {
        ConnectionId connection;
        std::optional<std::string> slave_incarnation;  // set where we are master
        std::uint64_t sequence = 0;                    // likewise
    };
    struct Peer {
        std::optional<Live> live;
        std::uint64_t master_sequence = 0;         // of our last connection as master
        std::optional<ConnectionMark> slave_mark;  // of our last connection as slave
        std::list<std::string>::iterator recency;
    };

    Peer& peer(std::string_view tub_id);
    const Peer* find(std::string_view tub_id) const;
    void forget_oldest();

    std::string incarnation_;
    std::unordered_map<std::string, Peer> peers_;
    std::list<std::string> recency_;  // oldest first
    // The highest sequence number of a forgotten peer, so that none is ever given twice.
    std::uint64_t sequence_floor_ = 0;
};

}  // namespace s4::proto::foolscap
