#include "introducer/introducer.h"

#include <fmt/format.h>

#include <set>

#include "base/check.h"
#include "introducer/records.h"
#include "rt/sync.h"

namespace s4::introducer {

ByteView Batch::encoded(Encoder encoder) const {
    if (encoder_ == nullptr) {
        encoder_ = encoder;
        encoded_ = encoder(items_);
    }
    CHECK(encoder_ == encoder, "a batch has one encoding");
    return encoded_;
}

// One grid's announcements and subscribers.
class GridIntroducer {
  public:
    explicit GridIntroducer(rt::Reactor& reactor) : turn(reactor, 1) {}

    // Loading and publishing take turns, so that memory and database change in the same order.
    rt::Semaphore turn;
    std::size_t waiting = 0;  // tasks that wait for their turn or have it
    bool loaded = false;
    Instant last_used{};

    void set(Announcement announcement);
    const Announcement* find(const std::string& service, const std::string& key) const;
    std::size_t announcement_count() const { return announcements_.size(); }

    Subscription add(std::string service, Subscriber& subscriber);
    void remove(std::uint64_t number);
    bool is_subscribed(const std::string& service, const Subscriber& subscriber) const;
    std::size_t subscriber_count() const { return subscribers_.size(); }

    // All announcements of the service, the same batch for all who ask until something changes.
    BatchPtr current(const std::string& service);
    // Tells all subscribers of the service about one announcement.
    void forward(const std::string& service, const std::string& key);

    std::vector<std::shared_ptr<const Announcement>> announcements() const;
    Status status() const;

  private:
    using Key = std::pair<std::string, std::string>;  // service, key
    struct Entry {
        std::string service;
        Subscriber* subscriber;
    };

    std::map<Key, std::shared_ptr<const Announcement>> announcements_;
    std::map<std::uint64_t, Entry> subscribers_;                    // in the order of their coming
    std::set<std::pair<const Subscriber*, std::string>> services_;  // of each subscriber
    std::uint64_t next_number_ = 1;
    std::map<std::string, BatchPtr> current_;
};

void GridIntroducer::set(Announcement announcement) {
    current_.erase(announcement.service);
    Key key(announcement.service, announcement.parts.key);
    announcements_[std::move(key)] = std::make_shared<const Announcement>(std::move(announcement));
}

const Announcement* GridIntroducer::find(const std::string& service, const std::string& key) const {
    const auto found = announcements_.find({service, key});
    return found == announcements_.end() ? nullptr : found->second.get();
}

Subscription GridIntroducer::add(std::string service, Subscriber& subscriber) {
    const std::uint64_t number = next_number_++;
    services_.emplace(&subscriber, service);
    subscribers_.emplace(number, Entry{std::move(service), &subscriber});
    return Subscription(this, number);
}

void GridIntroducer::remove(std::uint64_t number) {
    const auto found = subscribers_.find(number);
    CHECK(found != subscribers_.end(), "a subscription ends once");
    services_.erase({found->second.subscriber, found->second.service});
    subscribers_.erase(found);
}

bool GridIntroducer::is_subscribed(const std::string& service, const Subscriber& subscriber) const {
    return services_.contains({&subscriber, service});
}

namespace {

// What subscribers are told shares its strings with the announcement that is kept.
std::shared_ptr<const SignedAnnouncement> parts_of(
    const std::shared_ptr<const Announcement>& announcement) {
    return {announcement, &announcement->parts};
}

}  // namespace

BatchPtr GridIntroducer::current(const std::string& service) {
    if (const auto known = current_.find(service); known != current_.end()) return known->second;
    Batch::Items items;
    for (auto it = announcements_.lower_bound({service, ""});
         it != announcements_.end() && it->first.first == service; ++it)
        items.push_back(parts_of(it->second));
    const bool keep = !items.empty();  // services without announcements are named by strangers
    auto batch = std::make_shared<const Batch>(std::move(items));
    if (keep) current_[service] = batch;
    return batch;
}

void GridIntroducer::forward(const std::string& service, const std::string& key) {
    const auto batch =
        std::make_shared<const Batch>(Batch::Items{parts_of(announcements_.at({service, key}))});
    // A subscriber may end its own or another's subscription while it is told.
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, entry] : subscribers_)
        if (entry.service == service) numbers.push_back(number);
    for (const std::uint64_t number : numbers)
        if (const auto entry = subscribers_.find(number); entry != subscribers_.end())
            entry->second.subscriber->announce(batch);
}

std::vector<std::shared_ptr<const Announcement>> GridIntroducer::announcements() const {
    std::vector<std::shared_ptr<const Announcement>> out;
    for (const auto& [key, announcement] : announcements_) out.push_back(announcement);
    return out;
}

Status GridIntroducer::status() const {
    Status out;
    for (const auto& [key, announcement] : announcements_) ++out.announcements[key.first];
    for (const auto& [number, entry] : subscribers_) ++out.subscribers[entry.service];
    return out;
}

Subscription::Subscription(Subscription&& other) noexcept
    : grid_(std::exchange(other.grid_, nullptr)), number_(other.number_) {}

Subscription& Subscription::operator=(Subscription&& other) noexcept {
    if (this != &other) {
        reset();
        grid_ = std::exchange(other.grid_, nullptr);
        number_ = other.number_;
    }
    return *this;
}

void Subscription::reset() {
    if (grid_) std::exchange(grid_, nullptr)->remove(number_);
}

