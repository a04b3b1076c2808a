// SimService: a service with all it stands on, on a process of the simulator, for this folder's
// tests. start() runs on the process; stop() comes after the process has ended.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "billing/schema.h"
#include "billing/test_payments.h"
#include "introducer/records.h"
#include "rt/sim/world.h"
#include "service/schema.h"
#include "service/service.h"
#include "tenants/limits.h"
#include "tenants/records.h"

namespace s4::service {

class NoUsage final : public GridUsage {
  public:
    rt::Task<Result<std::uint64_t>> used_bytes(const rt::Context&, GridId) override { co_return 0; }
};

class SimService {
  public:
    // `check` outlives this.
    explicit SimService(GridCheck& check) : check_(check) {}

    // Opens the database and makes the service; leaves service() null if the process died.
    rt::Task<void> start(rt::sim::Process& process) {
        if (!master_) {
            master_.emplace(crypto::StaticMasterKey::generate(process.runtime().random));
            keyring_.emplace(*tenants::Keyring::create(*master_));
        }
        const auto migrations = all_migrations();
        auto opened = sql::Database::open(
            process.runtime(),
            {.path = "db",
             .vfs = sql::Options::Vfs::files,
             .on_fatal = [&process](const Error&) { process.crash(rt::sim::Crash::process); }},
            migrations);
        if (!opened) co_return;
        database_ = std::move(*opened);
        payments_ = std::make_unique<billing::TestPayments>(*database_);
        auto directory = co_await tenants::Directory::create(process.context(), *database_,
                                                             *keyring_, tenants::kIdleGridsMax);
        if (!directory) co_return;
        directory_ = std::move(*directory);
        introducer_ = std::make_unique<introducer::Introducer>(process.runtime(), *database_);
        PublicGate gate{"192.0.2.1", 8470, {{crypto::sha256(as_bytes("identity")), 8470}}};
        service_ = *Service::create({process.runtime(), *database_, *master_, plans_, *payments_,
                                     *directory_, *introducer_, check_, usage_, gate},
                                    {});
    }
    void stop() {
        service_.reset();
        introducer_.reset();
        directory_.reset();
        payments_.reset();
        database_.reset();
    }

    // Runs jobs until the process is told to stop or dies.
    rt::Task<void> turn_jobs(rt::sim::Process& process) {
        const rt::Context& ctx = process.context();
        rt::Reactor& reactor = process.runtime().reactor;
        for (;;) {
            const auto jobs = co_await service_->next_jobs(ctx, 10);
            if (!jobs) co_return;
            for (const Job& job : *jobs)
                if (job.due <= reactor.unix_s()) (void)co_await service_->run_job(ctx, job);
            if (!co_await rt::sleep(reactor, ctx, std::chrono::milliseconds(100))) co_return;
        }
    }

    Service* service() { return service_.get(); }
    billing::TestPayments& payments() { return *payments_; }
    sql::Database& database() { return *database_; }

  private:
    static std::vector<sql::Migration> all_migrations() {
        std::vector<sql::Migration> all;
        for (const auto list :
             {billing::migrations(), tenants::migrations(), introducer::migrations(), migrations()})
            all.insert(all.end(), list.begin(), list.end());
        return all;
    }

    GridCheck& check_;
    NoUsage usage_;
    billing::Plans plans_ = billing::Plans::standard();
    std::optional<crypto::StaticMasterKey> master_;
    std::optional<tenants::Keyring> keyring_;
    std::unique_ptr<sql::Database> database_;
    std::unique_ptr<billing::TestPayments> payments_;
    std::unique_ptr<tenants::Directory> directory_;
    std::unique_ptr<introducer::Introducer> introducer_;
    std::unique_ptr<Service> service_;
};

}  // namespace s4::service
