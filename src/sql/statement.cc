#include "sql/statement.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "sql/connection.h"

namespace s4::sql {

Rows::~Rows() {
    if (statement_ == nullptr) return;
    if (in_use_ == nullptr) {
        sqlite3_finalize(statement_);
        return;
    }
    sqlite3_reset(statement_);
    *in_use_ = false;
}

Result<bool> Rows::next() {
    if (ended_) return false;
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    ended_ = true;
    if (code == SQLITE_DONE) return false;
    sqlite3* const handle = sqlite3_db_handle(statement_);
    const std::string message = fmt::format("{}: {}", query_->name, sqlite3_errmsg(handle));
    return fail(sqlite_error(sqlite3_extended_errcode(handle), message));
}

bool Rows::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Rows::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string_view Rows::text(int column) const {
    return as_text(blob(column));
}

ByteView Rows::blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace s4::sql
