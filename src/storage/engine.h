// Engine: the shares of all grids of this node, whoever asks and however they spoke. The gate's two
// protocols call it; it knows neither.
//
// Semantics are those of the protocol reference, C.4 and C.7, for both protocols. Every answer that
// says "stored" is given after COMMIT (invariant 1). One index is one critical section.
//
// All calls are made on the engine's reactor; tasks may run side by side. What a call references
// must live until it returns. Lives as long as the node: create(), then close() before destruction.
//
// Error codes (kind): storage.no_such_grid, .no_such_share, .no_such_upload (not_found);
// .invalid_* (invalid); .wrong_upload_secret, .bad_write_enabler (unauthorized);
// .conflicting_write, .upload_complete, .share_exists, .wrong_kind (conflict); .write_past_end,
// .share_too_large, .too_many_* (too_large); .no_space, .read_only (no_space); .frozen, .draining
// (unavailable); .corrupt (corrupt). From below: sql.*, files.*, blob.*; a full disk is no_space, a
// failing one io: the same request may be made again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/context.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "storage/check.h"
#include "storage/figures.h"
#include "storage/policy.h"
#include "storage/types.h"

namespace s4::sql {
class Database;
}
namespace s4::blob {
class Store;
}
namespace s4::crypto {
class MasterKey;
}

namespace s4::storage {

class EngineState;
class Expiry;
class UsageHistory;

// One share in the version it had when it was opened; later changes and deletion do not reach it.
// Cheap to hold: large shares are read from the store on demand. Gone before the engine is.
class ShareReader {
  public:
    virtual ~ShareReader() = default;

    ShareNumber share() const { return share_; }
    ShareKind kind() const { return kind_; }
    std::uint64_t length() const { return length_; }

    // The bytes at [offset, offset + size), clipped at the end of the share: less or nothing there.
    // `size` is at most kReadBytesMax. The view lies in `scratch` or in the reader and lives as
    // long as both stay untouched. Reads may run side by side, each with a scratch of its own.
    virtual rt::Task<Result<ByteView>> read(const rt::Context& ctx, std::uint64_t offset,
                                            std::size_t size, ByteBuffer& scratch) = 0;

  protected:
    ShareReader(ShareNumber share, ShareKind kind, std::uint64_t length)
        : share_(share), kind_(kind), length_(length) {}

  private:
    ShareNumber share_;
    ShareKind kind_;
    std::uint64_t length_;
};

// A piece of a share, as a read vector asked for it, already clipped; its bytes are
// reader->read(ctx, range.offset + i, ...).
struct Extract {
    std::shared_ptr<ShareReader> reader;
    ByteRange range;
};

// One share's items, in the order of the read vector.
struct ShareExtracts {
    ShareNumber share = 0;
    std::vector<Extract> items;
};

// One write to an unfinished upload, whose bytes arrive in pieces. Nothing counts as written before
// finish() says so; dropping the object drops the write. Writes to one upload take turns.
class UploadWrite {
  public:
    virtual ~UploadWrite() = default;

    // Fails with storage.conflicting_write at the first byte that differs from what was written
    // earlier, storage.write_past_end beyond the promised length; the write is then over.
    virtual rt::Task<Result<void>> append(const rt::Context& ctx, ByteView bytes) = 0;
    // Fails with storage.invalid_write_length when bytes are missing. When this write was the
    // last of a secret-owned upload, returns after the share is durable. If that fails, the written
    // bytes stay and the same write may be made again.
    virtual rt::Task<Result<WriteAnswer>> finish(const rt::Context& ctx) = 0;
};

// Where the data of one test-and-write gathers as it arrives, before anyone knows where it belongs:
// in memory, then in a file that vanishes with the object or the process.
class Staging {
  public:
    virtual ~Staging() = default;
    virtual rt::Task<Result<void>> append(const rt::Context& ctx, ByteView bytes) = 0;
    // [offset, offset + into.size()), which was appended.
    virtual rt::Task<Result<void>> read(const rt::Context& ctx, std::uint64_t offset,
                                        MutByteView into) = 0;
    virtual std::uint64_t size() const = 0;
};

struct TestWriteRequest {
    StorageIndex index;
    Secret write_enabler;
    LeaseSecrets secrets;
    std::map<ShareNumber, ShareTestWrite> shares;
    std::vector<ByteRange> reads;      // applied to every share as it was before
    std::unique_ptr<Staging> staging;  // none when nothing is written
};

struct TestWriteAnswer {
    bool success = false;
    std::vector<ShareExtracts> before;  // of every share that existed, sorted
};

struct EngineOptions {
    std::uint64_t small_share_bytes_max = kSmallShareBytesMax;
    std::int64_t blob_retention_s = 7 * 24 * 3600;  // of superseded blobs
    // The collector of superseded and abandoned blobs runs a step this often.
    Duration collect_every = std::chrono::minutes(1);
    // Below this much free space on the store's disk nothing new is promised.
    std::uint64_t disk_reserve_bytes = 256 * kMiB;
    // Rows that one step of counting looks at.
    std::size_t survey_step_rows = kSurveyStepRows;
    // What the scrub reads at most; 0: no scrub.
    std::uint64_t scrub_bytes_per_s = 0;

