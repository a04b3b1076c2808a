// The three ways a share is read, and what a closure loads to make them. Used by reading.h and
// slots.h; lives on the engine's reactor.
//
//   immutable, small   bytes from the cache or the database, by the row's id, which is never reused
//   immutable, large   ranges of one blob
//   mutable            the bytes themselves when small; else pieces of blobs, zeros between them
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "storage/core.h"

namespace s4::storage {

// A mutable share as a closure found it: its row, and its bytes or its pieces.
struct MutableShare {
    ShareRow row;
    ByteBuffer data;                    // place small
    std::vector<tables::Piece> pieces;  // place extents; those that were wanted
};

Result<MutableShare> load_mutable(sql::Reader& db, const IndexKey& key, const ShareRow& row,
                                  ByteRange wanted);

std::shared_ptr<ShareReader> make_immutable_reader(Core& core, const IndexKey& key,
                                                   const ShareRow& row);
std::shared_ptr<ShareReader> make_mutable_reader(Core& core, const IndexKey& key,
                                                 MutableShare share);

// The ranges of a read vector, each clipped at the end of the share.
ShareExtracts extract(std::shared_ptr<ShareReader> reader, const std::vector<ByteRange>& reads);
// [offset, offset + size) clipped to [0, length).
ByteRange clip(ByteRange range, std::uint64_t length);

}  // namespace s4::storage
