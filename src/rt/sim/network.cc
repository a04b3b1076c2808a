#include "rt/sim/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>

#include "rt/runtime.h"
#include "rt/sim/machine.h"
#include "rt/sync.h"

namespace s4::rt::sim {
namespace {

Error closed() {
    return {ErrorKind::closed, "rt.closed", "the connection is closed"};
}

}  // namespace

// Both ends and what is between them. Owned by the streams and by what is on its way.
struct Connection : std::enable_shared_from_this<Connection> {
    struct Side {
        explicit Side(Process& owner)
            : process(owner),
              readable(owner.runtime().reactor),
              writable(owner.runtime().reactor) {}

        Process& process;
        Event readable;
        Event writable;
        ByteBuffer received;
        std::size_t outstanding = 0;  // sent by this side, not yet read by the other
        Instant last_arrival{};       // of what this side sent
        bool end_received = false;
        bool end_sent = false;
        bool closed = false;  // by a reset from there, or by ourselves
    };

    Connection(Fabric& f, std::uint64_t number, Process& client, Process& server)
        : fabric(f), id(number), sides{{Side(client), Side(server)}} {}

    // Runs `job` where and when a message of `from` arrives, after all that was sent before.
    void send(std::size_t from, Job job) {
        Side& sender = sides[from];
        const Instant healthy = fabric.timeline_.now() + fabric.latency();
        sender.last_arrival = std::max(
            sender.last_arrival, fabric.arrival(sender.process, sides[1 - from].process, healthy));
        fabric.timeline_.schedule(sender.last_arrival, [self = shared_from_this(),
                                                        job = std::move(job)]() mutable { job(); });
    }

    void send_bytes(std::size_t from, ByteBuffer bytes) {
        sides[from].outstanding += bytes.size();
        send(from, [this, from, bytes = std::move(bytes)] {
            Side& to = sides[1 - from];
            if (to.closed) return;
            fabric.trace_.note("arrive", to.process.name(), id, bytes);
            append(to.received, bytes);
            to.readable.set();
        });
    }

    void send_end(std::size_t from) {
        sides[from].end_sent = true;
        send(from, [this, from] {
            sides[1 - from].end_received = true;
            sides[1 - from].readable.set();
        });
    }

    // This side is gone; whoever waits on it is told.
    void close(std::size_t which) {
        Side& side = sides[which];
        if (std::exchange(side.closed, true)) return;
        fabric.trace_.note("closed", side.process.name(), id);
        if (fabric.dice_.chance(0.5)) side.received.clear();
        side.readable.set();
        side.writable.set();
    }

    void abort(std::size_t which) {
        if (sides[which].closed) return;
        close(which);
        send(which, [this, which] { close(1 - which); });
    }

    Fabric& fabric;
    std::uint64_t id;
    std::array<Side, 2> sides;
};

class SimStream final : public Stream {
  public:
    SimStream(std::shared_ptr<Connection> connection, std::size_t which, Endpoint peer)
        : connection_(std::move(connection)), which_(which), peer_(std::move(peer)) {}
    ~SimStream() override {
        if (!mine().end_sent) abort();
    }

    Task<Result<std::size_t>> read_some(const Context& ctx, MutByteView into) override {
        CHECK(!into.empty(), "a read has room for at least one byte");
        if (ctx.cancel.cancelled()) co_return fail(cancelled_error());
        Connection::Side& side = mine();
        while (side.received.empty()) {
            if (side.closed) co_return fail(closed());
            if (side.end_received) co_return std::size_t{0};
            side.readable.clear();
            CO_TRY(co_await side.readable.wait(ctx));
        }
        Fabric& fabric = connection_->fabric;
        std::size_t size = std::min(into.size(), side.received.size());
        if (fabric.dice_.chance(fabric.profile_.partial_read_chance))
            size = fabric.dice_.between(1, size);
        std::copy_n(side.received.begin(), size, into.begin());
        side.received.erase(side.received.begin(),
                            side.received.begin() + static_cast<std::ptrdiff_t>(size));
        Connection::Side& other = connection_->sides[1 - which_];
        other.outstanding -= std::min(other.outstanding, size);
        other.writable.set();
        co_return size;
    }

