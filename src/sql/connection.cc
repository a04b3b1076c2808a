#include "sql/connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <charconv>

#include "sql/limits.h"

namespace s4::sql {
namespace {

// Once in a process: statements' undo journals stay in memory, since closures are short.
void configure_engine() {
    static const int done = [] {
        sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
        return sqlite3_initialize();
    }();
    CHECK(done == SQLITE_OK, "SQLite starts");
}

bool is_programming_error(int code) {
    const int primary = code & 0xff;
    return primary == SQLITE_ERROR || primary == SQLITE_MISUSE || primary == SQLITE_RANGE;
}

sqlite3_file* main_file(sqlite3* handle) {
    sqlite3_file* out = nullptr;
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &out);
    CHECK(out != nullptr && out->pMethods != nullptr, "an open database has its file");
    return out;
}

}  // namespace

Error sqlite_error(int extended_code, std::string message) {
    switch (extended_code) {
        case SQLITE_IOERR_FSYNC:
        case SQLITE_IOERR_DIR_FSYNC:
            return {ErrorKind::io, "sql.sync", std::move(message)};
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
            return {ErrorKind::conflict, "sql.unique", std::move(message)};
        default:
            break;
    }
    switch (extended_code & 0xff) {
        case SQLITE_FULL:
            return {ErrorKind::no_space, "sql.disk_full", std::move(message)};
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
            return {ErrorKind::io, "sql.io", std::move(message)};
        case SQLITE_CONSTRAINT:
            return {ErrorKind::conflict, "sql.constraint", std::move(message)};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {ErrorKind::unavailable, "sql.busy", std::move(message)};
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return {ErrorKind::io, "sql.read_only", std::move(message)};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {ErrorKind::corrupt, "sql.corrupt", std::move(message)};
        case SQLITE_TOOBIG:
            return {ErrorKind::too_large, "sql.too_large", std::move(message)};
        default:
            return {ErrorKind::io, "sql.failed", std::move(message)};
    }
}

Result<std::unique_ptr<Connection>> Connection::open(const Settings& settings, Role role) {
    configure_engine();
    std::unique_ptr<Connection> out(new Connection);
    out->vfs_owner_ = settings.vfs_owner;
    out->skipped_statement_ = settings.skipped_statement;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (role == Role::writer) flags |= SQLITE_OPEN_CREATE;
    const int code =
        sqlite3_open_v2(settings.path.c_str(), &out->handle_, flags, settings.vfs.c_str());
    if (code != SQLITE_OK)
        return fail(sqlite_error(code, fmt::format("the database {} cannot be opened: {}",
                                                   settings.path, sqlite3_errstr(code))));
    sqlite3_busy_timeout(out->handle_, 5000);
    sqlite3_wal_hook(
        out->handle_,
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<Connection*>(self)->wal_pages_ = pages;
            return SQLITE_OK;
        },
        out.get());
    // The hook above also turned automatic checkpoints off.
    TRY(out->run("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"));
    TRY(out->run(settings.synchronous_off ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL"));
    switch (role) {
        case Role::writer:
            TRY(out->run("PRAGMA cache_size=-32768"));
            break;
        case Role::reader:
            TRY(out->run("PRAGMA cache_size=-8192; PRAGMA query_only=ON"));
            break;
        case Role::checkpointer:
            break;
    }
    return out;
}

Connection::~Connection() {
    for (auto& [query, prepared] : statements_) sqlite3_finalize(prepared.statement);
    sqlite3_close_v2(handle_);
}

Result<std::uint64_t> Connection::file_bytes() {
    sqlite3_int64 size = 0;
    sqlite3_file* file = main_file(handle_);
    const int code = file->pMethods->xFileSize(file, &size);
    if (code != SQLITE_OK)
        return fail(
            sqlite_error(code, fmt::format("the database's size: {}", sqlite3_errstr(code))));
    return static_cast<std::uint64_t>(size);
}

Result<void> Connection::read_file_at(std::uint64_t offset, MutByteView into) {
    sqlite3_file* file = main_file(handle_);
    const int code = file->pMethods->xRead(file, into.data(), static_cast<int>(into.size()),
                                           static_cast<sqlite3_int64>(offset));
    if (code != SQLITE_OK)
        return fail(sqlite_error(code, fmt::format("read the database: {}", sqlite3_errstr(code))));
    return ok();
}

bool Connection::in_transaction() const {
    return sqlite3_get_autocommit(handle_) == 0;
}

Error Connection::failure(int code, const Query& query) const {
    const std::string message = fmt::format("{}: {}", query.name, sqlite3_errmsg(handle_));
    if (is_programming_error(code)) UNREACHABLE(message);
    return sqlite_error(sqlite3_extended_errcode(handle_), message);
}

Result<void> Connection::run(const std::string& text) {
    const int code = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) return ok();
    return fail(sqlite_error(sqlite3_extended_errcode(handle_),
                             fmt::format("{}: {}", text.substr(0, 80), sqlite3_errmsg(handle_))));
}

