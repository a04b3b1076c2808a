// Customers who sign up and pay while the machine dies under the service, again and again, on the
// simulator. Whoever got an answer finds it kept, and everybody ends with one grid, one booked
// payment and one page, as if nothing had happened (invariants 1 and 10).
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/log.h"
#include "service/sim_service_test.h"

namespace s4::service {
namespace {

using namespace std::chrono_literals;
using billing::PaymentStatus;

constexpr std::uint8_t kCustomers = 3;

// A customer and their browser: it outlives the server, remembers what it was told, and sends the
// same form again until it gets an answer.
struct Customer {
    std::uint8_t number = 0;
    std::optional<SignUp> sign_up;
    bool paid = false;   // the payment page answered that it is
    bool ready = false;  // the page showed the grid
};

// Outside, as far as a grid is reached from there: sometimes not.
class UnreliableCheck final : public GridCheck {
  public:
    explicit UnreliableCheck(rt::sim::Dice& dice) : dice_(dice) {}
    rt::Task<Result<void>> check(const rt::Context&, const GridAddresses&) override {
        if (dice_.below(4) != 0) co_return ok();
        co_return fail(ErrorKind::unavailable, "probe.unreachable", "nobody answers");
    }

  private:
    rt::sim::Dice& dice_;
};

class CrashingService {
  public:
    explicit CrashingService(std::uint64_t seed) : world_(seed, rt::sim::Profile()) {
        for (std::uint8_t i = 0; i < kCustomers; ++i) customers_[i].number = i;
    }
    ~CrashingService() {
        sim_.stop();
        world_.end();
    }

    void live_once() {
        process_ = &world_.machine("m").boot();
        const auto calls = static_cast<std::uint64_t>(world_.dice().below(250) + 1);
        const bool power = world_.dice().below(2) == 0;
        process_->crash_at_file_call(calls,
                                     power ? rt::sim::Crash::power : rt::sim::Crash::process);
        live();
        EXPECT_TRUE(world_.run_until([&] { return process_->ended() || everybody_ready(); }, 600s));
        process_->crash(rt::sim::Crash::process);
        EXPECT_TRUE(world_.run_until([&] { return process_->ended(); }, 60s));
        sim_.stop();
    }

    // The last life, in which nothing fails but the check.
    void live_on_and_verify() {
        process_ = &world_.machine("m").boot();
        live();
        ASSERT_NE(sim_.service(), nullptr);
        EXPECT_TRUE(world_.run_until([&] { return everybody_ready(); }, 3600s));
        bool verified = false;
        process_->spawn(verify(verified));
        EXPECT_TRUE(world_.run_until([&] { return verified; }, 600s));
        process_->stop();
        EXPECT_TRUE(world_.run_until([&] { return process_->ended(); }, 60s));
        sim_.stop();
    }

    int repeated() const { return repeated_; }

  private:
    bool everybody_ready() const { return std::ranges::all_of(customers_, &Customer::ready); }

    void live() {
        bool started = false;
        process_->spawn(start(started));
        world_.run_until([&] { return started || process_->ended(); }, 600s);
        if (sim_.service() == nullptr) return;
        process_->spawn(sim_.turn_jobs(*process_));
        for (Customer& customer : customers_) process_->spawn(visit(customer));
    }

    rt::Task<void> start(bool& started) {
        co_await sim_.start(*process_);
        started = true;
    }

