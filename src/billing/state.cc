#include "billing/state.h"

#include "base/check.h"
#include "billing/limits.h"

namespace s4::billing {
namespace {

constexpr UnixSeconds kDay = 24 * 3600;

constexpr Transition to(State state) {
    return {Verdict::moves, state};
}
constexpr Transition stay(State state) {
    return {Verdict::stays, state};
}
constexpr Transition refuse(State state) {
    return {Verdict::refused, state};
}

using enum State;

// Rows are states, columns events, both in the order of their enums. Late timers and repeated
// reports stay; only what would bring a purged subscription back is refused.
constexpr std::array<std::array<Transition, kEvents>, kStates> kTable = {{
    // paid, payment_failed, cancel, pending_over, past_due_over, suspended_over, cancelled_over
    /* pending */
    {to(active), stay(pending), to(purged), to(purged), stay(pending), stay(pending),
     stay(pending)},
    /* active */
    {stay(active), to(past_due), to(cancelled), stay(active), stay(active), stay(active),
     stay(active)},
    /* past_due */
    {to(active), stay(past_due), to(cancelled), stay(past_due), to(suspended), stay(past_due),
     stay(past_due)},
    /* suspended */
    {to(active), stay(suspended), to(cancelled), stay(suspended), stay(suspended), to(cancelled),
     stay(suspended)},
    /* cancelled */
    {to(active), stay(cancelled), stay(cancelled), stay(cancelled), stay(cancelled),
     stay(cancelled), to(purged)},
    /* purged */
    {refuse(purged), stay(purged), stay(purged), stay(purged), stay(purged), stay(purged),
     stay(purged)},
}};

}  // namespace

std::string_view to_string(State state) {
    switch (state) {
        case pending:
            return "pending";
        case active:
            return "active";
        case past_due:
            return "past_due";
        case suspended:
            return "suspended";
        case cancelled:
            return "cancelled";
        case purged:
            return "purged";
    }
    UNREACHABLE("a state is one of the enum's");
}

std::string_view to_string(Event event) {
    switch (event) {
        case Event::paid:
            return "paid";
        case Event::payment_failed:
            return "payment_failed";
        case Event::cancel:
            return "cancel";
        case Event::pending_over:
            return "pending_over";
        case Event::past_due_over:
            return "past_due_over";
        case Event::suspended_over:
            return "suspended_over";
        case Event::cancelled_over:
            return "cancelled_over";
    }
    UNREACHABLE("an event is one of the enum's");
}

std::optional<State> parse_state(std::string_view text) {
    for (const State state : kAllStates)
        if (to_string(state) == text) return state;
    return std::nullopt;
}

Transition transition(State from, Event event) {
    return kTable.at(static_cast<std::size_t>(from)).at(static_cast<std::size_t>(event));
}

Access access(State state) {
    switch (state) {
        case pending:
        case purged:
            return Access::none;
        case active:
        case past_due:
            return Access::read_write;
        case suspended:
        case cancelled:
            return Access::read;
    }
    UNREACHABLE("a state is one of the enum's");
}

std::optional<Timer> timer(State state, UnixSeconds since, const Plan& plan) {
    switch (state) {
        case pending:
            return Timer{Event::pending_over, since + kPendingSecondsMax};
        case past_due:
            return Timer{Event::past_due_over, since + plan.retention.past_due_days * kDay};
        case suspended:
            return Timer{Event::suspended_over, since + plan.retention.suspended_days * kDay};
        case cancelled:
            return Timer{Event::cancelled_over, since + plan.retention.cancelled_days * kDay};
        case active:
        case purged:
            return std::nullopt;
    }
    UNREACHABLE("a state is one of the enum's");
}

}  // namespace s4::billing
