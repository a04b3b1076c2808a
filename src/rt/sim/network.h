// Fabric: the network between the machines of a world. SimNetwork: one process's door to it.
//
// A connection carries bytes in order through a bounded buffer in each direction. It is reset when
// an end is destroyed or aborted without shutdown_write(), when its process dies (a while later,
// when its machine loses power), and by the profile's chance. While two machines are cut off from
// each other, nothing arrives between them; it does afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rt/sim/dice.h"
#include "rt/sim/profile.h"
#include "rt/sim/timeline.h"
#include "rt/sim/trace.h"
#include "rt/stream.h"

namespace s4::rt::sim {

class Process;
class SimListener;
struct Connection;
enum class Crash : std::uint8_t;

class Fabric {
  public:
    Fabric(Timeline& timeline, const Profile& profile, Trace& trace, Dice dice)
        : timeline_(timeline), profile_(profile), trace_(trace), dice_(dice) {}

    // Nothing passes between these hosts until then.
    void cut(const std::string& host, const std::string& other, Instant until);

  private:
    friend class SimNetwork;
    friend class SimListener;
    friend class SimStream;
    friend class Process;
    friend struct Connection;

    Duration latency() { return dice_.between(profile_.latency_min, profile_.latency_max); }
    // When something sent now arrives, if it would arrive at `at` on a healthy network.
    Instant arrival(const Process& from, const Process& to, Instant at) const;

    Timeline& timeline_;
    const Profile& profile_;
    Trace& trace_;
    Dice dice_;
    std::map<std::string, SimListener*> listeners_;  // by "host:port" or "host!path"
    std::map<std::pair<std::string, std::string>, Instant> cuts_;
    std::uint64_t last_connection_ = 0;
    std::uint16_t last_port_ = 40'000;
};

class SimNetwork final : public Network {
  public:
    SimNetwork(Fabric& fabric, Process& process) : fabric_(fabric), process_(process) {}

    Result<std::unique_ptr<Listener>> listen(const Endpoint& at) override;
    Task<Result<std::unique_ptr<Stream>>> connect(const Context& ctx, const Endpoint& to) override;
    Result<std::unique_ptr<Listener>> listen_local(const std::string& path) override;
    Task<Result<std::unique_ptr<Stream>>> connect_local(const Context& ctx,
                                                        const std::string& path) override;
    // The process is gone: what it listened on and was connected to.
    void crash(Crash how);

  private:
    friend class SimListener;

    Result<std::unique_ptr<Listener>> listen_as(const std::string& key, Endpoint local);
    Task<Result<std::unique_ptr<Stream>>> connect_as(const Context& ctx, std::string key,
                                                     Endpoint peer);
    std::string key_of(const Endpoint& endpoint) const;
    void remember(std::weak_ptr<Connection> connection);

    Fabric& fabric_;
    Process& process_;
    std::vector<std::weak_ptr<Connection>> connections_;  // oldest first
    std::vector<SimListener*> open_listeners_;
};

}  // namespace s4::rt::sim