    rt::Task<void> visit(Customer& customer) {
        const rt::Context& ctx = process_->context();
        if (customer.sign_up) ++repeated_;
        const auto begun = co_await sim_.service()->begin_sign_up(
            ctx,
            {ByteBuffer(kSignUpNonceBytes, customer.number), "ada@example.org", "m", "192.0.2.7"});
        if (!begun) co_return;
        if (customer.sign_up) {
            EXPECT_EQ(begun->subscription, customer.sign_up->subscription)
                << "a sign-up that was answered is gone";
            EXPECT_TRUE(begun->capability == customer.sign_up->capability);
        }
        customer.sign_up = *begun;
        if (!co_await pay(customer)) co_return;
        while (!customer.ready) {
            const auto view = co_await sim_.service()->overview(ctx, begun->subscription);
            if (!view) co_return;
            EXPECT_EQ(view->subscription.state, billing::State::active)
                << "a payment that was answered is gone";
            customer.ready = view->stage == Stage::ready;
            if (!co_await rt::sleep(process_->runtime().reactor, ctx, 200ms)) co_return;
        }
        const auto view = co_await sim_.service()->overview(ctx, begun->subscription);
        EXPECT_TRUE(!view || view->stage == Stage::ready) << "a grid that was shown is gone";
    }

    rt::Task<bool> pay(Customer& customer) {
        const rt::Context& ctx = process_->context();
        const auto payment =
            co_await sim_.service()->begin_payment(ctx, customer.sign_up->subscription);
        if (!payment) {
            // Paid in an earlier life: then it is not due.
            if (!payment.error().is("payment.not_due")) co_return false;
            customer.paid = true;
            co_return true;
        }
        EXPECT_FALSE(customer.paid) << "a payment that was answered is due again";
        if (!co_await sim_.payments().decide(ctx, payment->reference, PaymentStatus::paid))
            co_return false;
        const auto settled = co_await sim_.service()->settle(ctx, payment->reference);
        if (settled) customer.paid = true;
        co_return settled.has_value();
    }

    rt::Task<void> verify(bool& verified) {
        const rt::Context& ctx = process_->context();
        const auto rows = co_await sim_.service()->list(ctx, {}, 100);
        EXPECT_TRUE(rows && rows->size() == kCustomers) << "one subscription each";
        for (const Customer& customer : customers_) {
            const SubscriptionId id = customer.sign_up->subscription;
            const auto page = co_await sim_.service()->find_page(ctx, customer.sign_up->capability);
            EXPECT_TRUE(page && *page == id);
            const auto ledger = co_await sim_.service()->ledger(ctx, id);
            EXPECT_TRUE(ledger && ledger->size() == 1) << "booked once";
            std::vector<std::string> actions;
            const auto audit = co_await sim_.service()->audit_log(ctx, id);
            if (audit)
                for (const AuditRow& row : *audit) actions.push_back(row.action);
            EXPECT_THAT(actions, testing::ElementsAre("sign_up_begun", "payment_booked", "paid",
                                                      "grid_made", "grid_shown"));
        }
        const auto jobs = co_await sim_.service()->next_jobs(ctx, 10);
        EXPECT_TRUE(jobs && jobs->empty());
        const auto grids = co_await sim_.database().read(
            ctx, [](sql::Reader& db) { return tenants::list_grids(db, {}, 100); });
        EXPECT_TRUE(grids && grids->size() == kCustomers) << "no grid without its customer";
        verified = true;
    }

    rt::sim::World world_;
    rt::sim::Dice dice_ = world_.dice_for("outside");
    UnreliableCheck check_{dice_};
    SimService sim_{check_};
    rt::sim::Process* process_ = nullptr;
    std::array<Customer, kCustomers> customers_;
    int repeated_ = 0;
};

TEST(ServiceCrash, EverybodyEndsWithOneGridOnePaymentAndOnePage) {
    // Each death is an error in the log.
    log::set_sink([](log::Level, std::string_view) {});
    int repeated = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        CrashingService run(seed);
        for (int boot = 0; boot < 5 && !testing::Test::HasFailure(); ++boot) run.live_once();
        run.live_on_and_verify();
        if (testing::Test::HasFailure()) break;
        repeated += run.repeated();
    }
    log::set_sink({});
    EXPECT_GT(repeated, 40) << "the machine dies before anything happens, or never";
}

}  // namespace
}  // namespace s4::service
