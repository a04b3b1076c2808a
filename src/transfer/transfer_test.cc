// Import and export on a simulated machine: what Tahoe's own files become, what a broken copy gets,
// and that a second run goes on.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "blob/directory_store.h"
#include "rt/sim/world.h"
#include "sql/database.h"
#include "storage/engine_test_fixture.h"
#include "transfer/node_directory.h"
#include "transfer/share_export.h"
#include "transfer/share_import.h"

namespace s4::transfer {
namespace {

using namespace std::chrono_literals;

using storage::ShareKind;
using storage::StorageIndex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ByteBuffer golden(const std::string& name) {
    std::ifstream file(std::string(S4_SOURCE_DIR) + "/src/tahoe/testdata/" + name,
                       std::ios::binary);
    EXPECT_TRUE(file.good()) << name;
    return {std::istreambuf_iterator<char>(file), {}};
}

class TransferTest : public storage::EngineFixture {
  protected:
    rt::Runtime& runtime() { return process_->runtime(); }
    rt::Files& files() { return runtime().files; }
    static constexpr const char* kShares = "node/shares";

    void place(const StorageIndex& index, const std::string& name, ByteView bytes) {
        const std::string folder = index_folder(kShares, index);
        ASSERT_TRUE(files().make_directories(folder));
        ASSERT_TRUE(rt::replace_file(files(), folder + "/" + name, bytes));
    }
    ByteBuffer file(const StorageIndex& index, const std::string& name,
                    const std::string& shares = "out") {
        const auto read = rt::read_file(files(), index_folder(shares, index) + "/" + name, kMiB);
        return read ? *read : ByteBuffer();
    }
    std::string skipped() {
        const auto read = rt::read_file(files(), "skipped", kMiB);
        return read ? to_string(*read) : "";
    }

    Result<ImportReport> import_node() {
        SkippedList list(runtime(), "skipped");
        const Tell tell = [](std::string_view) {};
        const Survey found = TRY(run(survey(ctx(), runtime(), kShares, list, tell)));
        SkippedList again(runtime(), "skipped");
        ShareImport import(runtime(), *engine_, kGrid, kShares, again);
        const ImportReport report = TRY(run(import.run(ctx(), found, tell)));
        EXPECT_EQ(report.stored + report.there + again.count(), found.shares + list.count());
        TRY(run(again.finish(ctx())));
        return report;
    }
    Result<ExportReport> export_grid() {
        TRY(files().make_directories("out"));
        SkippedList list(runtime(), "skipped");
        ShareExport to(runtime(), *engine_, kGrid, tub_, "out", list);
        const ExportReport report = TRY(run(to.run(ctx(), [](std::string_view) {})));
        TRY(run(list.finish(ctx())));
        return report;
    }
    std::vector<UnixSeconds> expiries(const StorageIndex& index, storage::ShareNumber share) {
        std::vector<UnixSeconds> out;
        for (const storage::LeaseInfo& lease :
             run(engine_->leases(ctx(), kGrid, index, share)).value())
            out.push_back(lease.expires);
        return out;
    }

