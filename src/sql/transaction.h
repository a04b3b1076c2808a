// Reader and Transaction: what a closure given to Database::read or Database::write sees. They live
// for the length of that closure, on its thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/result.h"
#include "sql/statement.h"

namespace s4::sql {

class Connection;

// One consistent view of the database.
class Reader {
  public:
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    Result<Rows> select(const Query& query, std::initializer_list<Param> params = {});

  protected:
    friend class Readers;
    explicit Reader(Connection& connection) : connection_(connection) {}
    Connection& connection_;
};

// The same, and changes. After an error of the database the closure returns that error: everything
// it did is undone, and nothing else of the group that commits with it.
class Transaction : public Reader {
  public:
    // Returns how many rows were inserted, changed or deleted.
    Result<std::int64_t> execute(const Query& query, std::initializer_list<Param> params = {});

    // The numbers that the database gives to new rows of `table` are above `number` from here on.
    Result<void> skip_identities(std::string_view table, std::int64_t number);

  private:
    friend class Writer;
    using Reader::Reader;
};

}  // namespace s4::sql
