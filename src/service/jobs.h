// Jobs: work that must be finished whatever happens, as rows. A job is made of steps that may run
// twice; a step's effects and the job's way to its next step commit together, so a killed process
// goes on, after restart, where the last commit left it. A job that is done has no row.
//
// Rows only: Service runs the steps, control's JobRunner decides when.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/units.h"
#include "sql/transaction.h"

namespace s4::service {

using JobId = Id<struct JobTag>;

enum class JobKind : std::uint8_t {
    provision,    // from a payment to a grid that is shown
    state_timer,  // what a subscription's state does by itself when its time is over
    announce,     // the grid's server once more, by its present policy
};
std::string_view to_string(JobKind kind);

enum class JobStep : std::uint8_t {
    make,   // provision: the identities and the first announcement
    check,  // provision: from outside; then the grid is shown
    fire,   // state_timer, announce
};
std::string_view to_string(JobStep step);

struct Job {
    JobId id;
    JobKind kind{};
    SubscriptionId subscription;
    JobStep step{};
    UnixSeconds due = 0;
    std::int64_t attempts = 0;  // failed ones of this step
};

// One job of a kind for each subscription: queueing it again moves it to `step` and `due`.
Result<void> queue_job(sql::Transaction& tx, JobKind kind, SubscriptionId subscription,
                       JobStep step, UnixSeconds due, UnixSeconds now);
// Nothing if it is done.
Result<std::optional<Job>> load_job(sql::Reader& db, JobId id);
Result<std::optional<Job>> find_job(sql::Reader& db, JobKind kind, SubscriptionId subscription);
// By due time, at most `limit`, whether due or not.
Result<std::vector<Job>> next_jobs(sql::Reader& db, int limit);
Result<void> move_job(sql::Transaction& tx, JobId id, JobStep step, UnixSeconds due);
// `problem` is kept for the operator, cut to kProblemBytesMax.
Result<void> put_off_job(sql::Transaction& tx, const Job& job, std::string_view problem,
                         UnixSeconds now);
Result<void> delete_job(sql::Transaction& tx, JobId id);

// The wait after the attempt with this number (1, 2, ...) failed.
UnixSeconds back_off_s(std::int64_t attempts);

}  // namespace s4::service
