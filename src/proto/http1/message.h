// Heads of HTTP messages as values: what the parsers fill and what pumps and handlers read. They
// are reused from message to message, so that a connection in steady state allocates nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace s4::proto::http1 {

enum class Method : std::uint8_t { get, head, post, put, patch, delete_, options, other };

// "GET"; "" for other.
std::string_view name_of(Method method);
Method method_of(std::string_view name);  // case-sensitive, as methods are

struct Field {
    std::string_view name;
    std::string_view value;  // without the white space around it
};

// The fields of a head in the order in which they came, repeated ones kept apart: Tahoe's client
// sends X-Tahoe-Authorization several times, and those lines must not be merged (reference I.3.30).
class Fields {
  public:
    void add(std::string_view name, std::string_view value);
    void clear();

    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }
    // Views live until the next add() or clear().
    Field operator[](std::size_t i) const;

    // The first with this name, whatever its case.
    std::optional<std::string_view> find(std::string_view name) const;
    std::size_t count(std::string_view name) const;

  private:
    struct Entry {
        std::uint32_t at;
        std::uint32_t name_size;
        std::uint32_t value_size;
    };
    Field field_of(const Entry& entry) const;
    bool is_named(const Entry& entry, std::string_view name) const;

    std::string text_;
    std::vector<Entry> entries_;
};

// Whether two names are the same in the sense of HTTP: ASCII letters without their case.
bool same_name(std::string_view a, std::string_view b);

// Whether a comma-separated list has this element, whatever its case: Connection, Accept-Encoding.
bool list_has(std::string_view list, std::string_view element);

struct RequestHead {
    Method method = Method::other;
    std::string method_name;
    std::string target;  // as it was sent: "/path?query"
    int minor_version = 1;
    Fields fields;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;         // by version and Connection
    bool expects_continue = false;  // Expect: 100-continue

    std::string_view path() const;
    std::string_view query() const;  // without the '?'
    bool has_body() const { return chunked || content_length.value_or(0) > 0; }
    void clear();
};

struct ResponseHead {
    int status = 0;
    std::string reason;
    int minor_version = 1;
    Fields fields;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;

    void clear();
};

}  // namespace s4::proto::http1
