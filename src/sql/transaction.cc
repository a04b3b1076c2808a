#include "sql/transaction.h"

#include "sql/connection.h"

namespace s4::sql {

Result<Rows> Reader::select(const Query& query, std::initializer_list<Param> params) {
    return connection_.select(query, {params.begin(), params.size()});
}

Result<std::int64_t> Transaction::execute(const Query& query, std::initializer_list<Param> params) {
    return connection_.execute(query, {params.begin(), params.size()});
}

}  // namespace s4::sql
