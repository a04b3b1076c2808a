// World: a service on a real database in a directory of its own, with a clock that a test can set
// ahead, for the tests of service, web and control. The two interfaces that service needs from
// above are played by programmable ones.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "billing/schema.h"
#include "billing/test_payments.h"
#include "crypto/random.h"
#include "introducer/introducer.h"
#include "introducer/records.h"
#include "rt/asio/backend.h"
#include "service/schema.h"
#include "service/service.h"
#include "service/storage_care.h"
#include "sql/database.h"
#include "tenants/limits.h"
#include "tenants/records.h"

namespace s4::service {

// The backend's reactor with another idea of what day it is.
class SetClock final : public rt::Reactor {
  public:
    explicit SetClock(rt::Reactor& inner) : inner_(inner) {}
    void advance_s(UnixSeconds seconds) { ahead_us_ += seconds * 1'000'000; }

    Instant now() const override { return inner_.now(); }
    std::int64_t unix_us() const override { return inner_.unix_us() + ahead_us_; }
    void post(rt::Job job) override { inner_.post(std::move(job)); }
    rt::TimerId call_at(Instant when, rt::Job job) override {
        return inner_.call_at(when, std::move(job));
    }
    void cancel(rt::TimerId timer) override { inner_.cancel(timer); }

  private:
    rt::Reactor& inner_;
    std::int64_t ahead_us_ = 0;
};

// A check whose outcome the test sets.
class SetCheck final : public GridCheck {
  public:
    int failures_left = 0;
    std::vector<std::string> checked;  // introducer FURLs

    rt::Task<Result<void>> check(const rt::Context&, const GridAddresses& addresses) override {
        checked.emplace_back(addresses.introducer_furl.reveal_text());
        if (failures_left == 0) co_return ok();
        --failures_left;
        co_return fail(ErrorKind::unavailable, "probe.unreachable", "nobody answers");
    }
};

class SetUsage final : public GridUsage {
  public:
    std::uint64_t bytes = 0;
    rt::Task<Result<std::uint64_t>> used_bytes(const rt::Context&, GridId) override {
        co_return bytes;
    }
};

// What a grid holds, as the test sets it; what is asked for is kept.
class SetStorage final : public GridStorage {
  public:
    explicit SetStorage(SetUsage& usage) : usage_(usage) {}

    storage::GridFigures held;
    std::vector<storage::UsageDay> by_day;
    std::vector<storage::Advisory> reports;
    storage::CollectionStatus status;
    storage::FreeEstimate unrenewed;
    std::optional<UnixSeconds> estimated_before;

    rt::Task<Result<std::uint64_t>> used_bytes(const rt::Context& ctx, GridId grid) override {
        co_return co_await usage_.used_bytes(ctx, grid);
    }
    rt::Task<Result<storage::GridFigures>> figures(const rt::Context&, GridId) override {
        co_return held;
    }
    rt::Task<Result<std::vector<storage::UsageDay>>> days(const rt::Context&, GridId,
                                                          std::int64_t) override {
        co_return by_day;
    }
    rt::Task<Result<std::vector<storage::Advisory>>> advisories(const rt::Context&, GridId,
                                                                std::size_t) override {
        co_return reports;
    }
    rt::Task<Result<storage::CollectionStatus>> collection(const rt::Context&, GridId) override {
        co_return status;
    }
    rt::Task<Result<storage::FreeEstimate>> estimate(const rt::Context&, GridId,
                                                     UnixSeconds before) override {
        estimated_before = before;
        co_return unrenewed;
    }
    rt::Task<Result<void>> set_expiry(const rt::Context&, GridId grid, storage::Switch to,
                                      std::string by) override {
        status.expiry.reset();
        if (to == storage::Switch::on) {
            status.expiry.emplace();
            status.expiry->grid = grid;
            status.expiry->asked_by = std::move(by);
        }
        co_return ok();
    }
    rt::Task<Result<void>> free_unrenewed(const rt::Context&, GridId grid, UnixSeconds before,
                                          std::string by) override {
        if (status.once)
            co_return fail(ErrorKind::conflict, "storage.collection_under_way", "under way");
        status.once.emplace();
        status.once->grid = grid;
        status.once->kind = storage::CollectionKind::once;
        status.once->before = before;
        status.once->asked_by = std::move(by);
        co_return ok();
    }
    rt::Task<Result<void>> stop_freeing(const rt::Context&, GridId, std::string) override {
        status.once.reset();
        co_return ok();
    }

