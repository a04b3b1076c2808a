// Slots: test-and-write of mutable shares. Lives on the engine's reactor, as long as the engine.
//
// Two ways to the same commit:
// - Everything the call touches is small and its data are in memory: the writer's closure decides
//   and writes (write_small). Cost of rewriting one 1 KiB share: three selects, three updates.
// - Else the call takes the index for itself, plans beside the database, puts the new extents into
//   the store, and commits pointers to them (slot_plan.h).
// The first finds out inside its closure whether the second is needed.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "storage/core.h"
#include "storage/readers.h"

namespace s4::storage {

// What all attempts of one call know.
struct SlotCall {
    IndexKey key;
    GridPolicy policy;
    const TestWriteRequest& request;
    tables::SlotRow enabler;  // as a new slot would hold it
    tables::Lease lease;
};

// How long the share is after its writes, from `length` before. 0 with deletion.
std::uint64_t length_after(std::uint64_t length, const ShareTestWrite& write);
// Whether the write vectors or the new length say anything at all for a share of this length.
bool deletes(const ShareTestWrite& write);
// Fails with storage.bad_write_enabler, or storage.wrong_kind on an index of immutable shares.
Result<void> check_slot(const SlotCall& call, const IndexRows& rows,
                        const std::optional<tables::SlotRow>& slot);
// Fails with storage.no_space when the usage grew, and past what mutable growth may.
Result<void> check_growth(const SlotCall& call, const UsageRow& used, std::uint64_t reserved,
                          std::int64_t growth);
// The rule for leases of shares that a write touched.
tables::LeaseRule lease_rule(const SlotCall& call);

class Slots {
  public:
    explicit Slots(Core& core)
        : core_(core), extent_permits_(core.runtime.reactor, kExtentsInFlightMax) {}

    rt::Task<Result<TestWriteAnswer>> read_test_write(const rt::Context& ctx, GridId grid,
                                                      TestWriteRequest request);

  private:
    // Nothing when the call needs the other way; the database is then unchanged.
    rt::Task<Result<std::optional<TestWriteAnswer>>> write_small(const rt::Context& ctx,
                                                                 const SlotCall& call);
    rt::Task<Result<TestWriteAnswer>> write_large(const rt::Context& ctx, const SlotCall& call);

    Core& core_;
    rt::Semaphore extent_permits_;  // extents held in memory at one time, by all calls
};

}  // namespace s4::storage
