// service's tables: sign-ups, pages, jobs, notices, the audit log (docs/formats/service-tables.md).
#pragma once

#include <span>

#include "sql/migration.h"

namespace s4::service {

std::span<const sql::Migration> migrations();

}  // namespace s4::service
