// SlotPlan: one test-and-write that puts extents into the store. It has the index to itself
// (Turns), so that what it read stays true; the commit makes sure of that by the shares' versions.
//
//   load -> enabler -> tests -> plan each share -> intents -> blobs -> commit
//
// What fails before the commit leaves only blobs whose intents the collector finds. Memory: at most
// kPutsInParallel extents of 1 MiB for a call, kExtentsInFlightMax for all. Lives for one call, on
// the engine's reactor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "rt/sync.h"
#include "storage/blob_format.h"
#include "storage/core.h"
#include "storage/range_set.h"
#include "storage/readers.h"
#include "storage/slots.h"

namespace s4::storage {

// A region of a share that gets a new blob.
struct RegionPlan {
    ByteRange range;                    // of the share: what the blob holds
    BlobNames::Hold blob;               // its name
    std::vector<tables::Piece> pieces;  // of the whole region afterwards, in order
};

struct SharePlan {
    enum class Outcome : std::uint8_t { unchanged, deleted, small, extents };

    ShareNumber number = 0;
    const ShareTestWrite* write = nullptr;
    const MutableShare* old = nullptr;  // null: the share is new
    Outcome outcome = Outcome::unchanged;
    std::uint64_t length = 0;  // afterwards
    std::uint64_t version = 0;
    RangeSet written;                 // by the write vectors
    ByteBuffer data;                  // outcome small
    std::vector<RegionPlan> regions;  // outcome extents
    std::set<tables::BlobName> superseded;

    std::uint64_t old_length() const { return old ? old->row.length : 0; }
};

class SlotPlan {
  public:
    SlotPlan(Core& core, const SlotCall& call, rt::Semaphore& permits)
        : core_(core), call_(call), permits_(permits) {}

    rt::Task<Result<TestWriteAnswer>> run(const rt::Context& ctx);

  private:
    rt::Task<Result<void>> load(const rt::Context& ctx);
    rt::Task<Result<bool>> tests_pass(const rt::Context& ctx);
    rt::Task<Result<bool>> passes(const rt::Context& ctx, ShareReader* reader,
                                  const TestVector& test);

    rt::Task<Result<void>> plan_share(const rt::Context& ctx, SharePlan& plan);
    void plan_regions(SharePlan& plan);
    void plan_region(SharePlan& plan, std::uint64_t region, ByteRange range);

    // The share's bytes in `range` as they will be.
    rt::Task<Result<void>> assemble(const rt::Context& ctx, const SharePlan& plan, ByteRange range,
                                    MutByteView into);
    rt::Task<Result<void>> intend(const rt::Context& ctx);
    rt::Task<Result<void>> put_all(const rt::Context& ctx);
    rt::Task<void> put_some(const rt::Context& ctx);
    rt::Task<Result<void>> put_one(const rt::Context& ctx, const SharePlan& plan,
                                   const RegionPlan& region);
    ByteBuffer commit_record() const;

    // slot_commit.cc
    rt::Task<Result<void>> commit(const rt::Context& ctx);
    Result<UsageRow> commit_in(sql::Transaction& tx, std::uint64_t reserved) const;
    Result<void> commit_share(sql::Transaction& tx, const SharePlan& plan) const;
    Result<void> commit_small(sql::Transaction& tx, const SharePlan& plan, ShareRow row) const;
    Result<void> commit_extents(sql::Transaction& tx, const SharePlan& plan, ShareRow row) const;
    Result<void> commit_slot(sql::Transaction& tx, std::int64_t shares_left) const;

    Core& core_;
    const SlotCall& call_;
    rt::Semaphore& permits_;

    IndexRows rows_;
    std::optional<tables::SlotRow> slot_;
    std::map<ShareNumber, MutableShare> shares_;  // those that the call reads or writes
    std::map<ShareNumber, std::shared_ptr<ShareReader>> readers_;
    std::vector<SharePlan> plans_;

    struct Put {
        const SharePlan* plan;
        const RegionPlan* region;
    };
    std::vector<Put> puts_;
    std::size_t next_put_ = 0;
    std::optional<Error> put_error_;
    ByteBuffer record_;
};

}  // namespace s4::storage
