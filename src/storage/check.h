// The words of a check: what is asked, what is found. Plain values, any thread. Engine::check_step
// does the work, one bounded step at a time; what a step ends with says where the next begins, so
// that a check goes on after either side was stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "storage/types.h"

namespace s4::storage {

enum class Problem : std::uint8_t {
    missing_blob,    // a share's row names a blob that is not in the store
    damaged_share,   // a checksum, a length or a header does not fit
    wrong_usage,     // the counters differ from a recount
    orphan_blob,     // a blob that nothing names
    lost_grid,       // blobs of a grid that the database does not know; they are kept
    misplaced_blob,  // a blob under the key of a grid that is not its share's
    quarantined,     // a share that an earlier check took out of service
};
std::string_view to_string(Problem problem);

struct Finding {
    Problem problem{};
    GridId grid;
    // Of a share; a blob or a counter has none.
    std::optional<StorageIndex> index;
    ShareNumber share = 0;
    ShareKind kind = ShareKind::immutable;
    std::string detail;
    bool repaired = false;
};

struct CheckRequest {
    std::optional<GridId> grid;  // none: all
    // Usage is set right, orphans are given to the collector with their retention, a damaged share
    // is quarantined: clients see it as absent and upload it anew, what is left of it is kept, and
    // it is put back if it turns out sound. Nothing that might still serve is deleted.
    bool repair = false;
    std::string from;  // a former report's `next`; empty: from the beginning
};

struct CheckReport {
    std::uint64_t shares = 0;  // verified in this step
    std::uint64_t bytes = 0;   // read for that
    std::uint64_t blobs = 0;   // of the store, compared with the index
    std::uint64_t grids = 0;   // whose usage was counted afresh
    std::vector<Finding> findings;
    std::string next;  // empty: the check is complete
};

// What the operator's status and the metrics show; none of it grows with the tenants.
struct CareStatus {
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;
    std::int64_t quarantined = 0;
    std::int64_t advisories = 0;
    UnixSeconds scrub_began = 0;  // the round under way, or the last one; 0: none yet
    UnixSeconds scrub_ended = 0;  // the last whole round; 0: none yet
    std::int64_t scrub_shares = 0;
    std::int64_t scrub_bytes = 0;
    std::int64_t scrub_damaged = 0;
};

}  // namespace s4::storage