    const StorageIndex one_ = storage::index_of(1);
    const StorageIndex two_ = storage::index_of(2);
    const tahoe::TubId tub_ = [] {
        tahoe::TubId out;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(i);
        return out;
    }();
    static constexpr UnixSeconds kGolden = 1'700'000'000;  // and 1, 2... of the golden leases
};

TEST_F(TransferTest, TahoesOwnFilesAreStoredWithLeasesAndWriteEnabler) {
    place(one_, "0", golden("immutable-v1-2"));
    place(one_, "3", golden("immutable-v2-2"));
    place(two_, "1", golden("mutable-v1-6"));
    const ImportReport report = import_node().value();
    EXPECT_EQ(report.stored, 3u);
    EXPECT_EQ(skipped(), "");
    EXPECT_EQ(to_string(content(one_, 0).value()), "immutable data");
    EXPECT_EQ(to_string(content(two_, 1, ShareKind::mutable_).value()), "mutable data");
    for (const storage::ShareNumber share : {0, 3})
        EXPECT_THAT(expiries(one_, share), UnorderedElementsAre(kGolden + 1, kGolden + 2));
    EXPECT_EQ(expiries(two_, 1).size(), 6u);
    const auto lease = run(engine_->leases(ctx(), kGrid, one_, 0)).value();
    const auto first = std::ranges::find(lease, kGolden + 1, &storage::LeaseInfo::expires);
    EXPECT_EQ(first->renew_hash, crypto::blake2b_256(ByteBuffer(32, 1)));
    EXPECT_TRUE(change(two_, {{1, {{}, {{0, storage::bytes("more")}}, {}}}}, {}, 0x77)->success)
        << "whoever could write to it can";
    expect_usage_exact();
}

TEST_F(TransferTest, WhatIsImportedIsExportedAsTahoeWroteIt) {
    for (const char* share : {"0", "7"}) place(one_, share, golden("immutable-v2-2"));
    place(two_, "1", golden("mutable-v2-2"));
    place(two_, "2", golden("mutable-v1-2"));
    ASSERT_TRUE(import_node());
    EXPECT_EQ(export_grid()->written, 4u);
    const auto same = [&](const StorageIndex& index, const char* share, const char* name) {
        // The order of leases means nothing, and is the only thing that may differ.
        const ByteBuffer out = file(index, share);
        const ByteBuffer in = golden(name);
        return out.size() == in.size() && std::ranges::is_permutation(out, in);
    };
    EXPECT_TRUE(same(one_, "0", "immutable-v2-2"));
    EXPECT_TRUE(same(one_, "7", "immutable-v2-2"));
    EXPECT_TRUE(same(two_, "1", "mutable-v2-2"));
    EXPECT_TRUE(same(two_, "2", "mutable-v2-2")) << "version 1 becomes version 2";
}

TEST_F(TransferTest, LargeSharesOfBothKindsGoBothWays) {
    const ByteBuffer large = storage::pattern(3'000'000, 1);
    ByteBuffer immutable = tahoe::write_immutable_head(large.size(), 0);
    append(immutable, large);
    ByteBuffer slot = tahoe::write_mutable_head(tub_, storage::secret32(50), large.size(), {});
    append(slot, large);
    append(slot, tahoe::write_mutable_tail(tub_, {}));
    place(one_, "0", immutable);
    place(two_, "0", slot);
    place(storage::index_of(3), "5", tahoe::write_immutable_head(0, 0));
    ASSERT_EQ(import_node()->stored, 3u);
    EXPECT_EQ(content(one_, 0).value(), large);
    EXPECT_EQ(content(two_, 0, ShareKind::mutable_).value(), large);
    EXPECT_THAT(expiries(one_, 0), IsEmpty());
    EXPECT_EQ(export_grid()->written, 3u);
    const auto whole = [&](const StorageIndex& index, const char* name) {
        return rt::read_file(files(), index_folder("out", index) + "/" + name, 8 * kMiB).value();
    };
    EXPECT_EQ(whole(one_, "0"), immutable);
    EXPECT_EQ(whole(two_, "0"), slot);
    EXPECT_EQ(whole(storage::index_of(3), "5"), tahoe::write_immutable_head(0, 0));
}

TEST_F(TransferTest, ABrokenCopyIsListedAndTheRestGoesOn) {
    place(one_, "0", golden("immutable-v2-2"));
    ByteBuffer half = golden("immutable-v2-2");
    half.resize(100);
    place(one_, "1", half);
    place(one_, "x", half);
    place(one_, "01", half);
    place(one_, "2", golden("mutable-v2-2"));
    place(two_, "0", storage::bytes("not a share, whatever it is"));
    ASSERT_TRUE(files().make_directories(std::string(kShares) + "/aa/nonsense"));
    ASSERT_TRUE(files().make_directories(std::string(kShares) + "/incoming/aa"));
    ASSERT_TRUE(rt::replace_file(files(), std::string(kShares) + "/stray", half));
    EXPECT_EQ(import_node()->stored, 1u);
    const std::string list = skipped();
    EXPECT_EQ(std::ranges::count(list, '\n'), 7);
    EXPECT_THAT(list, HasSubstr("less than its 2 leases need"));
    EXPECT_THAT(list, HasSubstr("no share number"));
    EXPECT_THAT(list, HasSubstr("of the other kind"));
    EXPECT_THAT(list, HasSubstr("unknown version"));
    EXPECT_THAT(list, HasSubstr("no storage index"));
    EXPECT_THAT(list, HasSubstr("no folder of shares"));
    EXPECT_THAT(list, testing::Not(HasSubstr("incoming")));
}

TEST_F(TransferTest, ASecondImportStoresNothingTwiceAndUndoesNothing) {
    place(one_, "0", golden("immutable-v2-2"));
    place(two_, "1", golden("mutable-v2-2"));
    ASSERT_EQ(import_node()->stored, 2u);
    ASSERT_TRUE(change(two_, {{1, {{}, {{0, storage::bytes("newer")}}, {}}}}, {}, 0x77, 9));
    restart();
    const ImportReport again = import_node().value();
    EXPECT_EQ(again.stored, 0u);
    EXPECT_EQ(again.there, 2u);
    EXPECT_EQ(to_string(content(two_, 1, ShareKind::mutable_).value()), "newerle data");
    EXPECT_EQ(expiries(two_, 1).size(), 3u) << "the client's lease stays";
    expect_usage_exact();
}

TEST_F(TransferTest, AShareThatDiffersFromWhatIsThereIsListed) {
    ASSERT_TRUE(put(one_, 0, storage::bytes("another")));
    ASSERT_TRUE(change(two_, {{1, {{}, {{0, storage::bytes("theirs")}}, {}}}}, {}, 50));
    place(one_, "0", golden("immutable-v2-2"));
    place(two_, "2", golden("mutable-v2-2"));  // under another write enabler
    EXPECT_EQ(import_node()->stored, 0u);
    EXPECT_THAT(skipped(), HasSubstr("another share in its place"));
    EXPECT_THAT(skipped(), HasSubstr("write enabler"));
}

TEST_F(TransferTest, ASecondExportBringsUpToDate) {
    ASSERT_TRUE(put(one_, 0, storage::bytes("stays")));
    ASSERT_TRUE(put(storage::index_of(3), 0, storage::bytes("gets a lease")));
    ASSERT_TRUE(change(two_, {{0, {{}, {{0, storage::bytes("old")}}, {}}},
                              {1, {{}, {{0, storage::bytes("gone soon")}}, {}}}}));
    ASSERT_EQ(export_grid()->written, 4u);
    EXPECT_EQ(export_grid()->written, 0u);

    ASSERT_TRUE(change(two_, {{0, {{}, {{0, storage::bytes("new")}}, {}}}, {1, {{}, {}, 0}}}));
    ASSERT_EQ(run(engine_->add_lease(ctx(), kGrid, storage::index_of(3), storage::lease_secrets(8)))
                  .value(),
              1u);
    ASSERT_TRUE(rt::replace_file(files(), index_folder("out", one_) + "/5.new",
                                 storage::bytes("of a run that was killed")));
    ASSERT_TRUE(
        rt::replace_file(files(), index_folder("out", one_) + "/0", storage::bytes("half")));
    const ExportReport third = export_grid().value();
    EXPECT_EQ(third.written, 3u) << "the new data, the further lease, the half file";
    EXPECT_EQ(third.removed, 1u);
    EXPECT_EQ(files().list(index_folder("out", one_)).value(), std::vector<std::string>{"0"});
    EXPECT_THAT(to_string(file(two_, "0")), HasSubstr("new"));
    EXPECT_TRUE(file(two_, "1").empty());

    // A renewal changes the file where it is.
    pass(1h);
    ASSERT_TRUE(run(engine_->add_lease(ctx(), kGrid, one_, storage::lease_secrets(1))));
    EXPECT_EQ(export_grid()->written, 0u);
    const auto share = open_share(files(), index_folder("out", one_) + "/0").value();
    EXPECT_EQ(share.leases.front().expires_s, expiries(one_, 0).front());
}

TEST(NodeDirectoryNames, AShareNumberHasOneSpelling) {
    EXPECT_EQ(parse_share_number("0"), 0u);
    EXPECT_EQ(parse_share_number("2147483647"), storage::kShareNumberMax);
    for (const char* name :
         {"2147483648", "01", "-1", "+1", "", "1 ", "0x1", "99999999999999999999"})
        EXPECT_FALSE(parse_share_number(name)) << name;
}

}  // namespace
}  // namespace s4::transfer