  private:
    SetUsage& usage_;
};

class World {
  public:
    // The backend outlives the world.
    explicit World(rt::asio::Backend& backend)
        : backend_(backend), master_(crypto::StaticMasterKey::generate(random_)) {
        std::string path = (std::filesystem::temp_directory_path() / "s4-world-XXXXXX").string();
        CHECK(mkdtemp(path.data()) != nullptr, "a test has a directory");
        directory_path_ = path;
        open();
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World() {
        service_.reset();
        std::error_code ignored;
        parts_.reset();
        std::filesystem::remove_all(directory_path_, ignored);
    }

    // What a killed process leaves is what its last commit left: everything in memory goes.
    void restart() {
        service_.reset();
        parts_.reset();
        open();
    }

    // Runs `task` to its end on the reactor and gives its value.
    template <typename T>
    T run(rt::Task<T> task) {
        std::optional<T> out;
        backend_.run(store(std::move(task), out));
        return std::move(*out);
    }

    // Runs the jobs that are due, one step after the other, at most `steps` of them, as long as
    // they succeed. Returns how many did.
    int run_jobs(int steps = 100) {
        int done = 0;
        while (done < steps) {
            const auto jobs = run(service().next_jobs(ctx(), 1));
            CHECK(jobs.has_value(), "jobs are listed");
            if (jobs->empty() || jobs->front().due > clock().unix_s()) break;
            if (!run(service().run_job(ctx(), jobs->front()))) break;
            ++done;
        }
        return done;
    }

    Service& service() { return *service_; }
    StorageCare& care() { return *care_; }
    billing::TestPayments& payments() { return parts_->payments; }
    tenants::Directory& directory() { return *parts_->directory; }
    introducer::Introducer& introducer() { return *parts_->introducer; }
    sql::Database& database() { return *parts_->database; }
    const crypto::MasterKey& master() const { return master_; }
    crypto::Random& random() { return random_; }
    rt::Runtime& runtime() { return runtime_; }
    SetClock& clock() { return clock_; }
    const rt::Context& ctx() const { return ctx_; }
    const std::string& path() const { return directory_path_; }

    SetCheck check;
    SetUsage usage;
    SetStorage storage{usage};
    billing::Plans plans = billing::Plans::standard();
    Options options;

  private:
    struct Parts {
        std::unique_ptr<sql::Database> database;
        billing::TestPayments payments;
        std::unique_ptr<tenants::Directory> directory;
        std::unique_ptr<introducer::Introducer> introducer;
    };

    template <typename T>
    static rt::Task<void> store(rt::Task<T> task, std::optional<T>& out) {
        out.emplace(co_await std::move(task));
    }

    template <typename T>
    static T must(Result<T> result) {
        CHECK(result.has_value(), result ? "" : result.error().to_string());
        return std::move(*result);
    }

    void open() {
        std::vector<sql::Migration> all;
        for (const auto list :
             {billing::migrations(), tenants::migrations(), introducer::migrations(), migrations()})
            all.insert(all.end(), list.begin(), list.end());
        sql::Options where;
        where.path = directory_path_ + "/s4.sqlite";
        auto database = must(sql::Database::open(runtime_, where, all));
        sql::Database& db = *database;
        parts_ =
            std::make_unique<Parts>(Parts{std::move(database), billing::TestPayments(db), {}, {}});
        parts_->directory =
            must(run(tenants::Directory::create(ctx_, db, keyring_, tenants::kIdleGridsMax)));
        parts_->introducer = std::make_unique<introducer::Introducer>(runtime_, db);
        PublicGate gate;
        gate.host = "grid.example.org";
        gate.port = 8470;
        gate.identities = {{crypto::sha256(as_bytes("identity")), 8470}};
        care_ = std::make_unique<StorageCare>(runtime_, db, plans, storage);
        service_ = must(Service::create(
            Dependencies{runtime_, db, master_, plans, parts_->payments, *parts_->directory,
                         *parts_->introducer, check, usage, gate},
            options));
    }

    rt::asio::Backend& backend_;
    SetClock clock_{backend_.runtime().reactor};
    crypto::SystemRandom random_;
    rt::Runtime runtime_{clock_,
                         backend_.runtime().network,
                         backend_.runtime().files,
                         backend_.runtime().pool,
                         backend_.runtime().writer,
                         random_};
    rt::Context ctx_;
    crypto::StaticMasterKey master_;
    tenants::Keyring keyring_ = must(tenants::Keyring::create(master_));
    std::string directory_path_;
    std::unique_ptr<Parts> parts_;
    std::unique_ptr<StorageCare> care_;
    std::unique_ptr<Service> service_;
};

}  // namespace s4::service
