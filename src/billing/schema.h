// billing's tables: subscriptions, payments begun, the ledger, test payments.
#pragma once

#include <span>

#include "sql/migration.h"

namespace s4::billing {

std::span<const sql::Migration> migrations();

}  // namespace s4::billing
