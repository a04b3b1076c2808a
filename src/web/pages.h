// From what service says to what a template shows. Pure functions; every text is escaped where the
// template places it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "billing/plans.h"
#include "codec/json.h"
#include "service/service.h"

namespace s4::web {

using codec::json::Object;

// The clients that a page's form offers, by the values of its field.
inline constexpr std::string_view kTahoe = "tahoe";
inline constexpr std::string_view kGridsync = "gridsync";
// Where a page's file for Gridsync is, below the page.
inline constexpr std::string_view kGridsyncFile = "/gridsync.json";

Object landing_page(const billing::Plans& plans, bool sign_up_open);

// What is wrong with a form that was sent; empty texts say nothing.
struct SignUpProblems {
    std::string email;
    std::string plan;
    std::string form;  // of no field
    bool any() const { return !email.empty() || !plan.empty() || !form.empty(); }
};
Object sign_up_page(const billing::Plans& plans, std::string_view token, std::string_view email,
                    std::string_view plan, const SignUpProblems& problems);

// Pages of a subscription. `path` is the page's own, "/s/CAPABILITY".
Object pay_page(const service::Overview& view, std::string_view path, std::string_view token,
                bool test_mode);
Object progress_page(const service::Overview& view, std::string_view path);
Object subscription_page(const service::Overview& view, std::string_view path,
                         std::string_view token, std::string_view contact);
Object cancel_page(const service::Overview& view, std::string_view path, std::string_view token,
                   UnixSeconds now);
// The settings with which Gridsync joins a grid (reference F.5).
Object gridsync_settings(const service::Overview& view);
// What the customer's client calls the grid.
std::string nickname_of(SubscriptionId subscription);
Object ended_page(bool sign_up_open);

}  // namespace s4::web
