#include "billing/plans.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "billing/limits.h"

namespace s4::billing {
namespace {

constexpr std::uint64_t kGigabyte = 1'000'000'000;

std::unexpected<Error> invalid(const std::string& plan, std::string_view rule) {
    return fail(ErrorKind::invalid, "plans.invalid", fmt::format("plan \"{}\": {}", plan, rule));
}

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= kPlanIdBytesMax && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

bool is_currency(std::string_view text) {
    return text.size() == 3 &&
           std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_days(int days) {
    return days >= 0 && days <= kPlanDaysMax;
}

Result<void> check(const Plan& plan) {
    if (!is_id(plan.id))
        return invalid(plan.id, "the id is 1 to 32 lower case letters, digits and hyphens");
    if (plan.name.empty() || plan.name.size() > kPlanNameBytesMax)
        return invalid(plan.id, "the name has 1 to 64 bytes");
    if (plan.quota_bytes == 0 || plan.quota_bytes > kPlanQuotaBytesMax)
        return invalid(plan.id, "quota_bytes is between 1 and 1 PiB");
    if (plan.price.cents < 0 || plan.price.cents > kPlanPriceCentsMax)
        return invalid(plan.id, "price_cents is between 0 and 100000000");
    if (!is_currency(plan.price.currency))
        return invalid(plan.id, "currency is three capital letters, such as EUR");
    if (!is_days(plan.trial_days) || !is_days(plan.retention.past_due_days) ||
        !is_days(plan.retention.suspended_days) || !is_days(plan.retention.cancelled_days))
        return invalid(plan.id, "lengths of time are between 0 and 3660 days");
    if (plan.limits.connections == 0 || plan.limits.unfinished_uploads == 0 ||
        plan.limits.requests == 0)
        return invalid(plan.id, "limits are at least 1");
    if (plan.limits.requests > kPlanRequestsMax)
        return invalid(plan.id, "requests is at most 1000000");
    const std::uint64_t rate = plan.limits.bytes_per_second;
    if (rate != 0 && (rate < kPlanBytesPerSecondMin || rate > kPlanBytesPerSecondMax))
        return invalid(plan.id, "bytes_per_second is 0 for no limit, or between 1 MiB and 1 TiB");
    return ok();
}

// Reads the members of one plan and remembers the first that is wrong.
class PlanReader {
  public:
    explicit PlanReader(const codec::json::Object& object) : object_(object) {}

    void text(std::string_view key, std::string& into) {
        if (const auto* value = need(key)) {
            if (const std::string* text = value->as_string())
                into = *text;
            else
                wrong(key, "a text");
        }
    }
    template <typename T>
    void number(std::string_view key, T& into, bool required) {
        const auto* value = required ? need(key) : find(key);
        if (value == nullptr) return;
        const auto number = value->as_int64();
        if (!number || *number < 0 || static_cast<std::int64_t>(static_cast<T>(*number)) != *number)
            return wrong(key, "a whole number that is not negative");
        into = static_cast<T>(*number);
    }
    void flag(std::string_view key, bool& into) {
        const auto* value = find(key);
        if (value == nullptr) return;
        if (const auto flag = value->as_bool())
            into = *flag;
        else
            wrong(key, "true or false");
    }

    // Says which member nobody asked for, so that a misspelt one is not silently dropped.
    std::optional<std::string> complaint() const {
        if (!complaint_.empty()) return complaint_;
        for (const auto& [key, value] : object_)
            if (std::ranges::find(known_, key) == known_.end())
                return fmt::format("\"{}\" is no member of a plan", key);
        return std::nullopt;
    }

  private:
    const codec::json::Value* find(std::string_view key) {
        known_.emplace_back(key);
        for (const auto& [name, value] : object_)
            if (name == key) return &value;
        return nullptr;
    }
    const codec::json::Value* need(std::string_view key) {
        const auto* value = find(key);
        if (value == nullptr && complaint_.empty())
            complaint_ = fmt::format("\"{}\" is missing", key);
        return value;
    }
    void wrong(std::string_view key, std::string_view type) {
        if (complaint_.empty()) complaint_ = fmt::format("\"{}\" is {}", key, type);
    }

    const codec::json::Object& object_;
    std::vector<std::string> known_;
    std::string complaint_;
};

Result<Plan> read_plan(const codec::json::Value& value) {
    const codec::json::Object* object = value.as_object();
    if (object == nullptr)
        return fail(ErrorKind::invalid, "plans.invalid", "each plan is a JSON object");
    Plan plan;
    std::string period;
    PlanReader reader(*object);
    reader.text("id", plan.id);
    reader.text("name", plan.name);
    reader.number("quota_bytes", plan.quota_bytes, true);
    reader.number("price_cents", plan.price.cents, true);
    reader.text("currency", plan.price.currency);
    reader.text("period", period);
    reader.number("trial_days", plan.trial_days, false);
    reader.number("past_due_days", plan.retention.past_due_days, false);
    reader.number("suspended_days", plan.retention.suspended_days, false);
    reader.number("cancelled_days", plan.retention.cancelled_days, false);
    reader.number("connections", plan.limits.connections, false);
    reader.number("unfinished_uploads", plan.limits.unfinished_uploads, false);
    reader.number("requests", plan.limits.requests, false);
    reader.number("bytes_per_second", plan.limits.bytes_per_second, false);
    reader.flag("offered", plan.offered);
    if (const auto complaint = reader.complaint()) return invalid(plan.id, *complaint);
    if (period != "month" && period != "year")
        return invalid(plan.id, "\"period\" is \"month\" or \"year\"");
    plan.period = period == "month" ? Period::month : Period::year;
    return plan;
}

Plan standard_plan(std::string id, std::string name, std::uint64_t gigabytes, std::int64_t cents,
                   int trial_days) {
    Plan plan;
    plan.id = std::move(id);
    plan.name = std::move(name);
    plan.quota_bytes = gigabytes * kGigabyte;
    plan.price = {cents, "EUR"};
    plan.trial_days = trial_days;
    plan.limits.bytes_per_second = kStandardBytesPerSecond;
    return plan;
}

}  // namespace

std::string_view to_string(Period period) {
    switch (period) {
        case Period::month:
            return "month";
        case Period::year:
            return "year";
    }
    UNREACHABLE("a period is one of the enum's");
}

std::string Money::to_string() const {
    return fmt::format("{}.{:02} {}", cents / 100, cents % 100, currency);
}

Result<Plans> Plans::create(std::vector<Plan> plans) {
    if (plans.empty() || plans.size() > kPlansMax)
        return fail(ErrorKind::invalid, "plans.invalid", "there are between 1 and 32 plans");
    for (std::size_t i = 0; i < plans.size(); ++i) {
        TRY(check(plans[i]));
        for (std::size_t j = 0; j < i; ++j)
            if (plans[i].id == plans[j].id) return invalid(plans[i].id, "the id is used twice");
    }
    if (std::ranges::none_of(plans, &Plan::offered))
        return fail(ErrorKind::invalid, "plans.invalid", "at least one plan is offered");
    return Plans(std::move(plans));
}

Plans Plans::standard() {
    return Plans({standard_plan("s", "S", 50, 290, 30), standard_plan("m", "M", 250, 690, 0),
                  standard_plan("l", "L", 1000, 1490, 0)});
}

Result<Plans> Plans::from_json(const codec::json::Value& value) {
    const codec::json::Array* array = value.as_array();
    if (array == nullptr)
        return fail(ErrorKind::invalid, "plans.invalid", "plans are a JSON array of objects");
    std::vector<Plan> plans;
    for (const codec::json::Value& one : *array) plans.push_back(TRY(read_plan(one)));
    return create(std::move(plans));
}

std::vector<const Plan*> Plans::offered() const {
    std::vector<const Plan*> out;
    for (const Plan& plan : plans_)
        if (plan.offered) out.push_back(&plan);
    return out;
}

const Plan* Plans::find(std::string_view id) const {
    const auto at = std::ranges::find(plans_, id, &Plan::id);
    return at == plans_.end() ? nullptr : &*at;
}

const Plan& Plans::suggested() const {
    const auto at = std::ranges::find_if(plans_, &Plan::offered);
    CHECK(at != plans_.end(), "a set of plans has one that is offered");
    return *at;
}

std::string format_bytes(std::uint64_t bytes) {
    if (bytes < 1000) return fmt::format("{} bytes", bytes);
    static constexpr std::array<std::string_view, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
    // In tenths of the unit, rounded down, so that nobody reads more than there is.
    std::size_t unit = 0;
    std::uint64_t divisor = 1000;
    while (unit + 1 < kUnits.size() && bytes / divisor >= 1000) {
        divisor *= 1000;
        ++unit;
    }
    const std::uint64_t tenths = bytes / (divisor / 10);
    if (tenths % 10 == 0 || tenths >= 1000) return fmt::format("{} {}", tenths / 10, kUnits[unit]);
    return fmt::format("{}.{} {}", tenths / 10, tenths % 10, kUnits[unit]);
}

}  // namespace s4::billing
