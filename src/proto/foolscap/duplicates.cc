#include "proto/foolscap/duplicates.h"

#include <algorithm>
#include <utility>

namespace s4::proto::foolscap {

bool accepted(OfferVerdict verdict) {
    switch (verdict) {
        case OfferVerdict::accept_first:
        case OfferVerdict::accept_restarted:
        case OfferVerdict::accept_our_past:
        case OfferVerdict::accept_known_dead:
            return true;
        case OfferVerdict::reject_old_peer:
        case OfferVerdict::reject_never_met:
        case OfferVerdict::reject_older:
        case OfferVerdict::reject_newer:
            return false;
    }
    return false;
}

// The first row that applies decides; the order is the protocol's.
OfferVerdict DuplicateTable::judge(std::string_view tub_id, const DuplicateOffer& offer) const {
    const Peer* known = find(tub_id);
    if (known == nullptr || !known->live) return OfferVerdict::accept_first;
    const Live& existing = *known->live;
    if (!offer.incarnation || offer.incarnation->empty() || !offer.last_connection)
        return OfferVerdict::reject_old_peer;
    if (offer.incarnation != existing.slave_incarnation) return OfferVerdict::accept_restarted;
    const ConnectionMark& last = *offer.last_connection;
    if (last.master_incarnation == "none") return OfferVerdict::reject_never_met;
    if (last.master_incarnation != incarnation_) return OfferVerdict::accept_our_past;
    if (last.sequence == existing.sequence) return OfferVerdict::accept_known_dead;
    return last.sequence < existing.sequence ? OfferVerdict::reject_older
                                             : OfferVerdict::reject_newer;
}

DuplicateTable::Attached DuplicateTable::attach_as_master(
    std::string_view tub_id, ConnectionId connection,
    std::optional<std::string> slave_incarnation) {
    Peer& entry = peer(tub_id);
    Attached out;
    if (entry.live) out.replaced = entry.live->connection;
    out.sequence = ++entry.master_sequence;
    entry.live = Live{connection, std::move(slave_incarnation), out.sequence};
    return out;
}

std::optional<ConnectionId> DuplicateTable::attach_as_slave(std::string_view tub_id,
                                                            ConnectionId connection,
                                                            std::optional<ConnectionMark> mark) {
    Peer& entry = peer(tub_id);
    std::optional<ConnectionId> replaced;
    if (entry.live) replaced = entry.live->connection;
    entry.live = Live{.connection = connection, .slave_incarnation = std::nullopt};
    if (mark) entry.slave_mark = std::move(mark);
    return replaced;
}

void DuplicateTable::detach(std::string_view tub_id, ConnectionId connection) {
    const auto found = peers_.find(std::string(tub_id));
    if (found == peers_.end()) return;
    if (found->second.live && found->second.live->connection == connection)
        found->second.live.reset();
}

std::optional<ConnectionId> DuplicateTable::live(std::string_view tub_id) const {
    const Peer* known = find(tub_id);
    if (known == nullptr || !known->live) return std::nullopt;
    return known->live->connection;
}

ConnectionMark DuplicateTable::last_connection(std::string_view tub_id) const {
    const Peer* known = find(tub_id);
    if (known == nullptr || !known->slave_mark) return {"none", 0};
    return *known->slave_mark;
}

DuplicateTable::Peer& DuplicateTable::peer(std::string_view tub_id) {
    const auto [entry, is_new] = peers_.try_emplace(std::string(tub_id));
    if (is_new) {
        entry->second.master_sequence = sequence_floor_;
        entry->second.recency = recency_.insert(recency_.end(), entry->first);
        // Attached by the caller before anything else happens; until then it must not be the one
        // that is forgotten, and it is not: it is the newest.
        if (peers_.size() > kRememberedPeersMax) forget_oldest();
    } else {
        recency_.splice(recency_.end(), recency_, entry->second.recency);
    }
    return entry->second;
}

const DuplicateTable::Peer* DuplicateTable::find(std::string_view tub_id) const {
    const auto found = peers_.find(std::string(tub_id));
    return found == peers_.end() ? nullptr : &found->second;
}

void DuplicateTable::forget_oldest() {
    const auto newest = std::prev(recency_.end());
    for (auto it = recency_.begin(); it != newest; ++it) {
        const auto entry = peers_.find(*it);
        if (entry->second.live) continue;
        sequence_floor_ = std::max(sequence_floor_, entry->second.master_sequence);
        peers_.erase(entry);
        recency_.erase(it);
        return;
    }
}

}  // namespace s4::proto::foolscap
