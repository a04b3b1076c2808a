#include "billing/state.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>

namespace s4::billing {
namespace {

// The design's table, written a second time as people read it: one line a state, one letter an
// event. "-" stays, "!" is refused, else the first letter of the state it moves to.
constexpr const char* kExpected[kStates][kEvents] = {
    //            paid, failed, cancel, p.over, pd.over, s.over, c.over
    /*pending*/ {"active", "-", "purged", "purged", "-", "-", "-"},
    /*active*/ {"-", "past_due", "cancelled", "-", "-", "-", "-"},
    /*past_due*/ {"active", "-", "cancelled", "-", "suspended", "-", "-"},
    /*suspended*/ {"active", "-", "cancelled", "-", "-", "cancelled", "-"},
    /*cancelled*/ {"active", "-", "-", "-", "-", "-", "purged"},
    /*purged*/ {"!", "-", "-", "-", "-", "-", "-"},
};

TEST(SubscriptionState, EveryEventInEveryStateDoesWhatTheDesignSays) {
    for (const State from : kAllStates) {
        for (const Event event : kAllEvents) {
            const std::string expected =
                kExpected[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
            const Transition got = transition(from, event);
            SCOPED_TRACE(std::string(to_string(from)) + " on " + std::string(to_string(event)));
            if (expected == "-") {
                EXPECT_EQ(got, (Transition{Verdict::stays, from}));
            } else if (expected == "!") {
                EXPECT_EQ(got, (Transition{Verdict::refused, from}));
            } else {
                EXPECT_EQ(got, (Transition{Verdict::moves, *parse_state(expected)}));
            }
        }
    }
}

TEST(SubscriptionState, OnePaymentLeadsBackToActiveFromEveryStateBeforePurged) {
    for (const State from : kAllStates) {
        if (from == State::purged) continue;
        EXPECT_EQ(transition(from, Event::paid).to, State::active) << to_string(from);
    }
}

TEST(SubscriptionState, RepeatingAnEventThatMovedChangesNothingMore) {
    for (const State from : kAllStates) {
        for (const Event event : kAllEvents) {
            const Transition first = transition(from, event);
            if (first.verdict != Verdict::moves || first.to == State::purged) continue;
            EXPECT_EQ(transition(first.to, event).verdict, Verdict::stays)
                << to_string(from) << " on " << to_string(event);
        }
    }
}

TEST(SubscriptionState, WithoutPaymentsTimersLeadToPurgedAndStop) {
    const Plan plan = Plans::standard().suggested();
    State state = State::past_due;
    UnixSeconds since = 1'000'000;
    std::vector<State> seen;
    while (const auto next = timer(state, since, plan)) {
        EXPECT_GT(next->at, since);
        const Transition step = transition(state, next->event);
        ASSERT_EQ(step.verdict, Verdict::moves);
        state = step.to;
        since = next->at;
        seen.push_back(state);
    }
    EXPECT_THAT(seen, testing::ElementsAre(State::suspended, State::cancelled, State::purged));
}

TEST(SubscriptionState, AnUnpaidSignUpEndsAfterADay) {
    const Plan plan = Plans::standard().suggested();
    EXPECT_EQ(timer(State::pending, 1000, plan), (Timer{Event::pending_over, 1000 + 24 * 3600}));
    EXPECT_EQ(timer(State::active, 1000, plan), std::nullopt);
    EXPECT_EQ(timer(State::purged, 1000, plan), std::nullopt);
}

TEST(SubscriptionState, AccessShrinksFromWritingToReadingToNothing) {
    EXPECT_EQ(access(State::pending), Access::none);
    EXPECT_EQ(access(State::active), Access::read_write);
    EXPECT_EQ(access(State::past_due), Access::read_write);
    EXPECT_EQ(access(State::suspended), Access::read);
    EXPECT_EQ(access(State::cancelled), Access::read);
    EXPECT_EQ(access(State::purged), Access::none);
}

TEST(SubscriptionState, NamesAreDistinctAndReadBack) {
    std::set<std::string_view> names;
    for (const State state : kAllStates) {
        EXPECT_TRUE(names.insert(to_string(state)).second);
        EXPECT_EQ(parse_state(to_string(state)), state);
    }
    EXPECT_EQ(parse_state("Active"), std::nullopt);
    std::set<std::string_view> events;
    for (const Event event : kAllEvents) EXPECT_TRUE(events.insert(to_string(event)).second);
}

}  // namespace
}  // namespace s4::billing
