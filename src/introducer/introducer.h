// Introducer: the announcements of all grids of this node and who is told of them (reference B).
// Knows no protocol: the gate translates remote calls to these, and a Subscriber to remote calls.
//
// Lives on one reactor, as long as the node. A grid's announcements are loaded when it is first
// spoken to and evicted when nobody subscribes and evict_idle() says so.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "introducer/announcement.h"
#include "introducer/limits.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "sql/database.h"

namespace s4::introducer {

class GridIntroducer;

// Announcements that are told together, shared by all who are told. On the reactor only.
class Batch {
  public:
    using Items = std::vector<std::shared_ptr<const SignedAnnouncement>>;
    // Turns the announcements into the body of a call.
    using Encoder = ByteBuffer (*)(const Items&);

    explicit Batch(Items items) : items_(std::move(items)) {}

    const Items& items() const { return items_; }
    // What `encoder` makes of them, made once for all subscribers. Always the same encoder.
    ByteView encoded(Encoder encoder) const;

  private:
    Items items_;
    mutable ByteBuffer encoded_;
    mutable Encoder encoder_ = nullptr;
};

using BatchPtr = std::shared_ptr<const Batch>;

// Who wants to know; the gate implements it for one remote subscriber.
class Subscriber {
  public:
    virtual ~Subscriber() = default;
    // Called on the reactor, never with an empty batch, and must not wait: what cannot be sent at
    // once is queued there, and a connection that lags too far is closed there.
    virtual void announce(const BatchPtr& batch) = 0;
};

// A subscription holds as long as this object. Destroyed (on the reactor) before its Subscriber and
// before the Introducer.
class Subscription {
  public:
    Subscription() = default;  // of nothing
    Subscription(Subscription&& other) noexcept;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { reset(); }

    explicit operator bool() const { return grid_ != nullptr; }
    void reset();

  private:
    friend class GridIntroducer;
    Subscription(GridIntroducer* grid, std::uint64_t number) : grid_(grid), number_(number) {}

    GridIntroducer* grid_ = nullptr;
    std::uint64_t number_ = 0;
};

// From the grid's policy; asked at each call, so that a new policy takes effect at once.
struct GridLimits {
    std::size_t announcements_max = 100;
    std::size_t subscribers_max = 1000;
};

// What get_version answers.
inline constexpr std::string_view kProtocol = "http://allmydata.org/tahoe/protocols/introducer/v2";

struct Status {
    std::map<std::string, std::size_t> announcements;  // by service
    std::map<std::string, std::size_t> subscribers;
};

class Introducer {
  public:
    // The references outlive the introducer; the database's schema holds migrations().
    Introducer(rt::Runtime& runtime, sql::Database& database);
    Introducer(const Introducer&) = delete;
    Introducer& operator=(const Introducer&) = delete;
    ~Introducer();

    // publish_v2. Success also for what is ignored as known or old: publishers cannot tell. An
    // accepted announcement is on disk before subscribers hear of it and before this returns.
    // Errors: those of verify(), introducer.too_many_announcements, introducer.busy, sql.*.
    rt::Task<Result<void>> publish(const rt::Context& ctx, GridId grid, GridLimits limits,
                                   SignedAnnouncement parts);

    // Announces the grid's own server unless the last announcement under this key says the same.
    // Returns whether it did.
    rt::Task<Result<bool>> publish_own(const rt::Context& ctx, GridId grid, StorageServer server,
                                       crypto::Ed25519PrivateKey key);

    // subscribe_v2. Before it returns, `subscriber` was told all current announcements of the
    // service, if there are any. The same object subscribed to the same service again gets an empty
    // Subscription and is told nothing. Errors: introducer.invalid_service,
    // introducer.too_many_subscribers, sql.*.
    rt::Task<Result<Subscription>> subscribe(const rt::Context& ctx, GridId grid, GridLimits limits,
                                             std::string service, Subscriber& subscriber);

    // Announcements in the order of service and key.
    rt::Task<Result<std::vector<std::shared_ptr<const Announcement>>>> announcements(
        const rt::Context& ctx, GridId grid);
    rt::Task<Result<Status>> status(const rt::Context& ctx, GridId grid);

    // Forgets what is in memory of grids without subscribers that nobody used since `before`.
    // Returns how many.
    std::size_t evict_idle(Instant before);
    std::size_t loaded_count() const { return grids_.size(); }

  private:
    class Turn;

    // Waits for the turn at this grid and loads it if need be.
    rt::Task<Result<Turn>> enter(const rt::Context& ctx, GridId grid);
    rt::Task<Result<void>> accept(const rt::Context& ctx, GridId id, const Turn& grid,
                                  Announcement announcement);

    rt::Runtime& runtime_;
    sql::Database& database_;
    std::map<GridId, std::unique_ptr<GridIntroducer>> grids_;
};

}  // namespace s4::introducer
