// What is said to the database and what comes back: Query (text with a name), Param (a value to
// bind) and Rows (an open result).
//
// The text is the house's common subset of SQL (README.md), with parameters $1, $2, ...
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"

struct sqlite3_stmt;

namespace s4::sql {

// A constant of its module: each connection prepares it once and finds it again by its address.
//
//   constexpr sql::Query kFindGrid{"tenants.find_grid", "SELECT id FROM grids WHERE key = $1"};
//
// The name appears in logs and errors.
struct Query {
    std::string_view name;
    std::string_view text;
};

// A value bound to a parameter. It borrows: text and bytes live until the call returns. A Secret is
// bound by what it reveals, said by the caller.
class Param {
  public:
    enum class Type : std::uint8_t { null, integer, text, blob };

    Param(std::nullptr_t) {}
    template <std::integral T>
    Param(T value) : type_(Type::integer), integer_(static_cast<std::int64_t>(value)) {
        CHECK(std::in_range<std::int64_t>(value), "the database holds 63-bit numbers");
    }
    template <typename Tag>
    Param(Id<Tag> id) : Param(id.value) {}
    Param(std::string_view text) : type_(Type::text), bytes_(as_bytes(text)) {}
    Param(const std::string& text) : Param(std::string_view(text)) {}
    Param(const char* text) : Param(std::string_view(text)) {}
    Param(ByteView bytes) : type_(Type::blob), bytes_(bytes) {}
    Param(const ByteBuffer& bytes) : Param(ByteView(bytes)) {}
    template <std::size_t N>
    Param(const std::array<std::uint8_t, N>& bytes) : Param(ByteView(bytes)) {}
    template <typename T>
    Param(const std::optional<T>& value) {
        if (value) *this = Param(*value);
    }
    Param(const Secret&) = delete;

    Type type() const { return type_; }
    std::int64_t integer() const { return integer_; }
    ByteView bytes() const { return bytes_; }

  private:
    Type type_ = Type::null;
    std::int64_t integer_ = 0;
    ByteView bytes_;
};

// The rows of a select, one at a time. Lives within the closure that asked. What text() and blob()
// return is borrowed until the next call of next(). NULL reads as 0 or as nothing.
//
//   sql::Rows rows = TRY(db.select(kListShares, {grid}));
//   while (TRY(rows.next())) use(rows.integer(0), rows.blob(1));
class Rows {
  public:
    Rows(Rows&& other) noexcept
        : statement_(std::exchange(other.statement_, nullptr)),
          in_use_(other.in_use_),
          query_(other.query_),
          ended_(other.ended_) {}
    Rows& operator=(Rows&&) = delete;
    ~Rows();

    // Moves to the first, then to the next row; false after the last.
    Result<bool> next();

    bool is_null(int column) const;
    std::int64_t integer(int column) const;
    std::string_view text(int column) const;
    ByteView blob(int column) const;

    template <typename IdType>
    IdType id(int column) const {
        return IdType{integer(column)};
    }
    template <std::size_t N>
    std::optional<std::array<std::uint8_t, N>> blob_of(int column) const {
        const ByteView bytes = blob(column);
        if (bytes.size() != N) return std::nullopt;
        std::array<std::uint8_t, N> out;
        std::copy(bytes.begin(), bytes.end(), out.begin());
        return out;
    }
    Secret secret(int column) const { return Secret(blob(column)); }

  private:
    friend class Connection;
    Rows(sqlite3_stmt* statement, bool* in_use, const Query& query)
        : statement_(statement), in_use_(in_use), query_(&query) {}

    sqlite3_stmt* statement_;
    bool* in_use_;
    const Query* query_;
    bool ended_ = false;
};

}  // namespace s4::sql
