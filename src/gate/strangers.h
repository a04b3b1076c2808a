// Strangers: connections that have not yet said what they speak, or not finished their TLS
// handshake. There is room for some of each host, and for some in all. Whoever comes when there is
// none takes the place of the one that has been silent longest: a flood of half-open connections
// ends itself, and a client that speaks at once gets through it.
//
// On the gate's reactor; outlives its strangers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

#include "rt/context.h"

namespace s4::gate {

class Strangers {
  public:
    // One connection, from accept() until it is known who it is. Its room is made by its arrival.
    class Stranger {
      public:
        Stranger(Strangers& strangers, const rt::Context& ctx, std::string host);
        Stranger(const Stranger&) = delete;
        Stranger& operator=(const Stranger&) = delete;
        ~Stranger() { introduced(); }

        // Cancelled when the place is taken by another.
        rt::Context context();
        bool displaced() const { return displaced_; }
        // From here on it is no stranger, and cannot be displaced.
        void introduced();

      private:
        friend class Strangers;

        Strangers& strangers_;
        rt::Context parent_;
        rt::CancelSource silence_;
        rt::CancelRegistration with_parent_;
        std::string host_;
        std::uint64_t arrival_;
        std::list<Stranger*>::iterator place_;
        bool waits_ = true;
        bool displaced_ = false;
    };

    Strangers() = default;
    Strangers(const Strangers&) = delete;
    Strangers& operator=(const Strangers&) = delete;
    ~Strangers();

    std::size_t size() const { return size_; }
    std::size_t of_host(const std::string& host) const;

  private:
    void make_room(const std::string& host);
    static void displace_oldest(const std::list<Stranger*>& of_host);

    // By host, the oldest first.
    std::unordered_map<std::string, std::list<Stranger*>> hosts_;
    std::size_t size_ = 0;
    std::uint64_t arrivals_ = 0;
};

}  // namespace s4::gate
