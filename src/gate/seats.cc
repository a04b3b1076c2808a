#include "gate/seats.h"

#include "base/check.h"

namespace s4::gate {

Seats::~Seats() {
    CHECK(grids_.empty(), "the seats outlive their connections");
}

std::optional<Seats::Seat> Seats::take(GridId grid, const std::string& peer_host, std::size_t max) {
    if (of_grid(grid) >= max) return std::nullopt;
    Grid& taken = grids_[grid];
    ++taken.total;
    ++taken.hosts[peer_host];
    return Seat(*this, grid, peer_host);
}

std::size_t Seats::of_grid(GridId grid) const {
    const auto found = grids_.find(grid);
    return found == grids_.end() ? 0 : found->second.total;
}

std::size_t Seats::of_host(GridId grid, const std::string& peer_host) const {
    const auto found = grids_.find(grid);
    if (found == grids_.end()) return 0;
    const auto host = found->second.hosts.find(peer_host);
    return host == found->second.hosts.end() ? 0 : host->second;
}

void Seats::give_back(GridId grid, const std::string& host) {
    const auto found = grids_.find(grid);
    CHECK(found != grids_.end(), "a seat is given back once");
    if (--found->second.hosts[host] == 0) found->second.hosts.erase(host);
    if (--found->second.total == 0) grids_.erase(found);
}

}  // namespace s4::gate
