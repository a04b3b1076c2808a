#include "service/jobs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "service/limits.h"

namespace s4::service {
namespace {

constexpr sql::Query kQueue{
    "service.queue_job",
    "INSERT INTO jobs (kind, subscription, step, due, attempts, problem, created) "
    "VALUES ($1, $2, $3, $4, 0, '', $5) ON CONFLICT (subscription, kind) "
    "DO UPDATE SET step = excluded.step, due = excluded.due, attempts = 0, problem = ''"};
constexpr sql::Query kLoad{
    "service.load_job",
    "SELECT id, kind, subscription, step, due, attempts FROM jobs WHERE id = $1"};
constexpr sql::Query kFind{"service.find_job",
                           "SELECT id, kind, subscription, step, due, attempts FROM jobs "
                           "WHERE subscription = $1 AND kind = $2"};
constexpr sql::Query kNext{
    "service.next_jobs",
    "SELECT id, kind, subscription, step, due, attempts FROM jobs ORDER BY due, id LIMIT $1"};
constexpr sql::Query kMove{
    "service.move_job",
    "UPDATE jobs SET step = $1, due = $2, attempts = 0, problem = '' WHERE id = $3"};
constexpr sql::Query kPutOff{"service.put_off_job",
                             "UPDATE jobs SET due = $1, attempts = $2, problem = $3 WHERE id = $4"};
constexpr sql::Query kDelete{"service.delete_job", "DELETE FROM jobs WHERE id = $1"};

template <typename Enum, std::size_t N>
std::optional<Enum> parse(std::string_view text, const Enum (&all)[N]) {
    for (const Enum one : all)
        if (to_string(one) == text) return one;
    return std::nullopt;
}

Result<Job> read_row(const sql::Rows& rows) {
    constexpr JobKind kKinds[] = {JobKind::provision, JobKind::state_timer, JobKind::announce};
    constexpr JobStep kSteps[] = {JobStep::make, JobStep::check, JobStep::fire};
    const auto kind = parse(rows.text(1), kKinds);
    const auto step = parse(rows.text(3), kSteps);
    if (!kind || !step)
        return fail(ErrorKind::corrupt, "service.unknown_job",
                    fmt::format("job {} has the unknown kind \"{}\" or step \"{}\"",
                                rows.integer(0), rows.text(1), rows.text(3)));
    return Job{rows.id<JobId>(0), *kind,          rows.id<SubscriptionId>(2), *step,
               rows.integer(4),   rows.integer(5)};
}

}  // namespace

std::string_view to_string(JobKind kind) {
    switch (kind) {
        case JobKind::provision:
            return "provision";
        case JobKind::state_timer:
            return "state_timer";
        case JobKind::announce:
            return "announce";
    }
    UNREACHABLE("a job's kind is one of the enum's");
}

std::string_view to_string(JobStep step) {
    switch (step) {
        case JobStep::make:
            return "make";
        case JobStep::check:
            return "check";
        case JobStep::fire:
            return "fire";
    }
    UNREACHABLE("a job's step is one of the enum's");
}

Result<void> queue_job(sql::Transaction& tx, JobKind kind, SubscriptionId subscription,
                       JobStep step, UnixSeconds due, UnixSeconds now) {
    TRY(tx.execute(kQueue, {to_string(kind), subscription, to_string(step), due, now}));
    return ok();
}

Result<std::optional<Job>> load_job(sql::Reader& db, JobId id) {
    sql::Rows rows = TRY(db.select(kLoad, {id}));
    if (!TRY(rows.next())) return std::nullopt;
    return TRY(read_row(rows));
}

Result<std::optional<Job>> find_job(sql::Reader& db, JobKind kind, SubscriptionId subscription) {
    sql::Rows rows = TRY(db.select(kFind, {subscription, to_string(kind)}));
    if (!TRY(rows.next())) return std::nullopt;
    return TRY(read_row(rows));
}

Result<std::vector<Job>> next_jobs(sql::Reader& db, int limit) {
    std::vector<Job> out;
    sql::Rows rows = TRY(db.select(kNext, {limit}));
    while (TRY(rows.next())) out.push_back(TRY(read_row(rows)));
    return out;
}

Result<void> move_job(sql::Transaction& tx, JobId id, JobStep step, UnixSeconds due) {
    TRY(tx.execute(kMove, {to_string(step), due, id}));
    return ok();
}

Result<void> put_off_job(sql::Transaction& tx, const Job& job, std::string_view problem,
                         UnixSeconds now) {
    const std::int64_t attempts = job.attempts + 1;
    TRY(tx.execute(kPutOff, {now + back_off_s(attempts), attempts,
                             problem.substr(0, kProblemBytesMax), job.id}));
    return ok();
}

Result<void> delete_job(sql::Transaction& tx, JobId id) {
    TRY(tx.execute(kDelete, {id}));
    return ok();
}

UnixSeconds back_off_s(std::int64_t attempts) {
    CHECK(attempts >= 1, "the wait follows an attempt");
    const std::int64_t doublings = std::min<std::int64_t>(attempts - 1, 20);
    return std::min(kBackOffFirstS << doublings, kBackOffLastS);
}

}  // namespace s4::service