    Task<Result<void>> write(const Context& ctx, std::span<const ByteView> parts) override {
        Connection::Side& side = mine();
        const std::size_t window = connection_->fabric.profile_.window_bytes;
        for (ByteView part : parts) {
            while (!part.empty()) {
                if (side.closed || side.end_sent) co_return fail(closed());
                if (ctx.cancel.cancelled()) co_return fail(cancelled_error());
                const std::size_t room = window > side.outstanding ? window - side.outstanding : 0;
                if (room == 0) {
                    side.writable.clear();
                    CO_TRY(co_await side.writable.wait(ctx));
                    continue;
                }
                const ByteView now = part.first(std::min(room, part.size()));
                part = part.subspan(now.size());
                connection_->send_bytes(which_, to_buffer(now));
            }
        }
        co_return ok();
    }

    Task<Result<void>> shutdown_write(const Context&) override {
        if (mine().closed) co_return fail(closed());
        if (!mine().end_sent) connection_->send_end(which_);
        co_return ok();
    }

    void abort() override { connection_->abort(which_); }
    Endpoint peer() const override { return peer_; }

  private:
    Connection::Side& mine() { return connection_->sides[which_]; }

    std::shared_ptr<Connection> connection_;
    std::size_t which_;
    Endpoint peer_;
};

class SimListener final : public Listener {
  public:
    SimListener(SimNetwork& network, std::string key, Endpoint local)
        : network_(network),
          key_(std::move(key)),
          local_(std::move(local)),
          arrived_(network.process_.runtime().reactor) {}
    ~SimListener() override { close(); }

    Task<Result<std::unique_ptr<Stream>>> accept(const Context& ctx) override {
        while (waiting_.empty()) {
            if (closed_) co_return fail(closed());
            arrived_.clear();
            CO_TRY(co_await arrived_.wait(ctx));
        }
        auto stream = std::move(waiting_.front());
        waiting_.pop_front();
        co_return stream;
    }
    Endpoint local() const override { return local_; }
    void close() override {
        if (std::exchange(closed_, true)) return;
        const auto mine = network_.fabric_.listeners_.find(key_);
        if (mine != network_.fabric_.listeners_.end() && mine->second == this)
            network_.fabric_.listeners_.erase(mine);
        std::erase(network_.open_listeners_, this);
        waiting_.clear();
        arrived_.set();
    }

    Process& process() { return network_.process_; }
    SimNetwork& network() { return network_; }
    void take(std::unique_ptr<Stream> stream) {
        waiting_.push_back(std::move(stream));
        arrived_.set();
    }

