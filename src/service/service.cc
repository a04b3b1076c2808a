// The parts of Service that both its use cases and its jobs need: creation, state changes, the
// overview. sign_up.cc has the customer's use cases, operator.cc the operator's, provision.cc the
// jobs.
#include "service/service.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/log.h"

namespace s4::service {

using billing::State;

std::string_view to_string(Stage stage) {
    switch (stage) {
        case Stage::unpaid:
            return "unpaid";
        case Stage::making:
            return "making";
        case Stage::checking:
            return "checking";
        case Stage::ready:
            return "ready";
        case Stage::ended:
            return "ended";
    }
    UNREACHABLE("a stage is one of the enum's");
}

tenants::Policy policy_of(const billing::Plan& plan, State state, tenants::Transports transports) {
    tenants::Policy out;
    out.announced = transports;
    out.quota_bytes = plan.quota_bytes;
    out.connections_max = plan.limits.connections;
    out.unfinished_uploads_max = plan.limits.unfinished_uploads;
    out.requests_max = plan.limits.requests;
    out.bytes_per_s = plan.limits.bytes_per_second;
    switch (billing::access(state)) {
        case billing::Access::read_write:
            out.state = tenants::GridState::served;
            break;
        case billing::Access::read:
            out.state = tenants::GridState::read_only;
            break;
        case billing::Access::none:
            out.state = tenants::GridState::frozen;
            break;
    }
    return out;
}

billing::GridLimits limits_of(const tenants::Policy& policy) {
    return {.connections = policy.connections_max,
            .unfinished_uploads = policy.unfinished_uploads_max,
            .requests = policy.requests_max,
            .bytes_per_second = policy.bytes_per_s};
}

Result<tenants::Policy> policy_of_grid(sql::Reader& db, GridId grid) {
    const std::optional<tenants::Grid> record = TRY(tenants::load_grid(db, grid));
    if (!record)
        return fail(ErrorKind::corrupt, "tenants.no_such_grid",
                    fmt::format("a subscription has grid {}, which there is not", grid.value));
    return record->policy;
}

Result<std::unique_ptr<Service>> Service::create(Dependencies dependencies, Options options) {
    const crypto::MasterKey& master = dependencies.master;
    auto page = TRY(crypto::KeyedHash::create(master, "s4 page lookup v1"));
    auto sign_up = TRY(crypto::KeyedHash::create(master, "s4 sign-up capability v1"));
    auto address = TRY(crypto::KeyedHash::create(master, "s4 client address v1"));
    return std::unique_ptr<Service>(new Service(std::move(dependencies), options, std::move(page),
                                                std::move(sign_up), std::move(address)));
}

Service::Service(Dependencies dependencies, Options options, crypto::KeyedHash page_hash,
                 crypto::KeyedHash sign_up_hash, crypto::KeyedHash address_hash)
    : with_(std::move(dependencies)),
      options_(options),
      page_hash_(std::move(page_hash)),
      sign_up_hash_(std::move(sign_up_hash)),
      address_hash_(std::move(address_hash)),
      jobs_queued_(with_.runtime.reactor) {}

const billing::Plan& Service::plan_of(const billing::Subscription& subscription) const {
    if (const billing::Plan* plan = with_.plans.find(subscription.plan)) return *plan;
    // The operator removed a plan that is sold still. Nobody is cut off for that.
    log::warning("service", "a subscription's plan is not among the plans",
                 {{"subscription", subscription.id.value}, {"plan", subscription.plan}});
    return with_.plans.suggested();
}

Result<billing::Transition> Service::change_state(sql::Transaction& tx,
                                                  billing::Subscription& subscription,
                                                  billing::Event event, Actor actor,
                                                  UnixSeconds now) {
    const State from = subscription.state;
    const billing::Transition step = TRY(billing::apply(tx, subscription, event, now));
    if (step.verdict == billing::Verdict::stays) return step;
    const SubscriptionId id = subscription.id;
    TRY(audit(tx, actor, billing::to_string(event), id,
              fmt::format("{} -> {}", billing::to_string(from), billing::to_string(step.to)), now));

    const billing::Plan& plan = plan_of(subscription);
    const SignUpRow sign_up = TRY(load_sign_up(tx, id));
    if (sign_up.grid) {
        const tenants::Policy before = TRY(policy_of_grid(tx, *sign_up.grid));
        TRY(tenants::update_policy(tx, *sign_up.grid, policy_of(plan, step.to, before.announced)));
    }
    if (step.to == State::active && sign_up.shown == 0)
        TRY(queue_job(tx, JobKind::provision, id, sign_up.grid ? JobStep::check : JobStep::make,
                      now, now));
    if (step.to == State::active && sign_up.shown != 0)
        TRY(insert_notice(tx, id, NoticeKind::resumed, now));
    if (step.to == State::past_due) TRY(insert_notice(tx, id, NoticeKind::payment_failed, now));
    if (step.to == State::suspended) TRY(insert_notice(tx, id, NoticeKind::suspended, now));
    if (step.to == State::cancelled) TRY(insert_notice(tx, id, NoticeKind::cancelled, now));

    const auto timer = billing::timer(step.to, now, plan);
    const auto running = TRY(find_job(tx, JobKind::state_timer, id));
    if (timer)
        TRY(queue_job(tx, JobKind::state_timer, id, JobStep::fire, timer->at, now));
    else if (running)
        TRY(delete_job(tx, running->id));
    return step;
}

namespace {

Stage stage_of(const billing::Subscription& subscription, const SignUpRow& sign_up) {
    switch (subscription.state) {
        case State::pending:
            return Stage::unpaid;
        case State::purged:
            return Stage::ended;
        case State::active:
        case State::past_due:
        case State::suspended:
        case State::cancelled:
            if (sign_up.shown != 0) return Stage::ready;
            // Cancelled before it was shown: there is nothing to read.
            if (billing::access(subscription.state) != billing::Access::read_write)
                return Stage::ended;
            return sign_up.grid ? Stage::checking : Stage::making;
    }
    UNREACHABLE("a state is one of the enum's");
}

}  // namespace

rt::Task<Result<Overview>> Service::overview(const rt::Context& ctx, SubscriptionId subscription) {
    Overview out =
        CO_TRY(co_await with_.database.read(ctx, [&](sql::Reader& db) -> Result<Overview> {
            Overview view;
            view.subscription = TRY(billing::load_subscription(db, subscription));
            view.plan = plan_of(view.subscription);
            const SignUpRow sign_up = TRY(load_sign_up(db, subscription));
            view.stage = stage_of(view.subscription, sign_up);
            view.declined = sign_up.declined != 0;
            view.grid = sign_up.grid;
            view.limits = view.plan.limits;
            if (view.grid) {
                const tenants::Policy policy = TRY(policy_of_grid(db, *view.grid));
                view.transports = policy.announced;
                view.limits = limits_of(policy);
            }
            view.times_paid = TRY(billing::count_booked(db, subscription));
            if (const auto job = TRY(find_job(db, JobKind::provision, subscription)))
                view.delayed = job->attempts >= kAttemptsUntilDelayed;
            return view;
        }));
    const billing::Subscription& row = out.subscription;
    if (const auto timer = billing::timer(row.state, row.state_since, out.plan))
        out.ends = timer->at;
    const bool trial = row.paid_until == 0 && out.plan.trial_days > 0;
    out.due = trial ? billing::Money{0, out.plan.price.currency} : out.plan.price;
    if (out.stage != Stage::ready) co_return out;
    out.addresses = CO_TRY(co_await load_addresses(ctx, *out.grid));
    out.used_bytes = CO_TRY(co_await with_.usage.used_bytes(ctx, *out.grid));
    co_return out;
}

rt::Task<Result<GridAddresses>> Service::load_addresses(const rt::Context& ctx, GridId grid) {
    const tenants::GridPtr record = CO_TRY(co_await with_.directory.by_id(ctx, grid));
    co_return addresses_of(with_.directory.keyring(), *record, with_.gate);
}

void Service::committed(SubscriptionId subscription) {
    jobs_queued_.set();
    const auto at = waiters_.find(subscription);
    if (at == waiters_.end()) return;
    ++at->second.changes;
    at->second.changed.set();
    // A waiter that ran inside set() may have been the last.
    if (const auto again = waiters_.find(subscription); again != waiters_.end())
        again->second.changed.clear();
}

}  // namespace s4::service
