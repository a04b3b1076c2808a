// Sign-ups, payments, provisioning and cancellation while the machine dies under them: the real
// service with its jobs' runner, billing, tenants and introducer. Customers outlive the server and
// send the same form again until they get an answer; whoever got one finds it kept, and everybody
// ends where they would have ended had nothing died (invariants 1, 9 and 10).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "billing/schema.h"
#include "billing/test_payments.h"
#include "control/job_runner.h"
#include "introducer/introducer.h"
#include "introducer/records.h"
#include "rt/scope.h"
#include "service/schema.h"
#include "service/service.h"
#include "storage_node.h"
#include "tenants/limits.h"
#include "tenants/records.h"

namespace s4::simulation {
namespace {

using namespace std::chrono_literals;
using rt::Task;
using rt::sim::Process;
using service::Stage;

constexpr std::uint8_t kCustomers = 4;
constexpr int kCrashes = 6;
constexpr std::uint64_t kCrashCallsMax = 250;  // a whole sign-up takes about so many
// Longer than a sign-up may stay unpaid.
constexpr Duration kLastLifeMax = 48h;

// A customer and their browser, or the operator's script (which has no form to send again, and so
// makes a new subscription for each attempt that got no answer).
struct Customer {
    enum class Ends : std::uint8_t { ready, cancelled, unpaid };

    std::uint8_t number = 0;
    Ends ends = Ends::ready;
    std::optional<service::SignUp> sign_up;
    bool paid = false;       // the payment page answered that it is
    bool cancelled = false;  // the page answered that it is
    bool done = false;
    std::string introducer_furl;  // once it was shown
    std::string email() const { return fmt::format("customer-{}@example.org", number); }
};

struct ServiceStory {
    explicit ServiceStory(Run& r)
        : run(r),
          key_source(r.world().seed(), "master"),
          master(crypto::StaticMasterKey::generate(key_source)),
          keyring(tenants::Keyring::create(master).value()) {}

    Run& run;
    rt::sim::SeededRandom key_source;
    crypto::StaticMasterKey master;
    tenants::Keyring keyring;
    billing::Plans plans = billing::Plans::standard();
    std::array<Customer, kCustomers> customers;
    std::vector<SubscriptionId> made_by_operator;  // acknowledged
    std::int64_t operator_attempts = 0;
    bool verified = false;
};

// The grid from outside: sometimes not reached.
class UnreliableCheck final : public service::GridCheck {
  public:
    explicit UnreliableCheck(rt::sim::Dice& dice) : dice_(dice) {}
    Task<Result<void>> check(const rt::Context&, const service::GridAddresses&) override {
        if (dice_.chance(0.75)) co_return ok();
        co_return fail(ErrorKind::unavailable, "probe.unreachable", "nobody answers");
    }

  private:
    rt::sim::Dice& dice_;
};

class NothingStored final : public service::GridUsage {
  public:
    Task<Result<std::uint64_t>> used_bytes(const rt::Context&, GridId) override { co_return 0; }
};

// One life of the server.
struct Life {
    ServiceStory& story;
    Process& process;
    service::Service& service;
    billing::TestPayments& payments;
    tenants::Directory& directory;
    introducer::Introducer& introducer;

