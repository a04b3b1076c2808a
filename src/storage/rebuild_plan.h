// What the blobs of one index say about its shares: pure functions over headers, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "storage/blob_format.h"
#include "storage/tables.h"

namespace s4::storage {

// One blob, as its header and commit record describe it.
struct FoundBlob {
    tables::BlobName name{};
    ShareKind kind = ShareKind::immutable;
    std::uint64_t version = 0;
    std::uint64_t base_version = 0;
    std::uint64_t share_length = 0;
    ByteRange data;
    UnixSeconds made = 0;
    std::uint32_t blobs_in_version = 1;
    ByteBuffer enabler_sealed;
    std::vector<CommitEntry> record;
};
// Of one index: by share and version.
using FoundVersions = std::map<std::uint64_t, std::vector<FoundBlob>>;
using FoundShares = std::map<ShareNumber, FoundVersions>;

// What is to be done about one share.
struct ShareVerdict {
    enum class What : std::uint8_t {
        keep,        // the database knows this version or a newer one
        take,        // the version below
        left_out,    // no version is whole
        lost_small,  // its newest version was small, and the database does not have it
        deleted,     // by a commit that the blobs tell of
    };
    What what = What::keep;
    bool half_newest = false;  // a newer version was there in part
    ShareRow row;
    std::vector<tables::Piece> pieces;  // of a mutable share
    UnixSeconds made = 0;
    ByteBuffer enabler_sealed;
};

// `known` is what the database has; `pieces` those of its share `number`.
ShareVerdict judge_share(const FoundShares& found, const IndexRows& known, ShareNumber number,
                         const std::vector<tables::Piece>& pieces);

}  // namespace s4::storage
