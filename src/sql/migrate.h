// Applies migrations, and turns the house's words for tables into SQLite's. Private to this folder.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/migration.h"

namespace s4::sql {

// Refuses with "sql.newer" what a newer program wrote, with "sql.edited_migration" a migration that
// is not what was applied.
Result<void> migrate(Connection& connection, std::span<const Migration> migrations,
                     std::int64_t unix_s, const std::string& path);

}  // namespace s4::sql
