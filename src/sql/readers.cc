#include "sql/readers.h"

#include "base/log.h"
#include "base/metrics.h"
#include "sql/limits.h"

namespace s4::sql {
namespace {

constexpr Query kBegin{"sql.begin_read", "BEGIN"};
constexpr Query kEnd{"sql.end_read", "COMMIT"};

}  // namespace

rt::Task<Result<void>> Readers::run(const rt::Context& ctx, ReadWork work) {
    if (!permits_.try_acquire()) {
        if (waiting_ >= kQueuedReadsMax)
            co_return fail(ErrorKind::unavailable, "sql.readers_busy",
                           "too many reads wait for the database");
        ++waiting_;
        const auto permitted = co_await permits_.acquire(ctx);
        --waiting_;
        if (!permitted) co_return fail(permitted.error());
    }
    std::unique_ptr<Connection> connection = std::move(free_.back());
    free_.pop_back();
    Result<void> out = co_await rt::run_on(runtime_.pool, runtime_.reactor,
                                           [&] { return run_here(*connection, work); });
    free_.push_back(std::move(connection));
    permits_.release();
    co_return out;
}

Result<void> Readers::run_here(Connection& connection, ReadWork& work) {
    static metrics::Histogram& read_s =
        metrics::histogram("s4_sql_read_seconds", "Read transactions",
                           {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5});
    const Instant begun = runtime_.reactor.now();
    TRY(connection.execute(kBegin, {}));
    Reader reader(connection);
    Result<void> out = work(reader);
    const std::string_view last = connection.last_query();
    // Some failures make SQLite end the transaction by itself.
    Result<std::int64_t> ended = 0;
    if (connection.in_transaction()) ended = connection.execute(kEnd, {});
    const Duration took = runtime_.reactor.now() - begun;
    read_s.observe(std::chrono::duration<double>(took).count());
    if (took > kReadTimeWarning)
        log::warning("sql", "a read transaction took too long",
                     {{"last_query", last},
                      {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
    if (out && !ended) return fail(ended.error());
    return out;
}

}  // namespace s4::sql
