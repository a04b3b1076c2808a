// Upload: one unfinished immutable share: who may write it, what was written, and the bytes, in
// memory while they are few and in a draft of the store otherwise. Used by uploads.h alone; lives
// on the engine's reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "blob/store.h"
#include "rt/sync.h"
#include "storage/blob_format.h"
#include "storage/blob_names.h"
#include "storage/core.h"
#include "storage/range_set.h"

namespace s4::storage {

// The bytes of an upload at [0, size). What was never written reads as zeros.
class UploadBytes {
  public:
    UploadBytes(Core& core, std::uint64_t size, std::uint64_t& memory_of_all)
        : core_(core), size_(size), memory_of_all_(memory_of_all) {}
    UploadBytes(const UploadBytes&) = delete;
    UploadBytes& operator=(const UploadBytes&) = delete;
    ~UploadBytes() { memory_of_all_ -= memory_.size() + gather_.capacity(); }

    // May keep the last bytes in memory until flush().
    rt::Task<Result<void>> write(const rt::Context& ctx, std::uint64_t offset, ByteView bytes);
    // Hands everything to the draft and frees what was kept.
    rt::Task<Result<void>> flush(const rt::Context& ctx);
    // Fills `into`, with zeros where nothing was written.
    rt::Task<Result<void>> read(const rt::Context& ctx, std::uint64_t offset, MutByteView into);
    rt::Task<Result<void>> write_zeros(const rt::Context& ctx, ByteRange range);
    // For a small share: all of it.
    rt::Task<Result<ByteBuffer>> whole(const rt::Context& ctx);
    blob::Draft* draft() { return draft_.get(); }
    // For a large share nothing was written to.
    rt::Task<Result<void>> begin_draft(const rt::Context& ctx);

  private:
    rt::Task<Result<void>> write_draft(const rt::Context& ctx, std::uint64_t offset,
                                       ByteView bytes);

    Core& core_;
    std::uint64_t size_;
    std::uint64_t& memory_of_all_;
    ByteBuffer memory_;
    // Pieces come in the sizes of the network; the draft gets them in larger ones, since each costs
    // a trip to the pool.
    ByteBuffer gather_;
    std::uint64_t gather_at_ = 0;
    std::unique_ptr<blob::Draft> draft_;  // the share's data begin at kBlobHeaderBytes
};

struct Upload {
    Upload(Core& core, const UploadKey& upload_key, const UploadOwner& upload_owner,
           const tables::Lease& first_lease, std::uint64_t share_size, std::uint64_t& memory_of_all)
        : key(upload_key),
          owner(upload_owner),
          lease(first_lease),
          size(share_size),
          last_active(core.now()),
          turn(core.runtime.reactor, 1),
          bytes(core, share_size, memory_of_all) {}

    IndexKey index_key() const { return {key.grid, key.index}; }
    std::uint64_t reserved_bytes() const { return size + kShareOverheadBytes; }
    bool secret_owned() const { return std::holds_alternative<Secret>(owner); }
    bool owned_by(const UploadOwner& other) const { return owner == other; }

    UploadKey key;
    UploadOwner owner;
    tables::Lease lease;  // its expiry is set anew at the commit
    std::uint64_t size;

    RangeSet written;
    // A write that failed half-way may have left bytes where `written` says nothing was.
    bool stray_bytes = false;
    Instant last_active;
    std::size_t users = 0;    // writes and commits under way or waiting
    bool committing = false;  // from here on only the commit's outcome ends it
    bool gone = false;        // aborted, replaced or complete: holders let go of it
    rt::Semaphore turn;       // writes go one at a time

    UploadBytes bytes;
    BlockSums sums;  // of the first bytes, as far as they came in order
    bool intending = false;
    std::optional<BlobNames::Hold> blob;  // its intent is committed
    std::optional<ShareRow> published;    // the blob is in the store; only the commit is missing
};

}  // namespace s4::storage
