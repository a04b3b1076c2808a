// The operator's use cases.
#include <fmt/format.h>

#include "base/log.h"
#include "codec/base32.h"
#include "service/service.h"

namespace s4::service {
namespace {

Secret random_capability(crypto::Random& random) {
    const auto bytes = crypto::random_bytes<kCapabilityBytes>(random);
    return Secret(as_bytes(codec::base32::encode(bytes)));
}

}  // namespace

rt::Task<Result<SignUp>> Service::create_subscription(const rt::Context& ctx, std::string email,
                                                      std::string plan_id) {
    email = CO_TRY(billing::parse_email(email));
    const billing::Plan* plan =
        plan_id.empty() ? &with_.plans.suggested() : with_.plans.find(plan_id);
    if (plan == nullptr)
        co_return fail(ErrorKind::invalid, "plan.unknown",
                       fmt::format("there is no plan \"{}\"", plan_id));
    const Secret capability = random_capability(with_.runtime.random);
    const crypto::Digest256 page = page_hash_(capability.reveal());
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    const SubscriptionId id = CO_TRY(
        co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<SubscriptionId> {
            billing::Subscription subscription;
            TRY(begin_in_tx(tx, email, *plan, Source::operator_, subscription, now));
            TRY(insert_page(tx, page, subscription.id, now));
            TRY(change_state(tx, subscription, billing::Event::paid, Actor::operator_, now));
            return subscription.id;
        }));
    log::info("service", "subscription created by the operator",
              {{"subscription", id.value}, {"plan", plan->id}});
    committed(id);
    CO_TRY(co_await await_shown(ctx, id));
    co_return SignUp{id, capability};
}

rt::Task<Result<void>> Service::await_shown(const rt::Context& ctx, SubscriptionId subscription) {
    const rt::Context limited = ctx.until(with_.runtime.reactor.now() + kCreateWaitMax);
    Waiters& waiters = waiters_.try_emplace(subscription, with_.runtime.reactor).first->second;
    ++waiters.count;
    Result<void> outcome = ok();
    while (outcome) {
        const std::uint64_t seen = waiters.changes;
        const Result<Overview> view = co_await overview(limited, subscription);
        if (!view) {
            outcome = fail(view.error());
        } else if (view->stage == Stage::ready) {
            break;
        } else if (waiters.changes == seen) {
            outcome = co_await waiters.changed.wait(limited);
        }
    }
    if (--waiters.count == 0) waiters_.erase(subscription);
    if (!outcome && outcome.error().kind() == ErrorKind::timeout)
        co_return fail(ErrorKind::unavailable, "service.being_checked",
                       fmt::format("subscription {} is made, but its grid could not be reached "
                                   "from outside yet; the check is repeated until it succeeds "
                                   "(see the server's log, and `s4 subscription show {}`)",
                                   subscription.value, subscription.value));
    co_return outcome;
}

rt::Task<Result<Secret>> Service::replace_page(const rt::Context& ctx,
                                               SubscriptionId subscription) {
    const Secret capability = random_capability(with_.runtime.random);
    const crypto::Digest256 page = page_hash_(capability.reveal());
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        TRY(billing::load_subscription(tx, subscription));
        TRY(delete_pages(tx, subscription));
        TRY(insert_page(tx, page, subscription, now));
        TRY(insert_notice(tx, subscription, NoticeKind::page_replaced, now));
        return audit(tx, Actor::operator_, "page_replaced", subscription, "", now);
    }));
    co_return capability;
}

rt::Task<Result<std::vector<billing::Subscription>>> Service::list(const rt::Context& ctx,
                                                                   SubscriptionId after,
                                                                   int limit) {
    co_return co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return billing::list_subscriptions(db, after, limit); });
}

rt::Task<Result<std::vector<AuditRow>>> Service::audit_log(const rt::Context& ctx,
                                                           SubscriptionId subscription) {
    co_return co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return audit_of(db, subscription, kAuditPageMax); });
}

rt::Task<Result<std::vector<billing::LedgerEntry>>> Service::ledger(const rt::Context& ctx,
                                                                    SubscriptionId subscription) {
    co_return co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return billing::ledger_of(db, subscription, kAuditPageMax); });
}

}  // namespace s4::service
