// The jobs' steps: from a payment to a grid that is shown, and what time alone does to a
// subscription.
#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "introducer/records.h"
#include "service/service.h"
#include "tenants/records.h"

namespace s4::service {

using billing::State;

namespace {

metrics::Counter& failed_steps(JobStep step) {
    static constexpr const char* kName = "s4_service_job_failures_total";
    static constexpr const char* kHelp = "Failed attempts at a job's step";
    static metrics::Counter& make = metrics::counter(kName, kHelp, {{"step", "make"}});
    static metrics::Counter& check = metrics::counter(kName, kHelp, {{"step", "check"}});
    static metrics::Counter& fire = metrics::counter(kName, kHelp, {{"step", "fire"}});
    switch (step) {
        case JobStep::make:
            return make;
        case JobStep::check:
            return check;
        case JobStep::fire:
            return fire;
    }
    UNREACHABLE("a step is one of the enum's");
}

metrics::Gauge& being_checked() {
    static metrics::Gauge& gauge =
        metrics::gauge("s4_service_grids_being_checked", "Grids made but not yet shown");
    return gauge;
}

}  // namespace

rt::Task<Result<std::vector<Job>>> Service::next_jobs(const rt::Context& ctx, int limit) {
    co_return co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return service::next_jobs(db, limit); });
}

rt::Task<Result<void>> Service::run_job(const rt::Context& ctx, Job job) {
    const Result<void> outcome = co_await run_step(ctx, job);
    if (outcome) {
        committed(job.subscription);
        co_return outcome;
    }
    if (outcome.error().kind() == ErrorKind::cancelled) co_return outcome;
    failed_steps(job.step).add();
    log::error("service", "a job's step failed and is put off",
               {{"subscription", job.subscription.value},
                {"job", to_string(job.kind)},
                {"step", to_string(job.step)},
                {"attempt", job.attempts + 1},
                {"error", outcome.error()}});
    CO_TRY(co_await put_off(ctx, job, outcome.error()));
    co_return outcome;
}

rt::Task<Result<void>> Service::run_step(const rt::Context& ctx, const Job& job) {
    switch (job.step) {
        case JobStep::make:
            co_return co_await make_grid(ctx, job);
        case JobStep::check:
            co_return co_await check_grid(ctx, job);
        case JobStep::fire:
            if (job.kind == JobKind::announce) co_return co_await announce_grid(ctx, job);
            co_return co_await fire_timer(ctx, job);
    }
    UNREACHABLE("a step is one of the enum's");
}

rt::Task<Result<void>> Service::put_off(const rt::Context& ctx, const Job& job,
                                        const Error& error) {
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    const std::string problem = error.to_string();
    co_return co_await with_.database.write(
        ctx, [&](sql::Transaction& tx) { return put_off_job(tx, job, problem, now); });
}

Result<bool> Service::is_wanted(sql::Transaction& tx, const Job& job) {
    const auto current = TRY(load_job(tx, job.id));
    if (!current || current->step != job.step) return false;
    const billing::Subscription row = TRY(billing::load_subscription(tx, job.subscription));
    if (billing::access(row.state) == billing::Access::read_write) return true;
    TRY(delete_job(tx, job.id));  // a payment queues it again
    return false;
}

Result<introducer::Announcement> Service::first_announcement(
    const tenants::Grid& grid, std::optional<std::int64_t> seqnum) const {
    const tenants::Keyring& keyring = with_.directory.keyring();
    const introducer::StorageServer server = TRY(storage_server_of(keyring, grid, with_.gate));
    const crypto::Ed25519PrivateKey key = TRY(keyring.server_key(grid));
    return introducer::verify(introducer::announce(
        server, introducer::next_seqnum(seqnum, with_.runtime.reactor.unix_s()), key,
        with_.runtime.random));
}

Result<GridId> Service::give_grid(sql::Transaction& tx, const billing::Subscription& subscription,
                                  const tenants::NewGrid& grid,
                                  const introducer::Announcement& announcement, Actor actor,
                                  UnixSeconds now) {
    const GridId id = TRY(tenants::insert_grid(tx, grid));
    TRY(tenants::update_policy(
        tx, id, policy_of(plan_of(subscription), subscription.state, tenants::Transports::both)));
    TRY(introducer::store(tx, id, announcement, now));
    TRY(set_grid(tx, subscription.id, id));
    TRY(audit(tx, actor, "grid_made", subscription.id, grid.grid.storage.tub_id, now));
    return id;
}