    // Bugs that the simulator must be able to find; never set by the program.
    struct PlantedBugs {
        bool base_not_written = false;   // blobs do not say what their version was made from
        bool second_pass_blind = false;  // what was marked goes, whatever happened to it since
        bool clock_trusted = false;      // a clock that jumped counts as right
    };
    PlantedBugs planted_bugs{};
};

class Engine {
  public:
    // Clears what a former process left unfinished. Background work stops when `ctx` is cancelled,
    // at the latest by close(). The references outlive the engine; the database's schema holds
    // storage::migrations() (schema.h).
    static rt::Task<Result<std::unique_ptr<Engine>>> create(
        const rt::Context& ctx, rt::Runtime& runtime, sql::Database& database, blob::Store& blobs,
        const crypto::MasterKey& master, const Policies& policies, EngineOptions options);
    ~Engine();

    // -- space --

    // Answered from memory once the grid is known.
    rt::Task<Result<Space>> space(const rt::Context& ctx, GridId grid);
    rt::Task<Result<Usage>> usage(const rt::Context& ctx, GridId grid);
    // Counted in steps; a large grid takes a while.
    rt::Task<Result<GridFigures>> figures(const rt::Context& ctx, GridId grid);

    // -- immutable shares --

    // Shares without room, in another's hands, or above what may be are absent from both sets. A
    // repetition with the same upload secret and size gives the same answer. Renews or adds the
    // lease on the shares that are there, unless the grid is full or read-only, when it is skipped.
    // Fails with storage.wrong_kind on an index of mutable shares.
    rt::Task<Result<AllocateAnswer>> allocate(const rt::Context& ctx, GridId grid,
                                              AllocateRequest request);
    // For `length` bytes at `offset`. Waits for an earlier write to the same upload.
    rt::Task<Result<std::unique_ptr<UploadWrite>>> begin_write(const rt::Context& ctx,
                                                               const UploadKey& key,
                                                               const UploadOwner& owner,
                                                               std::uint64_t offset,
                                                               std::uint64_t length);
    // begin_write, append, finish.
    rt::Task<Result<WriteAnswer>> write(const rt::Context& ctx, const UploadKey& key,
                                        const UploadOwner& owner, std::uint64_t offset,
                                        ByteView bytes);
    // Foolscap's close: what was not written reads as zeros; returns after the share is durable.
    rt::Task<Result<void>> finish_upload(const rt::Context& ctx, const UploadKey& key,
                                         const UploadOwner& owner);
    // Fails with storage.no_such_upload, .wrong_upload_secret, or .upload_complete.
    rt::Task<Result<void>> abort_upload(const rt::Context& ctx, const UploadKey& key,
                                        const UploadOwner& owner);
    // Aborts every upload that the connection owns, but those whose last byte is being committed.
    void connection_lost(ConnectionId connection);

    // -- reading; an index of the other kind has no shares of this one --

    // Complete shares, sorted.
    rt::Task<Result<std::vector<ShareNumber>>> list(const rt::Context& ctx, GridId grid,
                                                    const StorageIndex& index, ShareKind kind);
    // `wanted` is what will be read at most (kWholeShare if unknown): a large mutable share then
    // loads no more of its map than that. Fails with storage.no_such_share.
    rt::Task<Result<std::shared_ptr<ShareReader>>> open(const rt::Context& ctx, GridId grid,
                                                        const StorageIndex& index,
                                                        ShareNumber share, ShareKind kind,
                                                        ByteRange wanted);
    // All complete shares of the index in one snapshot, sorted; none is no error.
    rt::Task<Result<std::vector<std::shared_ptr<ShareReader>>>> open_all(const rt::Context& ctx,
                                                                         GridId grid,
                                                                         const StorageIndex& index,
                                                                         ShareKind kind);

    // -- mutable shares --

