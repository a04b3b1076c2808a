// The engine's tables (docs/formats/storage-tables.md), as the migrations that make them.
#pragma once

#include <span>

#include "sql/migration.h"

namespace s4::storage {

std::span<const sql::Migration> migrations();

}  // namespace s4::storage
