#include "proto/foolscap/value.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace s4::proto::foolscap {
namespace {

// As Python's repr() of a text, which is how the reference prints a Violation's arguments.
std::string python_repr(std::string_view text) {
    const char quote = text.contains('\'') && !text.contains('"') ? '"' : '\'';
    std::string out(1, quote);
    for (const char c : text) {
        if (c == quote || c == '\\') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out + quote;
}

std::string shortened(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return std::string(text);
    return std::string(text.substr(0, limit - 3)) + "..";
}

// The beginning and the end say most about a traceback.
std::string shortened_traceback(const std::string& text) {
    if (text.size() <= kFailureTracebackBytesMax - 100) return text;
    return text.substr(0, 700) + "\n-- TRACEBACK ELIDED --\n" + text.substr(text.size() - 1200);
}

}  // namespace

Failure Failure::make(std::string_view type, std::string_view value,
                      std::initializer_list<std::string_view> bases) {
    Failure out;
    out.type = type;
    out.value = value;
    out.traceback = "Traceback: not sent\n";
    out.parents.emplace_back(type);
    for (const std::string_view base : bases) out.parents.emplace_back(base);
    for (const char* base : {"builtins.Exception", "builtins.BaseException", "builtins.object"})
        out.parents.emplace_back(base);
    return out;
}

Failure Failure::violation(std::string_view where, std::string_view text) {
    std::string value = "Violation";
    if (!where.empty()) value += " (" + std::string(where) + ")";
    return make("foolscap.tokens.Violation", value + ": (" + python_repr(text) + ",)");
}

Failure Failure::bounded() const {
    Failure out;
    out.type = shortened(type, kFailureTypeBytesMax);
    out.value = shortened(value, kFailureValueBytesMax);
    out.traceback = shortened_traceback(traceback);
    for (std::size_t i = 0; i < parents.size() && i < kFailureParentsMax; ++i)
        out.parents.push_back(shortened(parents[i], kFailureParentBytesMax));
    return out;
}

Value Value::unsigned_integer(std::uint64_t value) {
    if (value <= std::numeric_limits<std::int64_t>::max())
        return integer(static_cast<std::int64_t>(value));
    ByteWriter magnitude;
    return {Kind::big_integer, BigInteger{false, std::move(magnitude.u64(value)).take()}};
}

Value Value::big_integer(bool negative, ByteView magnitude) {
    while (!magnitude.empty() && magnitude.front() == 0) magnitude = magnitude.subspan(1);
    if (magnitude.size() <= 8) {
        std::uint64_t value = 0;
        for (const std::uint8_t byte : magnitude) value = value << 8 | byte;
        constexpr std::uint64_t edge = std::uint64_t{1} << 63;
        if (!negative && value < edge) return integer(static_cast<std::int64_t>(value));
        if (negative && value <= edge) return integer(static_cast<std::int64_t>(~value + 1));
    }
    return {Kind::big_integer, BigInteger{negative, to_buffer(magnitude)}};
}

Value Value::sequence(Kind kind, Items items) {
    CHECK(kind == Kind::list || kind == Kind::tuple || kind == Kind::set ||
              kind == Kind::immutable_set,
          "a sequence is a list, a tuple or a set");
    return {kind, std::make_shared<const Items>(std::move(items))};
}

Value Value::dict(Entries entries) {
    return {Kind::dict, std::make_shared<const Entries>(std::move(entries))};
}

std::optional<bool> Value::as_bool() const {
    if (const bool* value = std::get_if<bool>(&data_)) return *value;
    return std::nullopt;
}

std::optional<std::int64_t> Value::as_i64() const {
    if (const std::int64_t* value = std::get_if<std::int64_t>(&data_)) return *value;
    return std::nullopt;
}

std::optional<std::uint64_t> Value::as_u64() const {
    if (const std::int64_t* value = std::get_if<std::int64_t>(&data_))
        return *value < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(*value));
    const BigInteger* big = as_big_integer();
    if (big == nullptr || big->negative || big->magnitude.size() > 8) return std::nullopt;
    return ByteReader(big->magnitude).u64();  // a smaller one would be an int64
}

std::optional<double> Value::as_double() const {
    if (const double* value = std::get_if<double>(&data_)) return *value;
    return std::nullopt;
}

std::optional<ByteView> Value::as_bytes() const {
    if (const ByteBuffer* value = std::get_if<ByteBuffer>(&data_)) return ByteView(*value);
    return std::nullopt;
}

std::optional<std::string_view> Value::as_text() const {
    if (const std::string* value = std::get_if<std::string>(&data_)) return *value;
    return std::nullopt;
}

const Value::Items* Value::items_of(Kind kind) const {
    return kind_ == kind ? std::get<std::shared_ptr<const Items>>(data_).get() : nullptr;
}

const Value::Items* Value::as_set() const {
    const Items* set = items_of(Kind::set);
    return set != nullptr ? set : items_of(Kind::immutable_set);
}

const Value::Items* Value::as_sequence() const {
    const auto* items = std::get_if<std::shared_ptr<const Items>>(&data_);
    return items == nullptr ? nullptr : items->get();
}

const Value::Entries* Value::as_dict() const {
    const auto* entries = std::get_if<std::shared_ptr<const Entries>>(&data_);
    return entries == nullptr ? nullptr : entries->get();
}

const Failure* Value::as_failure() const {
    const auto* failure = std::get_if<std::shared_ptr<const Failure>>(&data_);
    return failure == nullptr ? nullptr : failure->get();
}

const Value* Value::find(std::string_view key) const {
    const Entries* entries = as_dict();
    if (entries == nullptr) return nullptr;
    for (const Entry& entry : *entries)
        if (const auto bytes = entry.first.as_bytes(); bytes && s4::as_text(*bytes) == key)
            return &entry.second;
    return nullptr;
}

bool operator==(const Value& a, const Value& b) {
    if (a.kind_ != b.kind_) return false;
    if (const auto* items = a.as_sequence()) return *items == *b.as_sequence();
    if (const auto* entries = a.as_dict()) return *entries == *b.as_dict();
    if (const auto* failure = a.as_failure()) return *failure == *b.as_failure();
    return a.data_ == b.data_;
}

const Value* Arguments::find(std::size_t position, std::string_view name) const {
    if (position < positional.size()) return &positional[position];
    for (const auto& [keyword_name, value] : keyword)
        if (keyword_name == name) return &value;
    return nullptr;
}

}  // namespace s4::proto::foolscap
