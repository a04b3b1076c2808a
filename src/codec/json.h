// JSON values, and their text. Boost.JSON does the work in json.cc and is not seen outside.
//
// A Value is a plain value type; objects keep the order they were written in. A Secret does not
// convert to a Value, so it cannot reach a JSON text (invariant 7).
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "codec/limits.h"

namespace s4::codec::json {

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;
using Object = std::vector<Member>;

class Value {
  public:
    Value() = default;  // null
    Value(std::nullptr_t) {}
    template <std::same_as<bool> T>  // so that no pointer becomes a truth
    Value(T v) : data_(v) {}
    template <std::signed_integral T>
    Value(T v) : data_(static_cast<std::int64_t>(v)) {}
    template <std::unsigned_integral T>
        requires(!std::same_as<T, bool>)
    Value(T v) : data_(static_cast<std::uint64_t>(v)) {}
    Value(double v) : data_(v) {}
    Value(const char* v) : data_(std::string(v)) {}
    Value(std::string_view v) : data_(std::string(v)) {}
    Value(std::string v) : data_(std::move(v)) {}
    Value(Array v) : data_(std::move(v)) {}
    Value(Object v) : data_(std::move(v)) {}
    Value(const Secret&) = delete;

    bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
    bool is_object() const { return std::holds_alternative<Object>(data_); }
    bool is_array() const { return std::holds_alternative<Array>(data_); }
    // Written as an integer (true and 1.0 are none), whether or not it fits what the caller wants.
    bool is_integer() const;

    // The value if it has that type, else nothing (or null). Integers convert where the number
    // fits.
    std::optional<bool> as_bool() const;
    std::optional<std::int64_t> as_int64() const;
    std::optional<std::uint64_t> as_uint64() const;
    std::optional<double> as_double() const;
    const std::string* as_string() const { return std::get_if<std::string>(&data_); }
    const Array* as_array() const { return std::get_if<Array>(&data_); }
    const Object* as_object() const { return std::get_if<Object>(&data_); }

    // The member of that name, or null if this is no object or has none.
    const Value* find(std::string_view name) const;

    // As parsed documents are compared: members in any order, numbers by value (1 equals 1.0).
    friend bool operator==(const Value& a, const Value& b);

  private:
    friend struct Convert;
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
                 Object>
        data_;
};

struct Limits {
    std::size_t bytes_max = kJsonBytesMax;
    std::size_t depth_max = kJsonDepthMax;
};

// One document and nothing behind it. Of members that share a name the last one counts, as in
// Python; a number beyond the range of doubles is their end. Errors: json.invalid, json.too_large,
// json.too_deep.
Result<Value> parse(std::string_view text, const Limits& limits = {});

// Compact text, members in their order.
std::string to_text(const Value& value);

}  // namespace s4::codec::json
