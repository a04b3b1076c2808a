// The life of a subscription (docs/subscriptions.md): a closed set of states, a closed set of
// events, and one table that says what each event does in each state. Pure: no clock, no database.
// Whoever stores a subscription (subscription.h) asks transition() and writes what it says.
//
//   pending -> active -> past_due -> suspended -> cancelled -> purged
//
// and back to active by one payment from every state before purged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/units.h"
#include "billing/plans.h"

namespace s4::billing {

enum class State : std::uint8_t {
    pending,    // sign-up begun, not paid
    active,     // trialing or paid
    past_due,   // a payment failed; service goes on, notices go out
    suspended,  // read only
    cancelled,  // reads until the retention date
    purged,     // nothing is kept but the row
};
inline constexpr std::size_t kStates = 6;
inline constexpr std::array<State, kStates> kAllStates = {State::pending,   State::active,
                                                          State::past_due,  State::suspended,
                                                          State::cancelled, State::purged};

enum class Event : std::uint8_t {
    paid,            // the provider confirmed a payment, or the start of a trial
    payment_failed,  // the provider gave up on a payment
    cancel,          // by the customer or the operator
    pending_over,    // timer: nobody paid
    past_due_over,   // timer: still not paid
    suspended_over,  // timer: still not paid
    cancelled_over,  // timer: the retention date, after the notices
};
inline constexpr std::size_t kEvents = 7;
inline constexpr std::array<Event, kEvents> kAllEvents = {
    Event::paid,          Event::payment_failed, Event::cancel,        Event::pending_over,
    Event::past_due_over, Event::suspended_over, Event::cancelled_over};

std::string_view to_string(State state);
std::string_view to_string(Event event);
std::optional<State> parse_state(std::string_view text);

enum class Verdict : std::uint8_t {
    moves,    // to another state
    stays,    // a repeated or late event; nothing changes, nothing is wrong
    refused,  // the event contradicts the state; the caller hears about it
};

struct Transition {
    Verdict verdict;
    State to;
    friend bool operator==(const Transition&, const Transition&) = default;
};

Transition transition(State from, Event event);

// What a customer's client may do in a state.
enum class Access : std::uint8_t { none, read, read_write };
Access access(State state);

// The event that happens by itself when a state lasted long enough, and when.
struct Timer {
    Event event;
    UnixSeconds at;
    friend bool operator==(const Timer&, const Timer&) = default;
};
// `since` is when the state began. Nothing for states that last.
std::optional<Timer> timer(State state, UnixSeconds since, const Plan& plan);

}  // namespace s4::billing
