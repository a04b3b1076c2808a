#include "billing/test_payments.h"

#include "base/check.h"
#include "billing/limits.h"

namespace s4::billing {
namespace {

constexpr sql::Query kInsert{"billing.insert_test_payment",
                             "INSERT INTO test_payments (reference, status, cents, currency) "
                             "VALUES ($1, $2, $3, $4) ON CONFLICT (reference) DO NOTHING"};
constexpr sql::Query kLoad{
    "billing.load_test_payment",
    "SELECT status, cents, currency FROM test_payments WHERE reference = $1"};
constexpr sql::Query kDecide{
    "billing.decide_test_payment",
    "UPDATE test_payments SET status = $1 WHERE reference = $2 AND status <> 'paid'"};

Result<Payment> load(sql::Reader& db, const std::string& reference) {
    sql::Rows rows = TRY(db.select(kLoad, {reference}));
    if (!TRY(rows.next()))
        return fail(ErrorKind::not_found, "payment.unknown", "there is no such test payment");
    Payment out;
    out.reference = reference;
    for (const PaymentStatus status :
         {PaymentStatus::open, PaymentStatus::paid, PaymentStatus::declined})
        if (rows.text(0) == to_string(status)) out.status = status;
    out.amount = {rows.integer(1), std::string(rows.text(2))};
    return out;
}

}  // namespace

rt::Task<Result<Payment>> TestPayments::begin(const rt::Context& ctx,
                                              const PaymentRequest& request) {
    const std::string reference = "test-" + request.key;
    if (reference.size() > kPaymentReferenceBytesMax)
        co_return fail(ErrorKind::invalid, "payment.invalid_key", "the payment's key is too long");
    const Money amount = request.amount;
    co_return co_await database_.write(ctx, [&](sql::Transaction& tx) -> Result<Payment> {
        TRY(tx.execute(kInsert,
                       {reference, to_string(PaymentStatus::open), amount.cents, amount.currency}));
        return load(tx, reference);
    });
}

rt::Task<Result<Payment>> TestPayments::look_up(const rt::Context& ctx,
                                                const std::string& reference) {
    co_return co_await database_.read(
        ctx, [&](sql::Reader& db) -> Result<Payment> { return load(db, reference); });
}

rt::Task<Result<Payment>> TestPayments::decide(const rt::Context& ctx, const std::string& reference,
                                               PaymentStatus outcome) {
    CHECK(outcome != PaymentStatus::open, "a decision is paid or declined");
    co_return co_await database_.write(ctx, [&](sql::Transaction& tx) -> Result<Payment> {
        TRY(tx.execute(kDecide, {to_string(outcome), reference}));
        return load(tx, reference);
    });
}

}  // namespace s4::billing
