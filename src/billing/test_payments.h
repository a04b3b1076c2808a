// The payment provider of test mode: no money moves, and whoever sits before the page decides
// whether the payment succeeds. It keeps its payments in a table of its own, as a provider would,
// so that look_up() tells the truth after a restart. Never reachable from other addresses than
// loopback unless the operator says --allow-test-payments.
//
// Made at start, lives as long as the database it writes to; on the reactor's thread.
#pragma once

#include "billing/payment.h"
#include "sql/database.h"

namespace s4::billing {

class TestPayments final : public PaymentProvider {
  public:
    explicit TestPayments(sql::Database& database) : database_(database) {}

    std::string_view name() const override { return "test"; }
    bool test_mode() const override { return true; }

    rt::Task<Result<Payment>> begin(const rt::Context& ctx, const PaymentRequest& request) override;
    rt::Task<Result<Payment>> look_up(const rt::Context& ctx,
                                      const std::string& reference) override;

    // What the customer would do on the provider's page: paid or declined. A payment that was paid
    // stays paid. Errors: payment.unknown.
    rt::Task<Result<Payment>> decide(const rt::Context& ctx, const std::string& reference,
                                     PaymentStatus outcome);

  private:
    sql::Database& database_;
};

}  // namespace s4::billing
