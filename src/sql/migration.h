// Migrations: how a folder's tables come to be. Each folder that owns tables has one ordered list;
// a migration that was released is never edited.
//
//   inline constexpr sql::Migration kMigrations[] = {
//       {"storage", 1, "CREATE TABLE shares (...); CREATE INDEX ..."},
//   };
//
// The text may hold several statements, in the house's common subset (README.md). Database::open
// applies what is missing, a transaction each, in the order given.
#pragma once

#include <cstdint>
#include <string_view>

namespace s4::sql {

struct Migration {
    std::string_view folder;
    std::int64_t number;  // 1, 2, 3... within its folder
    std::string_view text;
};

}  // namespace s4::sql
