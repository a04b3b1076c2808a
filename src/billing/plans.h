// Plans: what is sold. Made once at start (the standard set, or the operator's own) and never
// changed while the process runs; any thread may read it.
//
// A subscription names its plan by id, so an id that was ever sold stays in the set; `offered`
// says whether it is sold still.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "codec/json.h"

namespace s4::billing {

enum class Period : std::uint8_t { month, year };
std::string_view to_string(Period period);

// Whole cents, and the currency's ISO 4217 code.
struct Money {
    std::int64_t cents = 0;
    std::string currency;

    std::string to_string() const;  // "4.90 EUR"
    friend bool operator==(const Money&, const Money&) = default;
};

// How long a subscription stays in a state before it goes on to the next by itself.
struct Retention {
    int past_due_days = 14;   // service goes on, notices go out
    int suspended_days = 30;  // read only
    int cancelled_days = 60;  // reads, until everything is purged
};

// What one grid may hold at a time; the gate and the storage engine enforce it.
struct GridLimits {
    std::uint32_t connections = 64;
    std::uint32_t unfinished_uploads = 256;
    std::uint32_t requests = 64;         // worked on; further ones wait
    std::uint64_t bytes_per_second = 0;  // both ways together; 0: no limit

    friend bool operator==(const GridLimits&, const GridLimits&) = default;
};

struct Plan {
    std::string id;    // lower case letters, digits and '-'
    std::string name;  // as customers read it
    std::uint64_t quota_bytes = 0;
    Money price;  // for one period
    Period period = Period::month;
    int trial_days = 0;  // free days before the first charge
    Retention retention;
    GridLimits limits;
    bool offered = true;
};

class Plans {
  public:
    // Errors: plans.invalid, with a sentence that names the plan and the rule.
    static Result<Plans> create(std::vector<Plan> plans);
    // Three sizes, priced in EUR.
    static Plans standard();
    // An array of objects with the members id, name, quota_bytes, price_cents, currency, period
    // ("month" or "year"), and optionally trial_days, past_due_days, suspended_days,
    // cancelled_days, connections, unfinished_uploads, requests, bytes_per_second,
    // offered. Errors: plans.invalid.
    static Result<Plans> from_json(const codec::json::Value& value);

    const std::vector<Plan>& all() const { return plans_; }
    std::vector<const Plan*> offered() const;
    const Plan* find(std::string_view id) const;
    // What the sign-up form suggests: the first that is offered.
    const Plan& suggested() const;

  private:
    explicit Plans(std::vector<Plan> plans) : plans_(std::move(plans)) {}

    std::vector<Plan> plans_;
};

// "50 GB", "1 TB", "1.5 GB", "512 bytes": decimal units, as disks and prices count.
std::string format_bytes(std::uint64_t bytes);

}  // namespace s4::billing
