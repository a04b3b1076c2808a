#include "codec/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <limits>

namespace s4::codec::json {

// Between our values and Boost's.
struct Convert {
    static Value from_boost(const boost::json::value& in) {
        switch (in.kind()) {
            case boost::json::kind::null:
                return {};
            case boost::json::kind::bool_:
                return in.get_bool();
            case boost::json::kind::int64:
                return in.get_int64();
            case boost::json::kind::uint64:
                return in.get_uint64();
            case boost::json::kind::double_:
                return finite(in.get_double());
            case boost::json::kind::string: {
                const auto& text = in.get_string();
                return std::string(text.data(), text.size());
            }
            case boost::json::kind::array: {
                Array out;
                out.reserve(in.get_array().size());
                for (const auto& item : in.get_array()) out.push_back(from_boost(item));
                return out;
            }
            case boost::json::kind::object: {
                Object out;
                out.reserve(in.get_object().size());
                for (const auto& member : in.get_object())
                    out.emplace_back(std::string(member.key().data(), member.key().size()),
                                     from_boost(member.value()));
                return out;
            }
        }
        return {};
    }

    static boost::json::value to_boost(const Value& in, const boost::json::storage_ptr& memory) {
        return std::visit([&](const auto& v) { return to_boost(v, memory); }, in.data_);
    }

  private:
    // Boost reads 1e400 as infinity and 0e400 as no number, neither of which JSON can write.
    static double finite(double in) {
        constexpr double kMax = std::numeric_limits<double>::max();
        return std::isnan(in) ? 0.0 : std::clamp(in, -kMax, kMax);
    }

    static boost::json::value to_boost(std::monostate, const boost::json::storage_ptr& memory) {
        return boost::json::value(nullptr, memory);
    }
    static boost::json::value to_boost(bool v, const boost::json::storage_ptr& memory) {
        return boost::json::value(v, memory);
    }
    static boost::json::value to_boost(std::int64_t v, const boost::json::storage_ptr& memory) {
        return boost::json::value(v, memory);
    }
    static boost::json::value to_boost(std::uint64_t v, const boost::json::storage_ptr& memory) {
        return boost::json::value(v, memory);
    }
    static boost::json::value to_boost(double v, const boost::json::storage_ptr& memory) {
        return boost::json::value(v, memory);
    }
    static boost::json::value to_boost(const std::string& v,
                                       const boost::json::storage_ptr& memory) {
        return boost::json::value(boost::json::string_view(v), memory);
    }
    static boost::json::value to_boost(const Array& v, const boost::json::storage_ptr& memory) {
        boost::json::array out(memory);
        out.reserve(v.size());
        for (const Value& item : v) out.push_back(to_boost(item, memory));
        return out;
    }
    static boost::json::value to_boost(const Object& v, const boost::json::storage_ptr& memory) {
        boost::json::object out(memory);
        out.reserve(v.size());
        for (const auto& [name, value] : v) out.insert_or_assign(name, to_boost(value, memory));
        return out;
    }
};

namespace {

// 2^63 and 2^64, the first doubles that no longer fit the integers.
constexpr double kInt64End = 9223372036854775808.0;
constexpr double kUint64End = 18446744073709551616.0;

// Two numbers of any type, by value and without rounding one of them.
bool equal_numbers(const Value& a, const Value& b) {
    if (const auto x = a.as_int64(), y = b.as_int64(); x && y) return *x == *y;
    if (const auto x = a.as_uint64(), y = b.as_uint64(); x && y) return *x == *y;
    if (a.is_integer() && b.is_integer()) return false;
    const auto x = a.as_double();
    const auto y = b.as_double();
    if (!x || !y || *x != *y) return false;
    // Equal as doubles; an integer among them must be that double exactly.
    const auto exact = [](const Value& v, double d) {
        if (const auto i = v.as_int64()) return d < kInt64End && static_cast<std::int64_t>(d) == *i;
        if (const auto u = v.as_uint64())
            return d < kUint64End && static_cast<std::uint64_t>(d) == *u;
        return true;
    };
    return exact(a, *y) && exact(b, *x);
}

bool equal_objects(const Object& a, const Object& b) {
    if (a.size() != b.size()) return false;
    std::vector<const Member*> x, y;
    for (const Member& member : a) x.push_back(&member);
    for (const Member& member : b) y.push_back(&member);
    const auto by_name = [](const Member* m, const Member* n) { return m->first < n->first; };
    std::ranges::sort(x, by_name);
    std::ranges::sort(y, by_name);
    return std::ranges::equal(x, y, [](const Member* m, const Member* n) {
        return m->first == n->first && m->second == n->second;
    });
}

Error parse_error(const boost::json::error_code& code, const Limits& limits) {
    if (code == boost::json::error::too_deep)
        return Error(ErrorKind::too_large, "json.too_deep",
                     fmt::format("the JSON text is nested deeper than {}", limits.depth_max));
    return Error(ErrorKind::invalid, "json.invalid",
                 fmt::format("the text is not valid JSON: {}", code.message()));
}

}  // namespace

bool Value::is_integer() const {
    return std::holds_alternative<std::int64_t>(data_) ||
           std::holds_alternative<std::uint64_t>(data_);
}

std::optional<bool> Value::as_bool() const {
    if (const bool* v = std::get_if<bool>(&data_)) return *v;
    return std::nullopt;
}

std::optional<std::int64_t> Value::as_int64() const {
    if (const auto* v = std::get_if<std::int64_t>(&data_)) return *v;
    if (const auto* v = std::get_if<std::uint64_t>(&data_))
        if (*v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return static_cast<std::int64_t>(*v);
    return std::nullopt;
}

std::optional<std::uint64_t> Value::as_uint64() const {
    if (const auto* v = std::get_if<std::uint64_t>(&data_)) return *v;
    if (const auto* v = std::get_if<std::int64_t>(&data_))
        if (*v >= 0) return static_cast<std::uint64_t>(*v);
    return std::nullopt;
}

std::optional<double> Value::as_double() const {
    if (const auto* v = std::get_if<double>(&data_)) return *v;
    if (const auto v = as_int64()) return static_cast<double>(*v);
    if (const auto v = as_uint64()) return static_cast<double>(*v);
    return std::nullopt;
}

const Value* Value::find(std::string_view name) const {
    const Object* object = as_object();
    if (!object) return nullptr;
    for (const auto& [key, value] : *object)
        if (key == name) return &value;
    return nullptr;
}

bool operator==(const Value& a, const Value& b) {
    if (a.as_double() && b.as_double()) return equal_numbers(a, b);
    if (a.data_.index() != b.data_.index()) return false;
    if (const Object* object = a.as_object()) return equal_objects(*object, *b.as_object());
    return a.data_ == b.data_;
}

Result<Value> parse(std::string_view text, const Limits& limits) {
    if (text.size() > limits.bytes_max)
        return fail(ErrorKind::too_large, "json.too_large",
                    fmt::format("a JSON text may have at most {} bytes here", limits.bytes_max));
    boost::json::parse_options options;
    options.max_depth = limits.depth_max;
    boost::json::error_code code;
    boost::json::monotonic_resource memory;
    const boost::json::value value =
        boost::json::parse({text.data(), text.size()}, code, &memory, options);
    if (code) return std::unexpected(parse_error(code, limits));
    return Convert::from_boost(value);
}

std::string to_text(const Value& value) {
    boost::json::monotonic_resource memory;
    return boost::json::serialize(Convert::to_boost(value, &memory));
}

}  // namespace s4::codec::json