Result<void> Connection::prepare(const Query& query, Prepared& out) {
    const int code =
        sqlite3_prepare_v3(handle_, query.text.data(), static_cast<int>(query.text.size()),
                           SQLITE_PREPARE_PERSISTENT, &out.statement, nullptr);
    if (code != SQLITE_OK) return fail(failure(code, query));
    CHECK(out.statement != nullptr, "a query has a text");
    out.text = query.text.data();
    const int count = sqlite3_bind_parameter_count(out.statement);
    for (int position = 1; position <= count; ++position) {
        const char* name = sqlite3_bind_parameter_name(out.statement, position);
        CHECK(name != nullptr && name[0] == '$', "parameters are written $1, $2, ...");
        const std::string_view digits(name + 1);
        std::size_t number = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        CHECK(error == std::errc{} && end == digits.data() + digits.size() && number > 0 &&
                  number <= kQueryParamsMax,
              "parameters are written $1, $2, ...");
        out.parameters.push_back(static_cast<std::uint8_t>(number));
        out.params_expected = std::max(out.params_expected, number);
    }
    return ok();
}

Result<Connection::Prepared*> Connection::cached(const Query& query) {
    last_query_ = query.name;
    Prepared& entry = statements_[&query];
    if (entry.statement == nullptr) TRY(prepare(query, entry));
    CHECK(entry.text == query.text.data(), "a Query is a constant of its module");
    return &entry;
}

Result<void> Connection::bind(const Prepared& prepared, const Query& query,
                              std::span<const Param> params, Lifetime lifetime) {
    if (params.size() != prepared.params_expected)
        UNREACHABLE(fmt::format("{} takes {} parameters and was given {}", query.name,
                                prepared.params_expected, params.size()));
    const auto destructor = lifetime == Lifetime::of_the_call ? SQLITE_STATIC : SQLITE_TRANSIENT;
    int position = 0;
    for (const std::uint8_t number : prepared.parameters) {
        const Param& param = params[number - 1u];
        const auto* data = reinterpret_cast<const char*>(param.bytes().data());
        const auto size = param.bytes().size();
        int code = SQLITE_OK;
        ++position;
        switch (param.type()) {
            case Param::Type::null:
                code = sqlite3_bind_null(prepared.statement, position);
                break;
            case Param::Type::integer:
                code = sqlite3_bind_int64(prepared.statement, position, param.integer());
                break;
            case Param::Type::text:
                code = sqlite3_bind_text64(prepared.statement, position, size ? data : "", size,
                                           destructor, SQLITE_UTF8);
                break;
            case Param::Type::blob:
                code =
                    size ? sqlite3_bind_blob64(prepared.statement, position, data, size, destructor)
                         : sqlite3_bind_zeroblob(prepared.statement, position, 0);
                break;
        }
        if (code != SQLITE_OK) return fail(failure(code, query));
    }
    return ok();
}

Result<std::int64_t> Connection::execute(const Query& query, std::span<const Param> params) {
    if (query.name == skipped_statement_) return 1;
    Prepared* entry = TRY(cached(query));
    CHECK(!entry->in_use, "a statement is not executed while its rows are read");
    TRY(bind(*entry, query, params, Lifetime::of_the_call));
    int code = SQLITE_OK;
    do {
        code = sqlite3_step(entry->statement);
    } while (code == SQLITE_ROW);
    Result<std::int64_t> out = sqlite3_changes64(handle_);
    if (code != SQLITE_DONE) out = fail(failure(code, query));
    sqlite3_reset(entry->statement);
    return out;
}

Result<Rows> Connection::select(const Query& query, std::span<const Param> params) {
    Prepared* entry = TRY(cached(query));
    if (entry->in_use) {
        // The same query inside a loop over its own rows: a statement of its own, for this once.
        Prepared extra;
        TRY(prepare(query, extra));
        Rows rows(extra.statement, nullptr, query);
        TRY(bind(extra, query, params, Lifetime::of_the_rows));
        return rows;
    }
    TRY(bind(*entry, query, params, Lifetime::of_the_rows));
    entry->in_use = true;
    return Rows(entry->statement, &entry->in_use, query);
}

}  // namespace s4::sql
