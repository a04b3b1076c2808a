#include "billing/payment.h"

#include "base/check.h"

namespace s4::billing {

std::string_view to_string(PaymentStatus status) {
    switch (status) {
        case PaymentStatus::open:
            return "open";
        case PaymentStatus::paid:
            return "paid";
        case PaymentStatus::declined:
            return "declined";
    }
    UNREACHABLE("a payment's status is one of the enum's");
}

}  // namespace s4::billing
