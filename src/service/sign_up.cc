// The customer's use cases.
#include <fmt/format.h>

#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/base32.h"
#include "service/service.h"

namespace s4::service {

using billing::PaymentStatus;
using billing::State;

namespace {

metrics::Counter& sign_ups_begun() {
    static metrics::Counter& counter =
        metrics::counter("s4_service_sign_ups_total", "Sign-ups begun");
    return counter;
}

metrics::Counter& payments_booked() {
    static metrics::Counter& counter =
        metrics::counter("s4_service_payments_total", "Payments booked");
    return counter;
}

}  // namespace

Secret Service::capability_of(const SignUpRequest& request) const {
    // Lengths first, so that no two requests run into the same bytes.
    ByteWriter named;
    named.u32(static_cast<std::uint32_t>(request.nonce.size())).bytes(request.nonce);
    named.u32(static_cast<std::uint32_t>(request.email.size())).text(request.email);
    named.text(request.plan);
    const crypto::Digest256 digest = sign_up_hash_(named.view());
    return Secret(as_bytes(codec::base32::encode(ByteView(digest).first(kCapabilityBytes))));
}

Result<void> Service::begin_in_tx(sql::Transaction& tx, const std::string& email,
                                  const billing::Plan& plan, Source source,
                                  billing::Subscription& subscription, UnixSeconds now) {
    subscription = TRY(billing::insert_subscription(tx, email, plan, now));
    TRY(insert_sign_up(tx, subscription.id, source, now));
    const auto timer = billing::timer(State::pending, now, plan);
    CHECK(timer.has_value(), "what is pending ends by itself");
    TRY(queue_job(tx, JobKind::state_timer, subscription.id, JobStep::fire, timer->at, now));
    TRY(audit(tx, source == Source::web ? Actor::customer : Actor::operator_, "sign_up_begun",
              subscription.id, plan.id, now));
    return ok();
}

rt::Task<Result<SignUp>> Service::begin_sign_up(const rt::Context& ctx, SignUpRequest request) {
    CHECK(request.nonce.size() == kSignUpNonceBytes, "a form's nonce has its length");
    if (!options_.sign_up_open)
        co_return fail(ErrorKind::unavailable, "service.sign_up_closed",
                       "New sign-ups are closed at the moment.");
    request.email = CO_TRY(billing::parse_email(request.email));
    const billing::Plan* plan = with_.plans.find(request.plan);
    if (plan == nullptr || !plan->offered)
        co_return fail(ErrorKind::invalid, "plan.unknown", "Choose one of the plans.");

    const Secret capability = capability_of(request);
    const crypto::Digest256 page = page_hash_(capability.reveal());
    const crypto::Digest256 address = address_hash_(as_bytes(address_key(request.client_address)));
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    bool fresh = false;
    const SubscriptionId id = CO_TRY(
        co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<SubscriptionId> {
            fresh = false;
            if (const auto known = TRY(service::find_page(tx, page))) return *known;
            const std::int64_t begun = TRY(count_address(tx, address, now - kSignUpWindowS, now));
            if (begun > static_cast<std::int64_t>(options_.sign_ups_per_address))
                return fail(ErrorKind::unavailable, "service.too_many_sign_ups",
                            "Too many sign-ups came from your network address within an hour. "
                            "Please try again later.");
            billing::Subscription subscription;
            TRY(begin_in_tx(tx, request.email, *plan, Source::web, subscription, now));
            TRY(insert_page(tx, page, subscription.id, now));
            fresh = true;
            return subscription.id;
        }));
    if (fresh) {
        sign_ups_begun().add();
        log::info("service", "sign-up begun", {{"subscription", id.value}, {"plan", plan->id}});
    }
    committed(id);
    co_return SignUp{id, capability};
}

rt::Task<Result<SubscriptionId>> Service::find_page(const rt::Context& ctx, Secret capability) {
    const crypto::Digest256 hash = page_hash_(capability.reveal());
    const auto found = CO_TRY(co_await with_.database.read(
        ctx, [&](sql::Reader& db) { return service::find_page(db, hash); }));
    if (!found)
        co_return fail(ErrorKind::not_found, "page.unknown", "There is no page at this address.");
    co_return *found;
}