    std::unique_ptr<Staging> stage();
    // Foolscap's slot_readv: an empty list of shares means all; unknown ones are left out.
    rt::Task<Result<std::vector<ShareExtracts>>> read_slot(const rt::Context& ctx, GridId grid,
                                                           const StorageIndex& index,
                                                           std::vector<ShareNumber> shares,
                                                           std::vector<ByteRange> reads);
    // Atomic over all shares of the slot. Fails with storage.bad_write_enabler before anything
    // else is looked at.
    rt::Task<Result<TestWriteAnswer>> read_test_write(const rt::Context& ctx, GridId grid,
                                                      TestWriteRequest request);

    // -- leases and advisories --

    // On every share of the index, of either kind; returns on how many. 0 means that there are
    // none (404 over GBS, nothing over Foolscap). A new lease on a read-only grid fails with
    // storage.read_only, one above the limit with storage.too_many_leases.
    rt::Task<Result<std::size_t>> add_lease(const rt::Context& ctx, GridId grid,
                                            const StorageIndex& index, LeaseSecrets secrets);
    // Fails with storage.no_such_share.
    rt::Task<Result<void>> advise_corrupt(const rt::Context& ctx, GridId grid,
                                          const StorageIndex& index, ShareNumber share,
                                          ShareKind kind, std::string reason);
    // The newest first, below `before` (0: from the newest).
    rt::Task<Result<std::vector<Advisory>>> advisories(const rt::Context& ctx, GridId grid,
                                                       std::int64_t before, std::size_t limit);

    // -- walking a grid in steps --

    // At most `limit` shares after (index, share), in order of both.
    rt::Task<Result<std::vector<ShareInfo>>> shares_after(
        const rt::Context& ctx, GridId grid,
        std::optional<std::pair<StorageIndex, ShareNumber>> after, std::size_t limit);
    rt::Task<Result<std::vector<LeaseInfo>>> leases(const rt::Context& ctx, GridId grid,
                                                    const StorageIndex& index, ShareNumber share);
    // For import: puts the leases that another server kept on shares of the index, as they are and
    // however many; of two with the same renew secret the later expiry counts. Those of
    // `instead_of`, under which the import stored the shares, go. Shares that are gone are left
    // out.
    rt::Task<Result<void>> adopt_leases(const rt::Context& ctx, GridId grid,
                                        const StorageIndex& index,
                                        std::vector<AdoptedLeases> adopted,
                                        LeaseSecrets instead_of);
    // The slot's write enabler, for export. Fails with storage.no_such_share.
    rt::Task<Result<Secret>> write_enabler(const rt::Context& ctx, GridId grid,
                                           const StorageIndex& index);
    // Usage counted afresh from the shares, for whoever checks usage().
    rt::Task<Result<Usage>> recount(const rt::Context& ctx, GridId grid);
    // Reads the whole share and verifies every checksum. Fails with storage.corrupt.
    rt::Task<Result<void>> verify(const rt::Context& ctx, GridId grid, const StorageIndex& index,
                                  ShareNumber share);
    // Deletes up to `limit` shares of the grid with their leases; returns how many are left at
    // least (0: none). For grids whose retention date has passed; their policy is frozen by then.
    rt::Task<Result<std::size_t>> purge_step(const rt::Context& ctx, GridId grid,
                                             std::size_t limit);

    // -- looking after what is stored --

    // One step of a check (check.h), over all grids or one; the next begins at the report's `next`.
    rt::Task<Result<CheckReport>> check_step(const rt::Context& ctx, CheckRequest request);
    rt::Task<Result<CareStatus>> care_status(const rt::Context& ctx);

    // -- leases' end, and usage by day: expiry.h, usage_history.h --

    Expiry& expiry();
    UsageHistory& usage_history();

    // -- life --

    // One step of the collector: abandoned intents, superseded blobs past retention, and a page of
    // the comparison of store and database. The engine runs it by itself every
    // options.collect_every; backup pauses it.
    struct CollectReport {
        std::size_t intents = 0;
        std::size_t superseded = 0;
        std::size_t orphans = 0;
    };
    rt::Task<Result<CollectReport>> collect_step(const rt::Context& ctx);
    void pause_collector();
    void resume_collector();

    // Takes no new uploads; returns when none is unfinished or at the context's deadline.
    rt::Task<void> drain(const rt::Context& ctx);
    // Aborts what is unfinished and waits for what is being committed. Calls after it fail.
    rt::Task<void> close();

  private:
    explicit Engine(std::unique_ptr<EngineState> state);

    std::unique_ptr<EngineState> state_;
};

}  // namespace s4::storage
