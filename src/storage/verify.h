// Verify: reads a share whole and compares it with everything that is known of it: the row's
// length, the blobs' headers, every checksum. Used by check, scrub, export and repair; lives on the
// engine's reactor.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/care_tables.h"
#include "storage/core.h"
#include "storage/io_budget.h"

namespace s4::storage {

class Verify {
  public:
    explicit Verify(Core& core) : core_(core) {}

    // Adds what it read to `bytes`; `budget` may be null. Errors: storage.no_such_share; what
    // is_damage() tells from those of the outside world.
    rt::Task<Result<void>> share(const rt::Context& ctx, const IndexKey& key, ShareNumber number,
                                 IoBudget* budget, std::uint64_t& bytes);
    // Looks at the shares after this place, of `only` alone if it is given: at most `limit`, or
    // fewer with kLookBytes. The small ones are verified by that, in one trip.
    struct Look {
        std::size_t shares = 0;                   // 0: there are none
        std::uint64_t bytes = 0;                  // read of small ones
        tables::SharePlace end;                   // the last share's
        std::vector<tables::PlacedShare> others;  // large, or not sound: for share()
    };
    rt::Task<Result<Look>> look(const rt::Context& ctx, const tables::SharePlace& after,
                                std::optional<GridId> only, std::size_t limit);
    // The blobs that these pieces of a share are in, or should be.
    rt::Task<Result<void>> blobs(const rt::Context& ctx, const IndexKey& key, const ShareRow& row,
                                 const std::vector<tables::Piece>& pieces, IoBudget* budget,
                                 std::uint64_t& bytes);

  private:
    rt::Task<Result<void>> blob(const rt::Context& ctx, const IndexKey& key, const ShareRow& row,
                                const std::vector<tables::Piece>& pieces, tables::BlobName name,
                                IoBudget* budget, std::uint64_t& bytes);

    Core& core_;
};

// Whether the share itself is broken, and not the way to it.
bool is_damage(const Error& error);

}  // namespace s4::storage
