// Connection: one handle of SQLite with its prepared statements. Used by one thread at a time;
// private to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "sql/statement.h"

struct sqlite3;

namespace s4::sql {

// What SQLite said, as an Error: "sql.disk_full", "sql.io", "sql.sync", "sql.unique",
// "sql.constraint", "sql.busy", "sql.read_only", "sql.corrupt", "sql.failed".
Error sqlite_error(int extended_code, std::string message);
// Whether a sync failed, after which what is on disk is not known.
inline bool is_sync_failure(const Error& error) {
    return error.is("sql.sync");
}

class Connection {
  public:
    enum class Role : std::uint8_t { writer, reader, checkpointer };
    struct Settings {
        std::string path;
        std::string vfs;                     // name under which SQLite knows it
        std::shared_ptr<void> vfs_owner;     // keeps a VFS of ours while a connection uses it
        bool synchronous_off = false;        // a planted bug
        std::string_view skipped_statement;  // a planted bug
    };

    static Result<std::unique_ptr<Connection>> open(const Settings& settings, Role role);
    // The handle closes with it; statements and Rows are gone by then.
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<std::int64_t> execute(const Query& query, std::span<const Param> params);
    Result<Rows> select(const Query& query, std::span<const Param> params);
    // SQL of this folder's own making, one or more statements without parameters.
    Result<void> run(const std::string& text);

    // Whether a transaction is open. SQLite ends one by itself after some failures.
    bool in_transaction() const;
    // Pages in the write-ahead log as of the last commit through this connection.
    std::int64_t wal_pages() const { return wal_pages_; }
    // The name of the last statement, for logs.
    std::string_view last_query() const { return last_query_; }
    sqlite3* handle() const { return handle_; }

    // The database file itself, as it lies there, without the write-ahead log. It is not to be
    // opened beside SQLite: closing it would drop this process's locks on it.
    Result<std::uint64_t> file_bytes();
    Result<void> read_file_at(std::uint64_t offset, MutByteView into);

  private:
    struct Prepared {
        sqlite3_stmt* statement = nullptr;
        const char* text = nullptr;            // whose statement it is
        std::vector<std::uint8_t> parameters;  // by SQLite's position: the N of $N
        std::size_t params_expected = 0;
        bool in_use = false;
    };
    enum class Lifetime : std::uint8_t { of_the_call, of_the_rows };

    Connection() = default;
    Result<void> prepare(const Query& query, Prepared& out);
    Result<Prepared*> cached(const Query& query);
    Result<void> bind(const Prepared& prepared, const Query& query, std::span<const Param> params,
                      Lifetime lifetime);
    Error failure(int code, const Query& query) const;

    std::shared_ptr<void> vfs_owner_;
    sqlite3* handle_ = nullptr;
    std::unordered_map<const Query*, Prepared> statements_;  // found by key, never walked in order
    std::string_view skipped_statement_;
    std::int64_t wal_pages_ = 0;
    std::string_view last_query_;
};

}  // namespace s4::sql