  private:
    SimNetwork& network_;
    std::string key_;
    Endpoint local_;
    Event arrived_;
    std::deque<std::unique_ptr<Stream>> waiting_;
    bool closed_ = false;
};

void Fabric::cut(const std::string& host, const std::string& other, Instant until) {
    trace_.note("cut", host + " " + other);
    cuts_[std::minmax(host, other)] = until;
}

Instant Fabric::arrival(const Process& from, const Process& to, Instant at) const {
    const auto cut = cuts_.find(std::minmax(from.host(), to.host()));
    return cut == cuts_.end() ? at : std::max(at, cut->second);
}

std::string SimNetwork::key_of(const Endpoint& endpoint) const {
    const bool here = endpoint.host == "127.0.0.1" || endpoint.host == "::1" ||
                      endpoint.host == "localhost" || endpoint.host == "0.0.0.0" ||
                      endpoint.host == "::";
    return fmt::format("{}:{}", here ? process_.host() : endpoint.host, endpoint.port);
}

Result<std::unique_ptr<Listener>> SimNetwork::listen(const Endpoint& at) {
    Endpoint local = at;
    if (local.port == 0) local.port = ++fabric_.last_port_;
    return listen_as(key_of(local), std::move(local));
}

Result<std::unique_ptr<Listener>> SimNetwork::listen_local(const std::string& path) {
    return listen_as(process_.host() + "!" + path, Endpoint{path, 0});
}

Result<std::unique_ptr<Listener>> SimNetwork::listen_as(const std::string& key, Endpoint local) {
    if (!process_.alive()) return fail(closed());
    if (fabric_.listeners_.contains(key))
        return fail(ErrorKind::conflict, "rt.address_in_use",
                    fmt::format("{} is taken by another program", key));
    auto listener = std::make_unique<SimListener>(*this, key, std::move(local));
    fabric_.listeners_[key] = listener.get();
    open_listeners_.push_back(listener.get());
    return listener;
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect(const Context& ctx, const Endpoint& to) {
    co_return co_await connect_as(ctx, key_of(to), to);
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect_local(const Context& ctx,
                                                                const std::string& path) {
    co_return co_await connect_as(ctx, process_.host() + "!" + path, Endpoint{path, 0});
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect_as(const Context& ctx, std::string key,
                                                             Endpoint peer) {
    Reactor& reactor = process_.runtime().reactor;
    CO_TRY(co_await sleep(reactor, ctx, fabric_.latency()));
    const auto found = fabric_.listeners_.find(key);
    if (!process_.alive() || found == fabric_.listeners_.end())
        co_return fail(ErrorKind::closed, "rt.unreachable", "cannot connect to " + key);
    SimListener& listener = *found->second;
    const Instant there = fabric_.arrival(process_, listener.process(), fabric_.timeline_.now());
    if (there > fabric_.timeline_.now()) {
        CO_TRY(co_await sleep_until(reactor, ctx, there));
        co_return fail(ErrorKind::closed, "rt.unreachable", "cannot connect to " + key);
    }
    const auto connection = std::make_shared<Connection>(fabric_, ++fabric_.last_connection_,
                                                         process_, listener.process());
    fabric_.trace_.note("connect", key, connection->id);
    remember(connection);
    listener.network().remember(connection);
    listener.take(std::make_unique<SimStream>(connection, 1, Endpoint{process_.host(), 0}));
    if (fabric_.dice_.chance(fabric_.profile_.reset_chance)) {
        const Duration soon = fabric_.dice_.between(Duration(0), fabric_.profile_.reset_within);
        fabric_.timeline_.schedule(fabric_.timeline_.now() + soon,
                                   [line = std::weak_ptr(connection)] {
                                       if (const auto alive = line.lock()) {
                                           alive->close(0);
                                           alive->close(1);
                                       }
                                   });
    }
    auto stream = std::make_unique<SimStream>(connection, 0, std::move(peer));
    CO_TRY(co_await sleep(reactor, ctx, fabric_.latency()));
    co_return stream;
}

void SimNetwork::remember(std::weak_ptr<Connection> connection) {
    std::erase_if(connections_, [](const auto& known) { return known.expired(); });
    connections_.push_back(std::move(connection));
}

void SimNetwork::crash(Crash how) {
    for (SimListener* listener : std::vector(open_listeners_)) listener->close();
    for (const auto& known : connections_) {
        const auto connection = known.lock();
        if (!connection) continue;
        const std::size_t which = &connection->sides[0].process == &process_ ? 0 : 1;
        if (how == Crash::process) {
            connection->abort(which);
            continue;
        }
        // The other end hears nothing until it is told that nobody knows this connection.
        connection->close(which);
        const Duration silence =
            fabric_.dice_.between(Duration(std::chrono::seconds(1)), std::chrono::seconds(20));
        fabric_.timeline_.schedule(fabric_.timeline_.now() + silence,
                                   [connection, which] { connection->close(1 - which); });
    }
}

}  // namespace s4::rt::sim
