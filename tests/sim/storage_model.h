// StorageModel: what a storage engine may hold, as far as its callers know. Outside the machine, so
// that no crash reaches it.
//
// For each share of an immutable index, and for each slot as a whole, there is the last known state
// and the states that an unanswered call would have made. After a restart the engine must show one
// of them, which then is the known one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "run.h"
#include "storage/types.h"

namespace s4::simulation {

using storage::ShareNumber;

// A thing that may be in one of several states.
template <typename State>
struct Uncertain {
    State known{};
    std::vector<State> unanswered;

    bool allows(const State& seen) const {
        if (seen == known) return true;
        for (const State& state : unanswered)
            if (state == seen) return true;
        return false;
    }
    void settle(State seen) {
        known = std::move(seen);
        unanswered.clear();
    }
};

using Share = std::optional<ByteBuffer>;         // nothing: no such share
using Slot = std::map<ShareNumber, ByteBuffer>;  // all shares of a slot
using LeaseHash = std::array<std::uint8_t, 32>;

struct Leases {
    std::set<LeaseHash> acknowledged;
    std::set<LeaseHash> unanswered;
};

// A share's content where only its identity matters.
struct Print {
    std::uint64_t size = 0;
    std::array<std::uint8_t, 32> hash{};
    friend auto operator<=>(const Print&, const Print&) = default;
};
Print print_of(ByteView content);
using SlotPrint = std::map<ShareNumber, Print>;
SlotPrint print_of(const Slot& slot);

// A change of a slot that got no answer (yet).
struct SlotAttempt {
    SlotPrint after;                                      // the slot, had it taken place
    std::map<ShareNumber, std::optional<Print>> changes;  // nothing: deleted
    // What changes that took place did to shares of it meanwhile; 0 bytes: no share.
    struct Overtaken {
        ShareNumber share = 0;
        std::uint64_t bytes_before = 0;
        std::uint64_t bytes_after = 0;
    };
    std::vector<Overtaken> overtaken;
    bool failed = false;  // a restart showed that it did not take place
};

// One storage index of one grid, used for immutable shares or as a slot, by one actor at a time.
struct IndexModel {
    std::map<ShareNumber, Uncertain<Share>> immutable;
    Uncertain<Slot> slot;
    std::map<ShareNumber, Leases> leases;

    // What blobs may still tell of a slot: of calls without an answer, and every content that a
    // share of it was ever to have.
    std::vector<SlotAttempt> attempts;
    std::map<ShareNumber, std::set<Print>> ever;

    // Of what is known now, attempts[`at`] made what will be known next.
    void took_place(std::size_t at);
};

struct IndexName {
    GridId grid;
    std::uint64_t number = 0;

    bool is_slot() const { return number % 2 == 1; }
    storage::StorageIndex index() const;
    std::string text() const;
    friend auto operator<=>(const IndexName&, const IndexName&) = default;
};

// What the engine showed of one index.
struct Observed {
    Slot immutable;
    Slot slot;
    std::map<ShareNumber, std::set<LeaseHash>> leases;
};

class StorageModel {
  public:
    explicit StorageModel(Run& run) : run_(run) {}

    IndexModel& at(const IndexName& name) { return indexes_[name]; }

    // Reports what the model does not allow. After a restart, what was seen is what is known.
    enum class When : std::uint8_t { running, restarted };
    void compare(const IndexName& name, const Observed& seen, When when);
    // What was seen is what is known from now on.
    void adopt(const IndexName& name, const Observed& seen);

  private:
    void compare_leases(const IndexName& name, const Observed& seen, When when);

    Run& run_;
    std::map<IndexName, IndexModel> indexes_;
};

}  // namespace s4::simulation
