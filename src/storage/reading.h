// Reading: the calls of the engine that change nothing. Lives on the engine's reactor.
//
// Cost of a read of a small immutable share: nothing but memory when index and bytes are cached;
// else one trip to the database with two indexed selects.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "storage/core.h"

namespace s4::storage {

class Reading {
  public:
    explicit Reading(Core& core) : core_(core) {}

    rt::Task<Result<std::vector<ShareNumber>>> list(const rt::Context& ctx, GridId grid,
                                                    const StorageIndex& index, ShareKind kind);
    rt::Task<Result<std::shared_ptr<ShareReader>>> open(const rt::Context& ctx, GridId grid,
                                                        const StorageIndex& index,
                                                        ShareNumber share, ShareKind kind,
                                                        ByteRange wanted);
    rt::Task<Result<std::vector<std::shared_ptr<ShareReader>>>> open_all(const rt::Context& ctx,
                                                                         GridId grid,
                                                                         const StorageIndex& index,
                                                                         ShareKind kind);
    rt::Task<Result<std::vector<ShareExtracts>>> read_slot(const rt::Context& ctx, GridId grid,
                                                           const StorageIndex& index,
                                                           std::vector<ShareNumber> shares,
                                                           std::vector<ByteRange> reads);

  private:
    rt::Task<Result<std::shared_ptr<ShareReader>>> open_immutable(const rt::Context& ctx,
                                                                  const IndexKey& key,
                                                                  ShareNumber share);
    rt::Task<Result<std::shared_ptr<ShareReader>>> open_mutable(const rt::Context& ctx,
                                                                const IndexKey& key,
                                                                ShareNumber share,
                                                                ByteRange wanted);

    Core& core_;
};

}  // namespace s4::storage
