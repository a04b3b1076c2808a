#include "billing/subscription.h"

#include <fmt/format.h>

#include <algorithm>

#include "billing/limits.h"
#include "codec/utf8.h"

namespace s4::billing {
namespace {

constexpr sql::Query kInsert{
    "billing.insert_subscription",
    "INSERT INTO subscriptions (email, plan, state, state_since, created, paid_until) "
    "VALUES ($1, $2, $3, $4, $4, 0) RETURNING id"};
constexpr sql::Query kLoad{
    "billing.load_subscription",
    "SELECT id, email, plan, state, state_since, created, paid_until FROM subscriptions "
    "WHERE id = $1"};
constexpr sql::Query kList{
    "billing.list_subscriptions",
    "SELECT id, email, plan, state, state_since, created, paid_until FROM subscriptions "
    "WHERE id > $1 ORDER BY id LIMIT $2"};
constexpr sql::Query kMove{
    "billing.move_subscription",
    "UPDATE subscriptions SET state = $1, state_since = $2 WHERE id = $3 AND state = $4"};

Result<Subscription> read_row(const sql::Rows& rows) {
    Subscription out;
    out.id = rows.id<SubscriptionId>(0);
    out.email = rows.text(1);
    out.plan = rows.text(2);
    const auto state = parse_state(rows.text(3));
    if (!state)
        return fail(ErrorKind::corrupt, "subscription.unknown_state",
                    fmt::format("subscription {} has the unknown state \"{}\"", out.id.value,
                                rows.text(3)));
    out.state = *state;
    out.state_since = rows.integer(4);
    out.created = rows.integer(5);
    out.paid_until = rows.integer(6);
    return out;
}

std::string_view without_blanks(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_domain(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
    };
    return !text.empty() && std::ranges::all_of(text, allowed) && text.front() != '.' &&
           text.back() != '.' && text.find("..") == std::string_view::npos;
}

bool is_local_part(std::string_view text) {
    return !text.empty() && text.size() <= kEmailLocalBytesMax &&
           std::ranges::none_of(text, [](char c) {
               const auto u = static_cast<unsigned char>(c);
               return u <= 0x20 || u == 0x7f || c == '<' || c == '>' || c == '"' || c == ',' ||
                      c == ';' || c == ':' || c == '\\' || c == '(' || c == ')' || c == '[' ||
                      c == ']';
           });
}

}  // namespace

Result<std::string> parse_email(std::string_view text) {
    const std::string_view email = without_blanks(text);
    if (email.empty()) return fail(ErrorKind::invalid, "email.invalid", "Enter an e-mail address.");
    if (email.size() > kEmailBytesMax)
        return fail(ErrorKind::invalid, "email.invalid",
                    "This e-mail address is too long: 254 characters are the limit.");
    const auto at = email.rfind('@');
    if (at == std::string_view::npos || !is_local_part(email.substr(0, at)) ||
        email.substr(0, at).find('@') != std::string_view::npos ||
        !is_domain(email.substr(at + 1)) || !codec::utf8::is_valid(as_bytes(email)))
        return fail(ErrorKind::invalid, "email.invalid",
                    "This is no e-mail address. It should look like name@example.org.");
    return std::string(email);
}

Result<Subscription> insert_subscription(sql::Transaction& tx, const std::string& email,
                                         const Plan& plan, UnixSeconds now) {
    Subscription out;
    out.email = email;
    out.plan = plan.id;
    out.state_since = out.created = now;
    sql::Rows rows = TRY(tx.select(kInsert, {email, plan.id, to_string(State::pending), now}));
    TRY(rows.next());
    out.id = rows.id<SubscriptionId>(0);
    return out;
}

Result<Subscription> load_subscription(sql::Reader& db, SubscriptionId id) {
    sql::Rows rows = TRY(db.select(kLoad, {id}));
    if (!TRY(rows.next()))
        return fail(ErrorKind::not_found, "subscription.unknown",
                    fmt::format("there is no subscription {}", id.value));
    return read_row(rows);
}

Result<std::vector<Subscription>> list_subscriptions(sql::Reader& db, SubscriptionId after,
                                                     int limit) {
    std::vector<Subscription> out;
    sql::Rows rows = TRY(db.select(kList, {after, limit}));
    while (TRY(rows.next())) out.push_back(TRY(read_row(rows)));
    return out;
}

Result<Transition> apply(sql::Transaction& tx, Subscription& subscription, Event event,
                         UnixSeconds now) {
    const Transition step = transition(subscription.state, event);
    switch (step.verdict) {
        case Verdict::stays:
            return step;
        case Verdict::refused:
            return fail(ErrorKind::conflict, "subscription.purged",
                        fmt::format("subscription {} was purged and cannot come back",
                                    subscription.id.value));
        case Verdict::moves:
            break;
    }
    const std::int64_t changed = TRY(tx.execute(
        kMove, {to_string(step.to), now, subscription.id, to_string(subscription.state)}));
    if (changed != 1)
        return fail(ErrorKind::conflict, "subscription.changed",
                    fmt::format("subscription {} changed meanwhile", subscription.id.value));
    subscription.state = step.to;
    subscription.state_since = now;
    return step;
}

}  // namespace s4::billing
