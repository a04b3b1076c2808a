// Whose turn it is: at the limits, one past them, and with one grid that wants everything; on
// simulated time.
#include "gate/turnstile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "rt/scope.h"
#include "rt/sim/machine.h"
#include "rt/sim/world.h"

namespace s4::gate {
namespace {

using namespace std::chrono_literals;
using Lane = Turnstile::Lane;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr GridId kGreedy{1};
constexpr GridId kQuiet{2};
constexpr GridId kOther{3};

class TurnstileTest : public testing::Test {
  protected:
    ~TurnstileTest() override {
        world_.end();
        EXPECT_EQ(gate_.grids(), 0);
        EXPECT_EQ(gate_.at_work(Lane::read) + gate_.at_work(Lane::write), 0);
    }

    // Has its turn, and keeps it until it is told to go.
    rt::Task<void> work(rt::Context ctx, GridId grid, Lane lane, rt::Event& go) {
        const auto turn = co_await gate_.enter(ctx, grid, lane);
        if (!turn) co_return failed_.push_back(turn.error().kind());
        let_in_.push_back(grid);
        (void)co_await go.wait(process_.context());
    }
    void begin(GridId grid, Lane lane, rt::Event& go, std::size_t times = 1) {
        for (std::size_t i = 0; i < times; ++i)
            process_.spawn(work(process_.context(), grid, lane, go));
    }
    rt::Task<void> pass(GridId grid) {
        EXPECT_TRUE(co_await gate_.pass(process_.context(), grid));
        let_in_.push_back(grid);
    }
    rt::Task<void> spend(rt::Context ctx, GridId grid, std::uint64_t bytes) {
        const Instant begun = world_.now();
        const auto spent = co_await gate_.spend(ctx, grid, bytes);
        if (!spent) failed_.push_back(spent.error().kind());
        waited_.push_back(world_.now() - begun);
    }
    void settle() { world_.run_for(1ms); }

