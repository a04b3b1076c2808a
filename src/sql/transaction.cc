#include "sql/transaction.h"

#include "sql/connection.h"

namespace s4::sql {
namespace {

// SQLite keeps the last number of each table here, with a row from the first insert on.
constexpr Query kRaiseSequence{"sql.raise_sequence",
                               "UPDATE sqlite_sequence SET seq = max(seq, $2) WHERE name = $1"};
constexpr Query kBeginSequence{"sql.begin_sequence",
                               "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)"};

}  // namespace

Result<Rows> Reader::select(const Query& query, std::initializer_list<Param> params) {
    return connection_.select(query, {params.begin(), params.size()});
}

Result<std::int64_t> Transaction::execute(const Query& query, std::initializer_list<Param> params) {
    return connection_.execute(query, {params.begin(), params.size()});
}

Result<void> Transaction::skip_identities(std::string_view table, std::int64_t number) {
    if (TRY(execute(kRaiseSequence, {table, number})) == 0)
        TRY(execute(kBeginSequence, {table, number}));
    return ok();
}

}  // namespace s4::sql
