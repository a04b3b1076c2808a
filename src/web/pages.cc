#include "web/pages.h"

#include <fmt/format.h>

#include "base/check.h"
#include "web/format.h"
#include "web/storage_pages.h"

namespace s4::web {

using billing::Plan;
using billing::State;
using codec::json::Array;
using codec::json::Value;

namespace {

// A section that is left out when the text is empty.
Value or_nothing(std::string text) {
    if (text.empty()) return Value(false);
    return Value(std::move(text));
}

Value trial_of(const Plan& plan) {
    return plan.trial_days > 0 ? Value(fmt::format("{}", plan.trial_days)) : Value(false);
}

Object plan_object(const Plan& plan) {
    return {{"id", plan.id},
            {"name", plan.name},
            {"size", billing::format_bytes(plan.quota_bytes)},
            {"price", plan.price.to_string()},
            {"period", billing::to_string(plan.period)},
            {"trial", trial_of(plan)}};
}

Object plan_facts(const Plan& plan) {
    return {{"plan_name", plan.name},
            {"size", billing::format_bytes(plan.quota_bytes)},
            {"price", plan.price.to_string()},
            {"period", billing::to_string(plan.period)}};
}

void add(Object& into, Object more) {
    for (auto& member : more) into.push_back(std::move(member));
}

struct StateWords {
    std::string_view text;    // in a few words
    std::string_view css;     // of the tag: "", "warn" or "bad"
    std::string_view notice;  // what it means for the customer; empty when all is well
    std::string_view ends;    // what the date is that the state ends on
};

StateWords words_of(const service::Overview& view) {
    switch (view.subscription.state) {
        case State::pending:
            return {"Not paid yet", "warn", "", "Ends on"};
        case State::active:
            return {"Active", "", "", ""};
        case State::past_due:
            return {"Payment failed", "warn",
                    "The last payment failed. Everything goes on as before while you put it right.",
                    "Read-only from"};
        case State::suspended:
            return {"Read-only", "bad",
                    "A payment is missing, so your grid can be read but not written. One payment "
                    "brings it back as it was.",
                    "Closed from"};
        case State::cancelled:
            return {"Cancelled", "bad",
                    "This subscription is cancelled. What you stored can still be read; fetch what "
                    "you need. One payment brings it back as it was.",
                    "Readable until"};
        case State::purged:
            return {"Ended", "bad", "", ""};
    }
    UNREACHABLE("a state is one of the enum's");
}

bool in_trial(const service::Overview& view) {
    return view.plan.trial_days > 0 && view.times_paid <= 1 &&
           view.subscription.state == State::active;
}

}  // namespace

Object landing_page(const billing::Plans& plans, bool sign_up_open) {
    Array list;
    for (const Plan* plan : plans.offered()) {
        Object object = plan_object(*plan);
        object.emplace_back("first", plan == &plans.suggested());
        list.emplace_back(std::move(object));
    }
    return {{"open", sign_up_open}, {"plans", std::move(list)}};
}

Object sign_up_page(const billing::Plans& plans, std::string_view token, std::string_view email,
                    std::string_view plan_id, const SignUpProblems& problems) {
    const Plan* chosen = plans.find(plan_id);
    if (chosen == nullptr || !chosen->offered) chosen = &plans.suggested();
    Array list;
    for (const Plan* plan : plans.offered()) {
        Object object = plan_object(*plan);
        object.emplace_back("chosen", plan == chosen);
        list.emplace_back(std::move(object));
    }
    Array summary;
    const auto note = [&](const char* field, const std::string& text) {
        if (text.empty()) return;
        summary.emplace_back(Object{{"field", or_nothing(field)}, {"text", text}});
    };
    note("email", problems.email);
    note("plan", problems.plan);
    note("", problems.form);
    return {{"form", token},
            {"email", email},
            {"plans", std::move(list)},
            {"has_problems", problems.any()},
            {"problems", std::move(summary)},
            {"email_problem", or_nothing(problems.email)},
            {"plan_problem", or_nothing(problems.plan)}};
}

Object pay_page(const service::Overview& view, std::string_view path, std::string_view token,
                bool test_mode) {
    Object out = plan_facts(view.plan);
    const bool trial = view.due.cents == 0 && view.plan.trial_days > 0;
    add(out, {{"declined", view.declined},
              {"trial", trial ? trial_of(view.plan) : Value(false)},
              {"due", view.due.to_string()},
              {"email", view.subscription.email},
              {"test_mode", test_mode},
              {"pay_path", fmt::format("{}/pay", path)},
              {"token", token}});
    return out;
}

Object progress_page(const service::Overview& view, std::string_view path) {
    return {{"made", view.stage == service::Stage::checking},
            {"delayed", view.delayed},
            {"self_path", path}};
}

std::string nickname_of(SubscriptionId subscription) {
    return fmt::format("s4-{}", subscription.value);
}

Object gridsync_settings(const service::Overview& view) {
    CHECK(view.addresses.has_value(), "a grid that is shown has addresses");
    return {{"version", 2},
            {"nickname", nickname_of(view.subscription.id)},
            {"introducer", view.addresses->introducer_furl.reveal_text()},
            {"shares-needed", 1},
            {"shares-happy", 1},
            {"shares-total", 1}};
}

Object subscription_page(const service::Overview& view, std::string_view path,
                         std::string_view token, std::string_view contact) {
    CHECK(view.addresses.has_value(), "a grid that is shown has addresses");
    const billing::Subscription& row = view.subscription;
    const StateWords words = words_of(view);
    const std::string nickname = nickname_of(row.id);
    const Commands commands = commands_for(view.addresses->introducer_furl.reveal_text(), nickname);
    Array nurls;
    for (const Secret& nurl : view.addresses->nurls)
        nurls.emplace_back(Object{{"nurl", nurl.reveal_text()}});

    const bool gridsync = view.transports == tenants::Transports::foolscap_only;
    Object out = plan_facts(view.plan);
    add(out, {{"self_path", path},
              {"client_path", fmt::format("{}/client", path)},
              {"token", token},
              {"gridsync", gridsync},
              {"gridsync_path", fmt::format("{}{}", path, kGridsyncFile)},
              {"gridsync_file", fmt::format("{}.json", nickname)},
              {"contact", or_nothing(std::string(contact))},
              {"number", fmt::format("{}", row.id.value)},
              {"email", row.email},
              {"state_text", in_trial(view) ? "Active, in its free days" : words.text},
              {"state_class", or_nothing(std::string(words.css))},
              {"state_notice", or_nothing(std::string(words.notice))},
              {"can_pay", row.state != State::active},
              {"can_cancel", row.state != State::cancelled},
              {"in_trial", in_trial(view)},
              {"paid_until", row.paid_until > 0 && row.state == State::active
                                 ? Value(format_date(row.paid_until))
                                 : Value(false)},
              {"ends", view.ends ? Value(format_date(*view.ends)) : Value(false)},
              {"ends_label", words.ends}});
    add(out,
        {{"used", billing::format_bytes(view.used_bytes)},
         {"allowed", billing::format_bytes(view.plan.quota_bytes)},
         {"used_exact", format_number(view.used_bytes)},
         {"allowed_exact", format_number(view.plan.quota_bytes)},
         {"used_permille", fmt::format("{}", permille(view.used_bytes, view.plan.quota_bytes))},
         {"quota_notice", or_nothing(quota_words(view.used_bytes, view.plan.quota_bytes))}});
    add(out, {{"install", commands.install},
              {"create", commands.create},
              {"run", commands.run},
              {"first", commands.first},
              {"windows", commands.windows},
              {"node_dir", commands.node_directory},
              {"introducer_furl", view.addresses->introducer_furl.reveal_text()},
              {"storage_furl", view.addresses->storage_furl.reveal_text()},
              {"nurls", std::move(nurls)}});
    return out;
}

Object cancel_page(const service::Overview& view, std::string_view path, std::string_view token,
                   UnixSeconds now) {
    const int days = view.plan.retention.cancelled_days;
    return {{"pending", view.subscription.state == State::pending},
            {"retention_days", fmt::format("{}", days)},
            {"retention_date", format_date(now + UnixSeconds{days} * 24 * 3600)},
            {"cancel_path", fmt::format("{}/cancel", path)},
            {"self_path", path},
            {"token", token}};
}

Object ended_page(bool sign_up_open) {
    return {{"title", "This subscription has ended"},
            {"text", "Nothing of it is served any more, and nothing further is charged."},
            {"open", sign_up_open}};
}

}  // namespace s4::web
