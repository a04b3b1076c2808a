#include "proto/http1/message.h"

#include <array>

namespace s4::proto::http1 {

namespace {

struct NamedMethod {
    std::string_view name;
    Method method;
};
constexpr std::array<NamedMethod, 7> kMethods{{
    {"GET", Method::get},
    {"HEAD", Method::head},
    {"POST", Method::post},
    {"PUT", Method::put},
    {"PATCH", Method::patch},
    {"DELETE", Method::delete_},
    {"OPTIONS", Method::options},
}};

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

}  // namespace

std::string_view name_of(Method method) {
    for (const NamedMethod& known : kMethods)
        if (known.method == method) return known.name;
    return {};
}

Method method_of(std::string_view name) {
    for (const NamedMethod& known : kMethods)
        if (known.name == name) return known.method;
    return Method::other;
}

bool same_name(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

bool list_has(std::string_view list, std::string_view element) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        std::string_view item = list.substr(0, comma);
        while (!item.empty() && (item.front() == ' ' || item.front() == '\t'))
            item.remove_prefix(1);
        while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
        if (same_name(item, element)) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
    return false;
}

void Fields::add(std::string_view name, std::string_view value) {
    entries_.push_back({static_cast<std::uint32_t>(text_.size()),
                        static_cast<std::uint32_t>(name.size()),
                        static_cast<std::uint32_t>(value.size())});
    text_.append(name);
    text_.append(value);
}

void Fields::clear() {
    text_.clear();
    entries_.clear();
}

Field Fields::operator[](std::size_t i) const {
    return field_of(entries_[i]);
}

Field Fields::field_of(const Entry& entry) const {
    const std::string_view text(text_);
    return {text.substr(entry.at, entry.name_size),
            text.substr(entry.at + entry.name_size, entry.value_size)};
}

// Most names differ in their length already.
bool Fields::is_named(const Entry& entry, std::string_view name) const {
    return entry.name_size == name.size() && same_name(field_of(entry).name, name);
}

std::optional<std::string_view> Fields::find(std::string_view name) const {
    for (const Entry& entry : entries_)
        if (is_named(entry, name)) return field_of(entry).value;
    return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const {
    std::size_t n = 0;
    for (const Entry& entry : entries_) n += is_named(entry, name);
    return n;
}

std::string_view RequestHead::path() const {
    return std::string_view(target).substr(0, target.find('?'));
}

std::string_view RequestHead::query() const {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view()
                                     : std::string_view(target).substr(mark + 1);
}

void RequestHead::clear() {
    method = Method::other;
    method_name.clear();
    target.clear();
    minor_version = 1;
    fields.clear();
    content_length.reset();
    chunked = false;
    keep_alive = true;
    expects_continue = false;
}

void ResponseHead::clear() {
    status = 0;
    reason.clear();
    minor_version = 1;
    fields.clear();
    content_length.reset();
    chunked = false;
    keep_alive = true;
}

}  // namespace s4::proto::http1
