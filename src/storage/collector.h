// Collector: removes blobs that nothing needs, in small steps beside the clients' work. Lives on
// the engine's reactor.
//
// - An intent that no upload or write of this process uses was abandoned: the row goes, then the
//   blob, if there ever was one. (One process serves a database; `run` in the row tells runs
//   apart.)
// - A superseded blob goes after its retention, the oldest first but for what a reader holds; the
//   row first, in a transaction of its own, then the blob.
// - A blob in the store that no row knows (its row went, and the process ended before the blob)
//   becomes superseded, so that it too has its retention.
//
// After a jump of the wall clock nothing superseded is removed for a day.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/core.h"
#include "storage/engine.h"

namespace s4::storage {

class Collector {
  public:
    explicit Collector(Core& core);

    rt::Task<Result<Engine::CollectReport>> step(const rt::Context& ctx);
    rt::Task<Result<std::size_t>> collect_intents(const rt::Context& ctx);

  private:
    using TakeRow = Result<bool>(sql::Transaction&, const tables::BlobRow&);

    rt::Task<Result<Engine::CollectReport>> collect(const rt::Context& ctx);
    rt::Task<Result<std::size_t>> collect_superseded(const rt::Context& ctx);
    // Takes the rows that are still there, in one transaction, then removes their blobs.
    rt::Task<Result<std::size_t>> collect_listed(const rt::Context& ctx,
                                                 std::vector<tables::BlobRow> rows, TakeRow* take);
    rt::Task<Result<std::size_t>> compare_page(const rt::Context& ctx);
    rt::Task<Result<void>> remove(const rt::Context& ctx, const std::vector<tables::BlobRow>& rows);
    bool clock_jumped();

    Core& core_;
    std::string next_page_;
    std::int64_t last_unix_us_;
    Instant last_instant_;
    Instant trust_clock_at_;
};

}  // namespace s4::storage
