// Publishers while the machine dies under them, again and again, on the simulator: what was
// acknowledged or told stays, and numbers only rise (invariants 1 and 9).
#include <gtest/gtest.h>

#include <map>

#include "crypto/seeded_random.h"
#include "introducer/introducer.h"
#include "introducer/records.h"
#include "rt/sim/world.h"

namespace s4::introducer {
namespace {

using namespace std::chrono_literals;

constexpr GridId kGrid{1};
constexpr std::uint64_t kPublishers = 3;
constexpr std::uint64_t kOwn = 100;  // the key of the grid's own server

crypto::Ed25519PrivateKey key(std::uint64_t publisher) {
    crypto::SeededRandom random(publisher);
    return crypto::Ed25519PrivateKey::generate(random);
}

SignedAnnouncement sign(std::uint64_t publisher, std::int64_t seqnum) {
    SignedAnnouncement out;
    out.message = fmt::format(R"({{"service-name":"storage","seqnum":{}}})", seqnum);
    out.signature = crypto::signature_text(key(publisher).sign(as_bytes(out.message)));
    out.key = key(publisher).public_key().server_id();
    return out;
}

StorageServer own_server(int version) {
    return {.furl = fmt::format("pb://{}", version),
            .nurls = {},
            .permutation_seed = "aa",
            .nickname = "",
            .version = "v"};
}

// The highest number by key's text.
using Numbers = std::map<std::string, std::int64_t>;

void raise(Numbers& numbers, const std::string& key, std::int64_t seqnum) {
    auto& number = numbers[key];
    number = std::max(number, seqnum);
}

class Listener final : public Subscriber {
  public:
    explicit Listener(Numbers& promised) : promised_(promised) {}
    void announce(const BatchPtr& batch) override {
        for (const auto& item : batch->items()) raise(promised_, item->key, *verify(*item)->seqnum);
    }

  private:
    Numbers& promised_;
};

class CrashingIntroducer {
  public:
    explicit CrashingIntroducer(std::uint64_t seed) : world_(seed, {}) {}
    ~CrashingIntroducer() {
        stop();
        world_.end();
    }

    // Boots, checks what survived, publishes until the machine dies, and forgets what was in
    // memory.
    void live_once() {
        process_ = &world_.machine("m").boot();
        start();
        if (process_->alive()) check();
        const auto calls = static_cast<std::uint64_t>(world_.dice().below(150) + 1);
        const bool power = world_.dice().below(2) == 0;
        process_->crash_at_file_call(calls,
                                     power ? rt::sim::Crash::power : rt::sim::Crash::process);
        Listener listener(promised_);
        process_->spawn(listen(listener));
        for (std::uint64_t p = 1; p <= kPublishers; ++p) process_->spawn(publish(p));
        process_->spawn(publish_own());
        EXPECT_TRUE(world_.run_until([&] { return process_->ended(); }, 600s));
        stop();
    }

    std::int64_t acknowledged() const { return acknowledged_; }

  private:
    void start() {
        auto opened = sql::Database::open(
            process_->runtime(),
            {.path = "db",
             .vfs = sql::Options::Vfs::files,
             .on_fatal = [this](const Error&) { process_->crash(rt::sim::Crash::process); }},
            migrations());
        ASSERT_TRUE(opened) << opened.error().to_string();
        database_ = std::move(*opened);
        introducer_ = std::make_unique<Introducer>(process_->runtime(), *database_);
    }
    void stop() {
        introducer_.reset();
        database_.reset();
    }

    void check() {
        std::optional<Numbers> found;
        process_->spawn(read_numbers(found));
        ASSERT_TRUE(world_.run_until([&] { return found.has_value(); }, 60s));
        for (const auto& [name, number] : promised_)
            EXPECT_GE((*found)[name], number)
                << "an announcement that was acknowledged or told is gone";
        highest_ = std::move(*found);
    }
    rt::Task<void> read_numbers(std::optional<Numbers>& out) {
        auto all = co_await introducer_->announcements(process_->context(), kGrid);
        EXPECT_TRUE(all);
        out.emplace();
        if (all)
            for (const auto& item : *all) raise(*out, item->parts.key, *item->seqnum);
    }

    rt::Task<void> listen(Listener& listener) {
        const rt::Context& ctx = process_->context();
        const auto subscription =
            co_await introducer_->subscribe(ctx, kGrid, {}, "storage", listener);
        if (!subscription) co_return;
        (void)co_await rt::sleep(process_->runtime().reactor, ctx, 500s);
    }

    rt::Task<void> publish(std::uint64_t publisher) {
        const std::string name = key(publisher).public_key().server_id();
        for (std::int64_t seqnum = highest_[name] + 1;; ++seqnum) {
            const auto done = co_await introducer_->publish(process_->context(), kGrid, {},
                                                            sign(publisher, seqnum));
            if (!done) co_return;
            raise(promised_, name, seqnum);
            ++acknowledged_;
        }
    }

    rt::Task<void> publish_own() {
        const std::string name = key(kOwn).public_key().server_id();
        for (;;) {
            const auto done = co_await introducer_->publish_own(
                process_->context(), kGrid, own_server(++own_version_), key(kOwn));
            if (!done) co_return;
            const auto all = co_await introducer_->announcements(process_->context(), kGrid);
            if (!all) co_return;
            for (const auto& item : *all) {
                if (item->parts.key != name) continue;
                EXPECT_GT(*item->seqnum, own_seqnum_) << "our own number did not rise";
                own_seqnum_ = *item->seqnum;
                raise(promised_, name, own_seqnum_);
            }
        }
    }

    rt::sim::World world_;
    rt::sim::Process* process_ = nullptr;
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<Introducer> introducer_;
    Numbers promised_;  // acknowledged to a publisher or told to a subscriber
    Numbers highest_;   // as found at the last boot
    int own_version_ = 0;
    std::int64_t own_seqnum_ = 0;
    std::int64_t acknowledged_ = 0;
};

TEST(IntroducerCrash, NothingAcknowledgedOrToldIsLostAndNumbersOnlyRise) {
    std::int64_t acknowledged = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        CrashingIntroducer run(seed);
        for (int boot = 0; boot < 4 && !testing::Test::HasFailure(); ++boot) run.live_once();
        acknowledged += run.acknowledged();
    }
    EXPECT_GT(acknowledged, 500) << "the machine dies before anything happens";
}

}  // namespace
}  // namespace s4::introducer
