// The tables of all folders, for whoever opens the database.
#pragma once

#include <vector>

#include "sql/migration.h"

namespace s4::app {

// In the order in which tables refer to each other.
std::vector<sql::Migration> all_migrations();

}  // namespace s4::app