    rt::sim::World world_{1, {}};
    rt::sim::Process& process_ = world_.machine("m").boot();
    rt::Reactor& reactor_ = process_.runtime().reactor;
    std::map<GridId, Allowance> allowances_;
    Turnstile gate_{reactor_, [this](GridId grid) { return allowances_[grid]; }};
    rt::Event first_{reactor_};
    rt::Event go_{reactor_};
    std::vector<GridId> let_in_;
    std::vector<ErrorKind> failed_;
    std::vector<Duration> waited_;
};

TEST_F(TurnstileTest, one_past_the_turns_waits) {
    for (std::size_t i = 0; i < kReadTurnsMax; ++i)
        begin(GridId{static_cast<std::int64_t>(i + 10)}, Lane::read, go_);
    settle();
    EXPECT_THAT(let_in_, SizeIs(kReadTurnsMax));
    begin(kQuiet, Lane::read, go_);
    settle();
    EXPECT_THAT(let_in_, SizeIs(kReadTurnsMax));
    begin(kQuiet, Lane::write, go_);
    settle();
    EXPECT_THAT(let_in_, SizeIs(kReadTurnsMax + 1)) << "writes have turns of their own";
    go_.set();
    settle();
    EXPECT_THAT(let_in_, SizeIs(kReadTurnsMax + 2));
}

TEST_F(TurnstileTest, grids_are_let_in_one_request_each) {
    begin(kGreedy, Lane::read, first_);
    begin(kGreedy, Lane::read, go_, kReadTurnsMax - 1);
    settle();
    EXPECT_THAT(let_in_, SizeIs(kReadTurnsMax));
    begin(kGreedy, Lane::read, go_, 60);
    begin(kQuiet, Lane::read, go_, 2);
    begin(kOther, Lane::read, go_);
    let_in_.clear();
    first_.set();
    settle();
    EXPECT_THAT(let_in_, ElementsAre(kQuiet)) << "the greedy one has more than its share already";
    go_.set();
    settle();
    ASSERT_THAT(let_in_, SizeIs(63));
    EXPECT_THAT(std::vector<GridId>(let_in_.begin() + 1, let_in_.begin() + 5),
                ElementsAre(kGreedy, kOther, kQuiet, kGreedy));
}

TEST_F(TurnstileTest, a_request_waits_for_one_of_a_grid_that_has_many) {
    go_.set();
    begin(kGreedy, Lane::read, go_, 64);
    begin(kQuiet, Lane::read, go_);
    EXPECT_THAT(let_in_, ElementsAre(kGreedy)) << "one at a time; the reactor sees to the rest";
    settle();
    ASSERT_THAT(let_in_, SizeIs(65));
    EXPECT_EQ(let_in_[2], kQuiet);
}

TEST_F(TurnstileTest, answers_leave_grid_by_grid_and_take_no_turn) {
    begin(kGreedy, Lane::write, go_, kWriteTurnsMax);
    settle();
    let_in_.clear();
    for (int i = 0; i < 64; ++i) process_.spawn(pass(kGreedy));
    process_.spawn(pass(kQuiet));
    settle();
    ASSERT_THAT(let_in_, SizeIs(65));
    EXPECT_EQ(let_in_[2], kQuiet);
    EXPECT_EQ(gate_.at_work(Lane::write), kWriteTurnsMax);
    go_.set();
    settle();
}

TEST_F(TurnstileTest, a_grid_has_no_more_turns_than_its_policy_says) {
    allowances_[kGreedy].requests_max = 2;
    begin(kGreedy, Lane::read, go_);
    begin(kGreedy, Lane::write, go_, 2);
    begin(kGreedy, Lane::read, go_);
    begin(kQuiet, Lane::read, go_);
    settle();
    EXPECT_THAT(let_in_, ElementsAre(kGreedy, kGreedy, kQuiet)) << "it holds up itself alone";
    go_.set();
    settle();
    EXPECT_THAT(let_in_, SizeIs(5));
}

TEST_F(TurnstileTest, a_grid_in_company_leaves_turns_to_the_others) {
    begin(kQuiet, Lane::write, first_);
    begin(kGreedy, Lane::write, go_, kWriteTurnsMax);
    settle();
    EXPECT_EQ(gate_.at_work(Lane::write), 1 + kWriteTurnsSharedMax);
    first_.set();
    world_.run_for(kCompanyTime);
    let_in_.clear();
    begin(kGreedy, Lane::write, go_);
    go_.set();
    settle();
    EXPECT_THAT(let_in_, AllOf(SizeIs(kWriteTurnsMax + 1 - kWriteTurnsSharedMax), Each(kGreedy)));
    go_.clear();
    begin(kGreedy, Lane::write, go_, kWriteTurnsMax + 1);
    settle();
    EXPECT_EQ(gate_.at_work(Lane::write), kWriteTurnsMax) << "alone it has them all";
    go_.set();
    settle();
}

TEST_F(TurnstileTest, who_gives_up_waiting_leaves_nothing) {
    allowances_[kGreedy].requests_max = 1;
    begin(kGreedy, Lane::read, go_);
    rt::CancelSource gone;
    const rt::Context mine = process_.context();
    process_.spawn(work(mine.until(world_.now() + 1s), kGreedy, Lane::read, go_));
    process_.spawn(work(mine.with_cancel(rt::CancelToken(gone)), kGreedy, Lane::write, go_));
    begin(kGreedy, Lane::write, go_);
    settle();
    gone.cancel();
    EXPECT_THAT(failed_, ElementsAre(ErrorKind::cancelled));
    world_.run_for(1s);
    EXPECT_THAT(failed_, ElementsAre(ErrorKind::cancelled, ErrorKind::timeout));
    go_.set();
    settle();
    EXPECT_THAT(let_in_, SizeIs(2));
    process_.spawn(work(mine.with_cancel(rt::CancelToken(gone)), kQuiet, Lane::read, go_));
    EXPECT_THAT(failed_, SizeIs(3)) << "it does not even begin to wait";
}

TEST_F(TurnstileTest, bytes_beyond_the_rate_wait) {
    allowances_[kGreedy].bytes_per_s = 10 * kMiB;
    const rt::Context mine = process_.context();
    process_.spawn(spend(mine, kGreedy, 10 * kMiB));  // of a second, ahead
    process_.spawn(spend(mine, kQuiet, 1ull << 40));
    EXPECT_THAT(waited_, ElementsAre(0s, 0s));
    EXPECT_EQ(gate_.meters(), 1u) << "a grid without a rate has no meter";
    process_.spawn(spend(mine, kGreedy, 5 * kMiB));
    process_.spawn(spend(mine.until(world_.now() + 1s), kGreedy, 10 * kMiB));
    world_.run_for(3s);
    EXPECT_THAT(waited_, ElementsAre(0s, 0s, 500ms, 1s));
    EXPECT_THAT(failed_, ElementsAre(ErrorKind::timeout));
    process_.spawn(spend(mine, kGreedy, 10 * kMiB));
    EXPECT_EQ(waited_.back(), 0s) << "what was not used for a while is there again";
}

TEST_F(TurnstileTest, a_node_that_stops_lets_bytes_pass) {
    allowances_[kGreedy].bytes_per_s = kMiB;
    process_.spawn(spend(process_.context(), kGreedy, 100 * kMiB));
    settle();
    gate_.hurry();
    settle();
    process_.spawn(spend(process_.context(), kGreedy, 100 * kMiB));
    EXPECT_THAT(waited_, ElementsAre(1ms, 0s));
    EXPECT_THAT(failed_, SizeIs(0));
}

TEST_F(TurnstileTest, meters_are_kept_of_those_that_spent_lately) {
    for (std::int64_t i = 1; i <= 1000; ++i) {
        allowances_[GridId{i}].bytes_per_s = kMiB;
        process_.spawn(spend(process_.context(), GridId{i}, kMiB / 10));
        world_.run_for(10ms);
    }
    EXPECT_LE(gate_.meters(), kMetersMin);
}

}  // namespace
}  // namespace s4::gate
