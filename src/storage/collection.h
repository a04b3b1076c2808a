// The words of collection: what was asked for, what would go, what went. Plain values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/units.h"
#include "storage/limits.h"

namespace s4::storage {

enum class CollectionKind : std::uint8_t {
    expiry = 0,  // what has only expired leases goes, until it is switched off
    once = 1,    // what no client renewed since a date goes, once
};
enum class Switch : std::uint8_t { off, on };

using CollectionId = Id<struct CollectionTag>;

// What a customer (or the operator for them) asked for, and what came of it: the audit record.
struct CollectionOrder {
    CollectionId id;
    GridId grid;
    CollectionKind kind = CollectionKind::expiry;
    UnixSeconds before = 0;  // once: the date
    std::string asked_by;
    UnixSeconds asked = 0;
    UnixSeconds marked = 0;  // once: when its first pass was through; 0: not yet
    std::string ended_by;
    UnixSeconds ended = 0;  // 0: it is in force
    bool swept = false;     // ended, and none of its marks is left
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;

    std::uint64_t freed_bytes() const { return data_bytes + shares * kShareOverheadBytes; }
    // A share goes when all its leases expire before this.
    UnixSeconds cutoff(UnixSeconds now) const {
        return kind == CollectionKind::expiry ? now : before + kLeaseSeconds;
    }
};

// What would go.
struct FreeEstimate {
    std::uint64_t shares = 0;
    std::uint64_t data_bytes = 0;

    std::uint64_t freed_bytes() const { return data_bytes + shares * kShareOverheadBytes; }
};

struct CollectionStatus {
    std::optional<CollectionOrder> expiry;  // when it is switched on
    std::optional<CollectionOrder> once;    // when one is under way
    std::vector<CollectionOrder> past;      // the newest first, at most kOrdersShown
    std::string clock_problem;              // why collection stands still; empty: it does not
};

// What a step did.
struct ExpiryReport {
    std::uint64_t marked = 0;
    std::uint64_t spared = 0;  // marked once, renewed or changed since
    std::uint64_t freed = 0;
    std::uint64_t freed_data_bytes = 0;
    bool more = false;  // there is more to do at once
};

}  // namespace s4::storage
