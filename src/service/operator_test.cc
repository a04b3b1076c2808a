// The operator's use cases in virtual time.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/log.h"
#include "service/sim_service_test.h"

namespace s4::service {
namespace {

using namespace std::chrono_literals;

class SetOutcome final : public GridCheck {
  public:
    bool reachable = true;
    rt::Task<Result<void>> check(const rt::Context&, const GridAddresses&) override {
        if (reachable) co_return ok();
        co_return fail(ErrorKind::unavailable, "probe.unreachable", "nobody answers");
    }
};

// One life of a process, with the jobs turning beside what the test does.
class OperatorRun {
  public:
    explicit OperatorRun(std::uint64_t seed) : world_(seed, slow_pool()) {
        log::set_sink([](log::Level, std::string_view) {});
        process_ = &world_.machine("m").boot();
        bool started = false;
        process_->spawn(start(started));
        EXPECT_TRUE(world_.run_until([&] { return started; }, 60s));
        process_->spawn(sim_.turn_jobs(*process_));
    }
    ~OperatorRun() {
        process_->stop();
        EXPECT_TRUE(world_.run_until([&] { return process_->ended(); }, 60s));
        sim_.stop();
        world_.end();
        log::set_sink({});
    }

    Result<SignUp> create(std::string email, std::string plan) {
        std::optional<Result<SignUp>> out;
        process_->spawn(create(std::move(email), std::move(plan), out));
        EXPECT_TRUE(world_.run_until([&] { return out.has_value(); }, 600s));
        return std::move(*out);
    }
    Overview view(SubscriptionId id) {
        std::optional<Overview> out;
        process_->spawn(read(id, out));
        EXPECT_TRUE(world_.run_until([&] { return out.has_value(); }, 60s));
        return std::move(*out);
    }
    void wait(Duration time) { world_.run_for(time); }
    Instant now() const { return world_.now(); }

    SetOutcome check;

  private:
    static rt::sim::Profile slow_pool() {
        rt::sim::Profile out;
        out.slow_job_chance = 0.3;
        return out;
    }
    rt::Task<void> start(bool& started) {
        co_await sim_.start(*process_);
        started = true;
    }
    rt::Task<void> create(std::string email, std::string plan, std::optional<Result<SignUp>>& out) {
        out.emplace(co_await sim_.service()->create_subscription(
            process_->context(), std::move(email), std::move(plan)));
    }
    rt::Task<void> read(SubscriptionId id, std::optional<Overview>& out) {
        auto overview = co_await sim_.service()->overview(process_->context(), id);
        EXPECT_TRUE(overview);
        if (overview) out.emplace(std::move(*overview));
    }

    rt::sim::World world_;
    SimService sim_{check};
    rt::sim::Process* process_ = nullptr;
};

TEST(Operator, ACreatedSubscriptionIsShownWhenTheCallReturns) {
    // In every order of the pool's jobs: the end of the check may come while its waiter still
    // reads.
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        OperatorRun run(seed);
        const Instant begun = run.now();
        const auto made = run.create("ada@example.org", "");
        ASSERT_TRUE(made) << made.error().to_string();
        EXPECT_EQ(made->capability.size(), 32u);
        EXPECT_LT(run.now() - begun, 10s) << "nobody woke who waited";
        const Overview shown = run.view(made->subscription);
        EXPECT_EQ(shown.stage, Stage::ready);
        EXPECT_EQ(shown.plan.id, "s") << "the first that is offered";
        EXPECT_EQ(shown.times_paid, 0) << "the operator gave it";
    }
}

TEST(Operator, AGridThatCannotBeReachedIsSaidAndTheCheckGoesOn) {
    OperatorRun run(1);
    run.check.reachable = false;
    const auto made = run.create("ada@example.org", "m");
    ASSERT_FALSE(made);
    EXPECT_TRUE(made.error().is("service.being_checked"));
    EXPECT_THAT(made.error().message(), testing::HasSubstr("s4 subscription show 1"));
    EXPECT_EQ(run.view(SubscriptionId{1}).stage, Stage::checking);
    EXPECT_TRUE(run.view(SubscriptionId{1}).delayed);
    run.check.reachable = true;
    run.wait(std::chrono::seconds(kBackOffLastS));
    EXPECT_EQ(run.view(SubscriptionId{1}).stage, Stage::ready);
}

TEST(Operator, BadInputIsRefusedBeforeAnythingIsMade) {
    OperatorRun run(1);
    const auto no_plan = run.create("ada@example.org", "xxl");
    ASSERT_FALSE(no_plan);
    EXPECT_TRUE(no_plan.error().is("plan.unknown"));
    const auto no_email = run.create("ada", "m");
    ASSERT_FALSE(no_email);
    EXPECT_TRUE(no_email.error().is("email.invalid"));
}

}  // namespace
}  // namespace s4::service