rt::Task<Result<billing::Payment>> Service::begin_payment(const rt::Context& ctx,
                                                          SubscriptionId subscription) {
    const Overview view = CO_TRY(co_await overview(ctx, subscription));
    const State state = view.subscription.state;
    if (state == State::purged)
        co_return fail(ErrorKind::conflict, "subscription.purged",
                       "This subscription has ended. Please sign up again.");
    if (state == State::active)
        co_return fail(ErrorKind::conflict, "payment.not_due", "Nothing is due at the moment.");
    billing::PaymentRequest request;
    request.key = fmt::format("{}-{}", subscription.value, view.times_paid);
    request.subscription = subscription;
    request.email = view.subscription.email;
    request.amount = view.due;
    const billing::Payment payment = CO_TRY(co_await with_.payments.begin(ctx, request));
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) {
        return billing::note_payment(tx, subscription, with_.payments.name(), payment, now);
    }));
    co_return payment;
}

rt::Task<Result<billing::Payment>> Service::settle(const rt::Context& ctx, std::string reference) {
    const billing::Payment payment = CO_TRY(co_await with_.payments.look_up(ctx, reference));
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    bool booked = false;
    const SubscriptionId id = CO_TRY(
        co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<SubscriptionId> {
            const SubscriptionId owner =
                TRY(billing::subscription_of_payment(tx, with_.payments.name(), payment.reference));
            booked = TRY(settle_in_tx(tx, owner, payment, now));
            return owner;
        }));
    if (booked) payments_booked().add();
    CO_TRY(co_await with_.directory.catch_up(ctx));
    committed(id);
    co_return payment;
}

Result<bool> Service::settle_in_tx(sql::Transaction& tx, SubscriptionId id,
                                   const billing::Payment& payment, UnixSeconds now) {
    billing::Subscription subscription = TRY(billing::load_subscription(tx, id));
    switch (payment.status) {
        case PaymentStatus::open:
            return false;
        case PaymentStatus::declined:
            if (TRY(load_sign_up(tx, id)).declined != 0) return false;
            TRY(set_declined(tx, id, now));
            TRY(insert_notice(tx, id, NoticeKind::payment_declined, now));
            TRY(audit(tx, Actor::service, "payment_declined", id, payment.reference, now));
            return false;
        case PaymentStatus::paid:
            break;
    }
    const bool fresh = TRY(billing::book(tx, subscription, plan_of(subscription),
                                         with_.payments.name(), payment, now));
    if (!fresh) return false;
    TRY(set_declined(tx, id, 0));
    TRY(audit(tx, Actor::service, "payment_booked", id,
              fmt::format("{} {}", payment.reference, payment.amount.to_string()), now));
    if (billing::transition(subscription.state, billing::Event::paid).verdict ==
        billing::Verdict::refused) {
        // The money came after everything was deleted: it stays booked, and a person decides.
        log::error("service", "a payment came for a subscription that was purged",
                   {{"subscription", id.value}});
        return true;
    }
    TRY(change_state(tx, subscription, billing::Event::paid, Actor::service, now));
    return true;
}

rt::Task<Result<Overview>> Service::cancel(const rt::Context& ctx, SubscriptionId subscription,
                                           Actor actor) {
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        billing::Subscription row = TRY(billing::load_subscription(tx, subscription));
        TRY(change_state(tx, row, billing::Event::cancel, actor, now));
        return ok();
    }));
    CO_TRY(co_await with_.directory.catch_up(ctx));
    committed(subscription);
    co_return co_await overview(ctx, subscription);
}

rt::Task<Result<Overview>> Service::set_transports(const rt::Context& ctx,
                                                   SubscriptionId subscription,
                                                   tenants::Transports transports, Actor actor) {
    const UnixSeconds now = with_.runtime.reactor.unix_s();
    CO_TRY(co_await with_.database.write(ctx, [&](sql::Transaction& tx) -> Result<void> {
        TRY(billing::load_subscription(tx, subscription));
        const SignUpRow sign_up = TRY(load_sign_up(tx, subscription));
        if (!sign_up.grid)
            return fail(ErrorKind::conflict, "service.no_grid",
                        fmt::format("subscription {} has no grid yet", subscription.value));
        tenants::Policy policy = TRY(policy_of_grid(tx, *sign_up.grid));
        if (policy.announced == transports) return ok();
        policy.announced = transports;
        TRY(tenants::update_policy(tx, *sign_up.grid, policy));
        TRY(audit(tx, actor, "transports", subscription, tenants::to_string(transports), now));
        return queue_job(tx, JobKind::announce, subscription, JobStep::fire, now, now);
    }));
    CO_TRY(co_await with_.directory.catch_up(ctx));
    committed(subscription);
    co_return co_await overview(ctx, subscription);
}

}  // namespace s4::service
