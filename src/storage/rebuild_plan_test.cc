// What a share's blobs say, where it depends on blobs of other shares of its slot.
#include "storage/rebuild_plan.h"

#include <gtest/gtest.h>

namespace s4::storage {
namespace {

FoundBlob blob_of(std::uint64_t version, std::uint64_t base, std::vector<CommitEntry> record = {}) {
    FoundBlob out;
    out.name.fill(static_cast<std::uint8_t>(version));
    out.kind = ShareKind::mutable_;
    out.version = version;
    out.base_version = base;
    out.share_length = 100'000;
    out.data = {0, 100'000};
    out.record = std::move(record);
    return out;
}

TEST(RebuildPlan, ACommitThatALaterVersionWasNotMadeFromNeverTookPlace) {
    // Version 5 of both shares: its blobs were written, and the process ended before the commit.
    const std::vector<CommitEntry> both = {{0, 5, 100'000, 1}, {1, 5, 100'000, 1}};
    FoundShares found;
    found[0][1] = {blob_of(1, 0)};
    found[1][1] = {blob_of(1, 0)};
    found[0][5] = {blob_of(5, 1, both)};
    found[1][5] = {blob_of(5, 1, both)};
    EXPECT_EQ(judge_share(found, {}, 0, {}).row.version, 5u);  // as far as anybody knows
    EXPECT_EQ(judge_share(found, {}, 1, {}).row.version, 5u);
    // Then the first share was changed alone.
    found[0][8] = {blob_of(8, 1)};
    EXPECT_EQ(judge_share(found, {}, 0, {}).row.version, 8u);
    EXPECT_EQ(judge_share(found, {}, 1, {}).row.version, 1u);
}

TEST(RebuildPlan, ACommitThatALaterVersionWasMadeFromTookPlace) {
    const std::vector<CommitEntry> both = {{0, 5, 100'000, 2}, {1, 5, 100'000, 1}};
    FoundShares found;
    found[1][1] = {blob_of(1, 0)};
    found[0][5] = {blob_of(5, 1, both)};  // the other blob was superseded, and is gone
    found[1][5] = {blob_of(5, 1, both)};
    found[0][8] = {blob_of(8, 5)};
    EXPECT_EQ(judge_share(found, {}, 1, {}).row.version, 5u);
}

}  // namespace
}  // namespace s4::storage