// One transaction makes the identities and the first announcement and moves the job on. Keys are
// made before it, so that the writer does not wait for them; if it was done before, they are
// forgotten.
rt::Task<Result<void>> Service::make_grid(const rt::Context& ctx, const Job& job) {
    const billing::Subscription row = CO_TRY(co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return billing::load_subscription(db, job.subscription); }));
    const tenants::Keyring& keyring = with_.directory.keyring();
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    const tenants::NewGrid grid = keyring.new_grid(
        with_.runtime.random, now, policy_of(plan_of(row), row.state, tenants::Transports::both));
    const introducer::Announcement announcement =
        CO_TRY(first_announcement(grid.grid, std::nullopt));

    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        if (!TRY(is_wanted(tx, job))) return ok();
        const billing::Subscription subscription =
            TRY(billing::load_subscription(tx, job.subscription));
        if (!TRY(load_sign_up(tx, job.subscription)).grid)
            TRY(give_grid(tx, subscription, grid, announcement, Actor::service, now));
        return move_job(tx, job.id, JobStep::check, now);
    }));
    co_return co_await with_.directory.catch_up(ctx);
}

rt::Task<Result<void>> Service::check_grid(const rt::Context& ctx, const Job& job) {
    const std::optional<GridId> grid = CO_TRY(co_await with_.database.write(
        ctx, [&](sql::Transaction& tx) -> Result<std::optional<GridId>> {
            if (!TRY(is_wanted(tx, job))) return std::nullopt;
            return TRY(load_sign_up(tx, job.subscription))
            .grid;
        }));
    if (!grid) co_return ok();
    const GridAddresses addresses = CO_TRY(co_await load_addresses(ctx, *grid));
    const rt::Context limited = ctx.until(with_.runtime.reactor.now() + kGridCheckTimeMax);
    CO_TRY(co_await with_.grid_check.check(limited, addresses));

    const UnixSeconds now = with_.runtime.reactor.unix_s();
    const std::int64_t left = CO_TRY(
        co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<std::int64_t> {
            if (TRY(set_shown(tx, job.subscription, now))) {
                TRY(insert_notice(tx, job.subscription, NoticeKind::grid_ready, now));
                TRY(audit(tx, Actor::service, "grid_shown", job.subscription, "", now));
            }
            TRY(delete_job(tx, job.id));
            return count_being_checked(tx);
        }));
    being_checked().set(static_cast<double>(left));
    co_return ok();
}

rt::Task<Result<void>> Service::fire_timer(const rt::Context& ctx, const Job& job) {
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        billing::Subscription row = TRY(billing::load_subscription(tx, job.subscription));
        const auto timer = billing::timer(row.state, row.state_since, plan_of(row));
        if (!timer) return delete_job(tx, job.id);
        if (timer->at > now) return move_job(tx, job.id, JobStep::fire, timer->at);
        if (timer->event == billing::Event::cancelled_over) {
            // Nothing is deleted before there is a purge with its notices; until then what a
            // cancelled customer stored stays.
            return delete_job(tx, job.id);
        }
        TRY(change_state(tx, row, timer->event, Actor::service, now));
        return ok();
    }));
    co_return co_await with_.directory.catch_up(ctx);
}

// The policy is read here, not when the job was queued: what is announced is what holds now. A
// change while the announcement was under way leaves the job for another turn.
rt::Task<Result<void>> Service::announce_grid(const rt::Context& ctx, const Job& job) {
    const std::optional<tenants::Grid> grid = CO_TRY(co_await with_.database.read(
        ctx, [&](sql::Reader& db) -> Result<std::optional<tenants::Grid>> {
            const SignUpRow sign_up = TRY(load_sign_up(db, job.subscription));
            if (!sign_up.grid) return std::nullopt;
            auto record = TRY(tenants::load_grid(db, *sign_up.grid));
            if (record && record->policy.state == tenants::GridState::closed) return std::nullopt;
            return record;
        }));
    if (grid) {
        const tenants::Keyring& keyring = with_.directory.keyring();
        introducer::StorageServer server = CO_TRY(storage_server_of(keyring, *grid, with_.gate));
        crypto::Ed25519PrivateKey key = CO_TRY(keyring.server_key(*grid));
        CO_TRY(co_await with_.introducer.publish_own(ctx, grid->id, std::move(server),
                                                     std::move(key)));
    }
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    co_return co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        if (grid && TRY(policy_of_grid(tx, grid->id)).announced != grid->policy.announced)
            return move_job(tx, job.id, JobStep::fire, now);
        return delete_job(tx, job.id);
    });
}

}  // namespace s4::service
