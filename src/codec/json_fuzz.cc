// What JSON is read can be written, and read again as the same document.
#include <cmath>

#include "base/check.h"
#include "codec/json.h"

namespace s4::codec::json {
namespace {

// Boost reads fractions to the last digit but one or two.
bool is_near(double a, double b) {
    return a == b || std::abs(a - b) <= 1e-14 * std::abs(a);
}

bool is_same(const Value& a, const Value& b) {
    if (const Array* x = a.as_array()) {
        const Array* y = b.as_array();
        return y && std::ranges::equal(*x, *y, is_same);
    }
    if (const Object* x = a.as_object()) {
        const Object* y = b.as_object();
        return y && std::ranges::equal(*x, *y, [](const auto& m, const auto& n) {
                   return m.first == n.first && is_same(m.second, n.second);
               });
    }
    return a == b || (a.as_double() && b.as_double() && is_near(*a.as_double(), *b.as_double()));
}

}  // namespace
}  // namespace s4::codec::json

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    using namespace s4::codec;
    const auto read = json::parse(as_text(ByteView(data, size)));
    if (!read) return 0;
    CHECK(*read == *read, "a JSON document is not equal to itself");
    const json::Limits unlimited{.bytes_max = 16 * kJsonBytesMax};  // escapes make text longer
    const auto again = json::parse(json::to_text(*read), unlimited);
    CHECK(again && json::is_same(*again, *read), "JSON does not read what it wrote");
    return 0;
}
