// CollectionModel: which shares may be gone, as far as clients, customer and operator know
// (docs/collection.md). Outside the machine, so that no crash reaches it.
//
// It keeps two times. `wall` is what the machine's clock shows; leases and dates are in it.
// `elapsed` is the same without the jumps that the service noticed: the 24 hours between two passes
// are in it, since what was marked before such a jump is marked again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "storage/collection.h"
#include "storage_model.h"

namespace s4::simulation {

struct Moment {
    std::int64_t wall_s = 0;
    std::int64_t elapsed_s = 0;
};

// A share that clients store and renew; each index has one, number 0.
struct Kept {
    Uncertain<Share> share;
    std::int64_t expires_s = 0;  // the newest of its leases, at least
    std::int64_t touched_s = 0;  // elapsed: its last change, renewal or new lease
    Moment attempted;            // the last call that may get no answer
};

class CollectionModel {
  public:
    explicit CollectionModel(Run& run) : run_(run) {}

    Kept& at(const IndexName& name) { return kept_[name]; }

    // A client was told that the share is stored so, or that its lease is renewed; `began` is when
    // it asked.
    void stored(const IndexName& name, ByteBuffer content, Moment began);
    void renewed(const IndexName& name, Moment began);

    // What somebody saw. `now` is when.
    void saw(const IndexName& name, const Share& seen, Moment now);
    // The same after a restart: what was seen is what is known.
    void settle(const IndexName& name, const Share& seen, Moment now);

    // What the customer asks for counts from the question on, and ends with the answer.
    void asked(GridId grid, storage::CollectionKind kind, std::int64_t before_s, Moment now);
    void refused(GridId grid);  // the last one
    void ended(GridId grid, storage::CollectionKind kind, Moment now);
    void clock_confirmed(Moment now) { confirmed_s_ = now.elapsed_s; }
    // At each start and each jump: how far the wall clock came.
    void clock_showed(std::int64_t wall_s, bool anew) {
        wall_top_s_ = anew ? wall_s : std::max(wall_top_s_, wall_s);
    }

    // The record of what was freed in the grid must have these.
    struct Freed {
        std::uint64_t shares = 0;
        std::uint64_t bytes = 0;
    };
    void compare_record(GridId grid, const Freed& record, const Freed& by_day);

  private:
    struct Order {
        storage::CollectionKind kind{};
        std::int64_t before_s = 0;
        std::int64_t asked_s = 0;
        std::int64_t ended_s = INT64_MAX;
    };
    bool may_be_gone(const IndexName& name, const Kept& kept, Moment now) const;
    void gone(const IndexName& name, Kept& kept, Moment now);

    Run& run_;
    std::map<IndexName, Kept> kept_;
    std::map<GridId, std::vector<Order>> orders_;
    std::map<GridId, Freed> freed_;
    std::map<GridId, Freed> maybe_freed_;  // and overwritten by a call that got no answer
    std::int64_t confirmed_s_ = INT64_MIN / 2;
    std::int64_t wall_top_s_ = 0;
};

}  // namespace s4::simulation
