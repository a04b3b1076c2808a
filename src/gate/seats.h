// Seats: how many connections each grid has at this node, over both protocols. A connection takes a
// seat when it has shown which grid it is for, and gives it back by destroying it.
//
// On the gate's reactor; outlives its seats. It holds nothing of a grid without connections.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/id.h"

namespace s4::gate {

class Seats {
  public:
    class Seat {
      public:
        Seat(Seat&& other) noexcept
            : seats_(std::exchange(other.seats_, nullptr)),
              grid_(other.grid_),
              host_(std::move(other.host_)) {}
        Seat& operator=(Seat&& other) noexcept {
            std::swap(seats_, other.seats_);
            std::swap(grid_, other.grid_);
            std::swap(host_, other.host_);
            return *this;
        }
        ~Seat() {
            if (seats_) seats_->give_back(grid_, host_);
        }

        GridId grid() const { return grid_; }

      private:
        friend class Seats;
        Seat(Seats& seats, GridId grid, std::string host)
            : seats_(&seats), grid_(grid), host_(std::move(host)) {}

        Seats* seats_;
        GridId grid_;
        std::string host_;
    };

    Seats() = default;
    Seats(const Seats&) = delete;
    Seats& operator=(const Seats&) = delete;
    ~Seats();

    // Nothing if the grid has `max` connections already.
    std::optional<Seat> take(GridId grid, const std::string& peer_host, std::size_t max);

    std::size_t of_grid(GridId grid) const;
    std::size_t of_host(GridId grid, const std::string& peer_host) const;
    std::size_t grids() const { return grids_.size(); }

  private:
    struct Grid {
        std::size_t total = 0;
        std::unordered_map<std::string, std::size_t> hosts;
    };

    void give_back(GridId grid, const std::string& host);

    std::unordered_map<GridId, Grid> grids_;
};

}  // namespace s4::gate