    const rt::Context& ctx() const { return process.context(); }
    void violated(int invariant, const std::string& sentence) const {
        if (process.alive()) story.run.violated(invariant, sentence);
    }
};

// -- what customers and operators do --

Task<bool> pay(Life& life, Customer& customer) {
    const auto payment =
        co_await life.service.begin_payment(life.ctx(), customer.sign_up->subscription);
    if (!payment) {
        // Paid in an earlier life: then it is not due.
        if (!payment.error().is("payment.not_due")) co_return false;
        customer.paid = true;
        co_return true;
    }
    if (customer.paid) life.violated(1, "a payment that was answered is due again");
    const std::string reference = payment->reference;
    if (!co_await life.payments.decide(life.ctx(), reference, billing::PaymentStatus::paid))
        co_return false;
    if (!co_await life.service.settle(life.ctx(), reference)) co_return false;
    customer.paid = true;
    life.story.run.acknowledged();
    co_return true;
}

Task<bool> wait_until(Life& life, SubscriptionId id, Stage stage, Duration look_every,
                      service::Overview& view) {
    for (;;) {
        auto now = co_await life.service.overview(life.ctx(), id);
        if (!now) co_return false;
        view = std::move(*now);
        if (view.stage == stage) co_return true;
        if (!co_await rt::sleep(life.process.runtime().reactor, life.ctx(), look_every))
            co_return false;
    }
}

Task<bool> sign_up(Life& life, Customer& customer) {
    const auto begun = co_await life.service.begin_sign_up(
        life.ctx(), {ByteBuffer(service::kSignUpNonceBytes, customer.number), customer.email(), "m",
                     "192.0.2.7"});
    if (!begun) co_return false;
    if (customer.sign_up && (begun->subscription != customer.sign_up->subscription ||
                             !(begun->capability == customer.sign_up->capability)))
        life.violated(1, "a sign-up that was answered is gone");
    customer.sign_up = *begun;
    life.story.run.acknowledged();
    co_return true;
}

Task<void> visit(Life& life, Customer& customer) {
    if (!co_await sign_up(life, customer)) co_return;
    const SubscriptionId id = customer.sign_up->subscription;
    service::Overview view;
    if (customer.ends == Customer::Ends::unpaid) {
        customer.done = co_await wait_until(life, id, Stage::ended, 1h, view);
        co_return;
    }
    if (!customer.cancelled && !co_await pay(life, customer)) co_return;
    if (!co_await wait_until(life, id, Stage::ready, 500ms, view)) co_return;
    const std::string furl(view.addresses->introducer_furl.reveal_text());
    if (!customer.introducer_furl.empty() && customer.introducer_furl != furl)
        life.violated(9, "a grid's address changed");
    customer.introducer_furl = furl;
    if (customer.ends == Customer::Ends::cancelled) {
        const auto cancelled =
            co_await life.service.cancel(life.ctx(), id, service::Actor::customer);
        if (!cancelled) co_return;
        customer.cancelled = true;
        life.story.run.acknowledged();
    }
    customer.done = true;
}

Task<void> create_by_operator(Life& life) {
    const std::string email =
        fmt::format("operator-{}@example.org", ++life.story.operator_attempts);
    const auto made = co_await life.service.create_subscription(life.ctx(), email, "m");
    if (!made) co_return;
    life.story.made_by_operator.push_back(made->subscription);
    life.story.run.acknowledged();
}

// -- how everything must end --

std::vector<std::string> expected_audit(const Customer* customer) {
    if (customer == nullptr) return {"sign_up_begun", "paid", "grid_made", "grid_shown"};
    if (customer->ends == Customer::Ends::unpaid) return {"sign_up_begun", "pending_over"};
    std::vector<std::string> out{"sign_up_begun", "payment_booked", "paid", "grid_made",
                                 "grid_shown"};
    if (customer->ends == Customer::Ends::cancelled) out.emplace_back("cancel");
    return out;
}

Task<void> verify_grid(Life& life, const service::Overview& view) {
    const GridId id = *view.grid;
    const auto grid = co_await life.directory.by_id(life.ctx(), id);
    const auto policy = service::policy_of(view.plan, view.subscription.state, view.transports);
    if (!grid || !((*grid)->policy == policy))
        life.violated(10,
                      fmt::format("grid {} has another policy than its subscription's", id.value));
    const auto announced = co_await life.introducer.announcements(life.ctx(), id);
    if (!announced || announced->size() != 1)
        life.violated(10, fmt::format("grid {} is not announced once", id.value));
}

// A subscription is whole: its record, its log, its one payment, its grid.
Task<bool> verify_subscription(Life& life, SubscriptionId id, const Customer* customer) {
    const auto view = co_await life.service.overview(life.ctx(), id);
    const auto audit = co_await life.service.audit_log(life.ctx(), id);
    const auto ledger = co_await life.service.ledger(life.ctx(), id);
    if (!view || !audit || !ledger) co_return false;
    std::vector<std::string> actions;
    for (const service::AuditRow& row : *audit) actions.push_back(row.action);
    if (actions != expected_audit(customer))
        life.violated(10, fmt::format("subscription {} went another way: {}", id.value,
                                      fmt::join(actions, ", ")));
    const bool pays = customer != nullptr && customer->ends != Customer::Ends::unpaid;
    if (ledger->size() != (pays ? 1U : 0U))
        life.violated(10, fmt::format("subscription {} has {} entries in the ledger", id.value,
                                      ledger->size()));
    const bool served = customer == nullptr || customer->ends != Customer::Ends::unpaid;
    if (served != view->grid.has_value())
        life.violated(10, fmt::format("subscription {} has a grid or not, wrongly", id.value));
    if (view->grid) co_await verify_grid(life, *view);
    co_return true;
}

Task<void> verify(Life& life) {
    const rt::Context& ctx = life.ctx();
    const auto all = co_await life.service.list(ctx, {}, 100);
    if (!all) co_return;
    std::size_t by_operator = 0;
    for (const billing::Subscription& row : *all) {
        const auto customer = std::ranges::find(life.story.customers, row.email, &Customer::email);
        const bool found = customer != life.story.customers.end();
        if (found && customer->sign_up->subscription != row.id)
            life.violated(10, fmt::format("{} has two subscriptions", row.email));
        if (!found) ++by_operator;
        if (!co_await verify_subscription(life, row.id, found ? &*customer : nullptr)) co_return;
    }
    if (all->size() - by_operator != kCustomers)
        life.violated(1, "a customer's subscription is gone");
    for (const SubscriptionId id : life.story.made_by_operator)
        if (std::ranges::find(*all, id, &billing::Subscription::id) == all->end())
            life.violated(1, "a subscription that the operator made is gone");
    for (const Customer& customer : life.story.customers) {
        const auto page = co_await life.service.find_page(ctx, customer.sign_up->capability);
        if (!page || *page != customer.sign_up->subscription)
            life.violated(9, fmt::format("{}'s page is gone", customer.email()));
    }
    life.story.verified = life.process.alive();
}

// Nothing is under way any more but what waits for its date.
Task<bool> settled(Life& life) {
    if (!std::ranges::all_of(life.story.customers, &Customer::done)) co_return false;
    const auto jobs = co_await life.service.next_jobs(life.ctx(), 100);
    co_return jobs&& std::ranges::none_of(
        *jobs, [](const service::Job& job) { return job.kind == service::JobKind::provision; });
}

Task<void> live(Life& life, bool last) {
    rt::Scope scope(life.ctx());
    control::JobRunner runner(life.process.runtime().reactor, life.service);
    scope.spawn(runner.run(scope.context()));
    rt::Scope people(life.ctx());
    for (Customer& customer : life.story.customers) people.spawn(visit(life, customer));
    if (!last && life.story.run.dice().chance(0.5)) people.spawn(create_by_operator(life));
    co_await people.join();
    while (last && life.process.alive() && !life.ctx().cancel.cancelled()) {
        if (co_await settled(life)) {
            co_await verify(life);
            break;
        }
        if (!co_await rt::sleep(life.process.runtime().reactor, life.ctx(), 1min)) break;
    }
    scope.cancel();
    co_await scope.join();
}

Task<void> serve(ServiceStory& story, Process& process, bool last) {
    std::vector<sql::Migration> all;
    for (const auto& list : {billing::migrations(), tenants::migrations(), introducer::migrations(),
                             service::migrations()})
        all.insert(all.end(), list.begin(), list.end());
    const auto database = open_database(story.run, process, false, all);
    if (!database) co_return;
    const auto directory = co_await tenants::Directory::create(
        process.context(), *database, story.keyring, tenants::kIdleGridsMax);
    if (!directory) co_return;
    billing::TestPayments payments(*database);
    UnreliableCheck check(story.run.dice());
    NothingStored usage;
    const service::PublicGate gate{
        "192.0.2.1", 8470, {{crypto::sha256(as_bytes("identity")), 8470}}};
    introducer::Introducer introducer(process.runtime(), *database);
    auto service =
        service::Service::create({process.runtime(), *database, story.master, story.plans, payments,
                                  **directory, introducer, check, usage, gate},
                                 {});
    if (!service) co_return;
    Life life{story, process, **service, payments, **directory, introducer};
    co_await live(life, last);
}

}  // namespace

void play_service(Run& run) {
    ServiceStory story(run);
    for (std::uint8_t i = 0; i < kCustomers; ++i) story.customers.at(i).number = i;
    story.customers[1].ends = Customer::Ends::cancelled;
    story.customers[2].ends = Customer::Ends::unpaid;
    rt::sim::Machine& machine = run.world().machine("service");
    for (int crash = 0; crash < kCrashes && !run.failed(); ++crash)
        run.boot_and_crash(
            machine, [&](Process& process) { process.spawn(serve(story, process, false)); },
            kCrashCallsMax);
    run.boot_and_stop(
        machine, [&](Process& process) { process.spawn(serve(story, process, true)); },
        kLastLifeMax);
    if (!story.verified && !run.failed())
        run.violated(10, "not everybody ends where they would have without a crash");
}

}  // namespace s4::simulation