// A turn at one grid; given back when it goes.
class Introducer::Turn {
  public:
    explicit Turn(GridIntroducer& grid) : grid_(&grid) {}
    Turn(Turn&& other) noexcept : grid_(std::exchange(other.grid_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
        if (!grid_) return;
        --grid_->waiting;
        grid_->turn.release();
    }

    GridIntroducer* operator->() const { return grid_; }

  private:
    GridIntroducer* grid_;
};

Introducer::Introducer(rt::Runtime& runtime, sql::Database& database)
    : runtime_(runtime), database_(database) {}

Introducer::~Introducer() {
    for (const auto& [id, grid] : grids_)
        CHECK(grid->subscriber_count() == 0 && grid->waiting == 0,
              "an introducer outlives its subscriptions and calls");
}

rt::Task<Result<Introducer::Turn>> Introducer::enter(const rt::Context& ctx, GridId id) {
    std::unique_ptr<GridIntroducer>& slot = grids_[id];
    if (!slot) slot = std::make_unique<GridIntroducer>(runtime_.reactor);
    GridIntroducer& grid = *slot;
    if (grid.waiting >= kWaitingCallsMax)
        co_return fail(ErrorKind::unavailable, "introducer.busy",
                       "too many calls wait for this introducer; try again");
    ++grid.waiting;  // from here on evict_idle() leaves it
    if (auto acquired = co_await grid.turn.acquire(ctx); !acquired) {
        --grid.waiting;
        co_return std::unexpected(std::move(acquired).error());
    }
    Turn turn(grid);
    grid.last_used = runtime_.reactor.now();
    if (!grid.loaded) {
        auto stored =
            CO_TRY(co_await database_.read(ctx, [id](sql::Reader& db) { return load(db, id); }));
        for (Announcement& announcement : stored) grid.set(std::move(announcement));
        grid.loaded = true;
    }
    co_return turn;
}

rt::Task<Result<void>> Introducer::publish(const rt::Context& ctx, GridId id, GridLimits limits,
                                           SignedAnnouncement parts) {
    Announcement announcement = CO_TRY(verify(std::move(parts)));
    const Turn grid = CO_TRY(co_await enter(ctx, id));
    const Announcement* existing = grid->find(announcement.service, announcement.parts.key);
    if (decide(existing, announcement) != Decision::accept) co_return ok();
    if (!existing && grid->announcement_count() >= limits.announcements_max)
        co_return fail(ErrorKind::too_large, "introducer.too_many_announcements",
                       fmt::format("this introducer keeps at most {} announcements",
                                   limits.announcements_max));
    co_return co_await accept(ctx, id, grid, std::move(announcement));
}

rt::Task<Result<bool>> Introducer::publish_own(const rt::Context& ctx, GridId id,
                                               StorageServer server,
                                               crypto::Ed25519PrivateKey key) {
    const Turn grid = CO_TRY(co_await enter(ctx, id));
    const Announcement* existing = grid->find("storage", key.public_key().server_id());
    if (existing && describes(*existing, server)) co_return false;
    const std::int64_t seqnum =
        next_seqnum(existing ? existing->seqnum : std::nullopt, runtime_.reactor.unix_s());
    auto announcement = verify(announce(server, seqnum, key, runtime_.random));
    CHECK(announcement, "our own announcement verifies");
    CO_TRY(co_await accept(ctx, id, grid, std::move(*announcement)));
    co_return true;
}

// Stores, then keeps, then tells: nobody hears of what a crash could take back.
rt::Task<Result<void>> Introducer::accept(const rt::Context& ctx, GridId id, const Turn& grid,
                                          Announcement announcement) {
    const UnixSeconds now = runtime_.reactor.unix_s();
    CO_TRY(co_await database_.write(
        ctx, [&](sql::Transaction& tx) { return store(tx, id, announcement, now); }));
    const std::string service = announcement.service;
    const std::string key = announcement.parts.key;
    grid->set(std::move(announcement));
    grid->forward(service, key);
    co_return ok();
}

rt::Task<Result<Subscription>> Introducer::subscribe(const rt::Context& ctx, GridId id,
                                                     GridLimits limits, std::string service,
                                                     Subscriber& subscriber) {
    if (service.empty() || service.size() > kServiceNameBytesMax)
        co_return fail(ErrorKind::invalid, "introducer.invalid_service",
                       fmt::format("a service's name has 1 to {} bytes", kServiceNameBytesMax));
    const Turn grid = CO_TRY(co_await enter(ctx, id));
    if (grid->is_subscribed(service, subscriber)) co_return Subscription();
    if (grid->subscriber_count() >= limits.subscribers_max)
        co_return fail(
            ErrorKind::too_large, "introducer.too_many_subscribers",
            fmt::format("this introducer has at most {} subscribers", limits.subscribers_max));
    const BatchPtr batch = grid->current(service);
    Subscription subscription = grid->add(std::move(service), subscriber);
    if (!batch->items().empty()) subscriber.announce(batch);
    co_return subscription;
}

rt::Task<Result<std::vector<std::shared_ptr<const Announcement>>>> Introducer::announcements(
    const rt::Context& ctx, GridId id) {
    const Turn grid = CO_TRY(co_await enter(ctx, id));
    co_return grid->announcements();
}

rt::Task<Result<Status>> Introducer::status(const rt::Context& ctx, GridId id) {
    const Turn grid = CO_TRY(co_await enter(ctx, id));
    co_return grid->status();
}

std::size_t Introducer::evict_idle(Instant before) {
    return std::erase_if(grids_, [&](const auto& item) {
        const GridIntroducer& grid = *item.second;
        return grid.subscriber_count() == 0 && grid.waiting == 0 && grid.last_used < before;
    });
}

}  // namespace s4::introducer
