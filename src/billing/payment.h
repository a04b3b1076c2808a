// The payment provider's contract: what S4 needs of whoever moves the money. Implemented by
// TestPayments here and by Stripe's client later; called by service; lives as long as the process.
//
// A payment is begun under a key of ours, so that a repeated call begins no second one. Afterwards
// only look_up() tells how it stands: a redirect, a form or a webhook is a reason to ask, never an
// answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/id.h"
#include "base/result.h"
#include "base/units.h"
#include "billing/plans.h"
#include "rt/context.h"
#include "rt/task.h"

namespace s4::billing {

enum class PaymentStatus : std::uint8_t {
    open,      // the customer has not decided
    paid,      // the money, or the promise of a trial, is there
    declined,  // this attempt failed; another may be made
};
std::string_view to_string(PaymentStatus status);

struct PaymentRequest {
    std::string key;  // the same key names the same payment, for ever
    SubscriptionId subscription;
    std::string email;
    Money amount;  // zero for the start of a trial
};

struct Payment {
    std::string reference;  // the provider's name for it, unique with the provider
    PaymentStatus status = PaymentStatus::open;
    Money amount;
};

class PaymentProvider {
  public:
    virtual ~PaymentProvider() = default;

    virtual std::string_view name() const = 0;
    // Whether no money moves. Pages say so in large letters.
    virtual bool test_mode() const = 0;

    // Errors: unavailable (ask again later), invalid.
    virtual rt::Task<Result<Payment>> begin(const rt::Context& ctx,
                                            const PaymentRequest& request) = 0;
    // Errors: payment.unknown, unavailable.
    virtual rt::Task<Result<Payment>> look_up(const rt::Context& ctx,
                                              const std::string& reference) = 0;
};

}  // namespace s4::billing
