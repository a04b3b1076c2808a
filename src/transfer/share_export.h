// ShareExport: a grid's shares as a storage node keeps them, in containers of version 2.
//
// It may be run again and again: what is right already is left alone, what changed is replaced, and
// what is gone from the grid goes. Each file is written under another name and renamed; all shares
// of a slot are of one moment. Made for one run, on the engine's reactor; the caller holds the
// grid's record.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "rt/runtime.h"
#include "rt/task.h"
#include "storage/engine.h"
#include "tahoe/share_file.h"
#include "transfer/skipped_list.h"

namespace s4::transfer {

struct ExportReport {
    std::uint64_t shares = 0;  // in the directory now
    std::uint64_t written = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t removed = 0;
};

class ShareExport {
  public:
    using Tell = std::function<void(std::string_view progress)>;

    // `shares` is the folder of the shares, which is there.
    ShareExport(rt::Runtime& runtime, storage::Engine& engine, GridId grid, tahoe::TubId tub_id,
                std::string shares, SkippedList& skipped)
        : runtime_(runtime),
          engine_(engine),
          grid_(grid),
          tub_id_(tub_id),
          shares_(std::move(shares)),
          skipped_(skipped) {}

    // Once. A share that fails its checksums is left out and listed. Errors: the engine's, files.*.
    rt::Task<Result<ExportReport>> run(const rt::Context& ctx, const Tell& tell);

  private:
    // A file as it is to be.
    struct Wanted {
        std::shared_ptr<storage::ShareReader> share;
        std::string path;
        ByteBuffer head;
        ByteBuffer tail;
    };
    struct IndexKind {
        storage::StorageIndex index;
        storage::ShareKind kind;
    };

    rt::Task<void> work(const rt::Context& ctx, const std::vector<IndexKind>& page,
                        std::size_t& next, Result<void>& outcome);
    rt::Task<Result<void>> export_index(const rt::Context& ctx, const IndexKind& index);
    rt::Task<Result<Wanted>> wanted(const rt::Context& ctx, const IndexKind& index,
                                    std::shared_ptr<storage::ShareReader> share,
                                    const Secret& enabler);
    // Whether the file is as wanted; a file that only lacks the newest leases is brought up to
    // date.
    rt::Task<Result<bool>> is_current(const rt::Context& ctx, const Wanted& wanted);
    rt::Task<Result<bool>> same_data(const rt::Context& ctx, const Wanted& wanted, rt::File& file);
    rt::Task<Result<void>> write(const rt::Context& ctx, const Wanted& wanted);
    rt::Task<Result<void>> remove_gone(const rt::Context& ctx, const std::string& prefix);
    rt::Task<Result<void>> remove_gone_of(const rt::Context& ctx, const std::string& folder,
                                          const storage::StorageIndex& index);

    rt::Runtime& runtime_;
    storage::Engine& engine_;
    GridId grid_;
    tahoe::TubId tub_id_;
    std::string shares_;
    SkippedList& skipped_;
    ExportReport report_;
};

}  // namespace s4::transfer
