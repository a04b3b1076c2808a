#include "storage/engine_test_fixture.h"

namespace s4::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class UploadsTest : public EngineFixture {
  protected:
    const StorageIndex index_ = index_of(1);
};

TEST_F(UploadsTest, ASmallShareIsVisibleWhenItsLastByteWasWritten) {
    const ByteBuffer data = pattern(1000);
    const auto allocated = allocate(index_, {0, 3}, data.size()).value();
    EXPECT_THAT(allocated.already_have, IsEmpty());
    EXPECT_THAT(allocated.allocated, ElementsAre(0, 3));
    const auto first = write(index_, 0, 0, ByteView(data).first(400)).value();
    EXPECT_FALSE(first.complete);
    EXPECT_THAT(first.required, ElementsAre(ByteRange{400, 600}));
    EXPECT_THAT(list(index_), IsEmpty());
    EXPECT_TRUE(open(index_, 0).error().is("storage.no_such_share"));
    const auto last = write(index_, 0, 400, ByteView(data).subspan(400)).value();
    EXPECT_TRUE(last.complete);
    EXPECT_THAT(last.required, IsEmpty());
    EXPECT_THAT(list(index_), ElementsAre(0));
    EXPECT_EQ(content(index_, 0).value(), data);
    EXPECT_EQ(blobs_in_store(), 0u);
    expect_usage_exact();
}

TEST_F(UploadsTest, ALargeShareIsOneBlobWithItsChecksums) {
    const ByteBuffer data = pattern(3'000'000);
    ASSERT_TRUE(allocate(index_, {0}, data.size()));
    ASSERT_FALSE(write(index_, 0, 0, ByteView(data).first(1'048'612)).value().complete);
    ASSERT_TRUE(write(index_, 0, 1'048'612, ByteView(data).subspan(1'048'612)).value().complete);
    EXPECT_EQ(content(index_, 0).value(), data);
    EXPECT_EQ(blobs_in_store(), 1u);
    EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index_, 0)));
    expect_usage_exact();
    restart();
    EXPECT_EQ(content(index_, 0).value(), data);
}

TEST_F(UploadsTest, ChecksumsAreRightWhateverTheOrderOfWrites) {
    const ByteBuffer data = pattern(300'000);
    ASSERT_TRUE(allocate(index_, {0}, data.size()));
    for (const std::size_t at : {200'000u, 0u, 100'000u})
        ASSERT_TRUE(write(index_, 0, at, ByteView(data).subspan(at, 100'000)));
    EXPECT_EQ(content(index_, 0).value(), data);
    EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index_, 0)));
}

TEST_F(UploadsTest, WrittenBytesMayBeRepeatedButNotChanged) {
    for (const std::size_t size : {std::size_t{100}, std::size_t{100'000}}) {
        const StorageIndex index = index_of(size > 100 ? 2 : 3);
        const ByteBuffer data = pattern(size);
        ASSERT_TRUE(allocate(index, {0}, size));
        ASSERT_TRUE(write(index, 0, 10, ByteView(data).subspan(10, 10)));
        EXPECT_TRUE(write(index, 0, 5, ByteView(data).subspan(5, 10)));
        ByteBuffer other = data;
        other[17] ^= 1;
        const auto conflict = write(index, 0, 0, ByteView(other).first(40));
        ASSERT_FALSE(conflict);
        EXPECT_TRUE(conflict.error().is("storage.conflicting_write"));
        EXPECT_EQ(conflict.error().message(), "Chunk 5-20 doesn't match already written data.");
        EXPECT_TRUE(write(index, 0, 0, data).value().complete);
        EXPECT_EQ(content(index, 0).value(), data);
        if (size > 100) EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index, 0)));
    }
}

TEST_F(UploadsTest, AWriteEndsWithinTheAllocatedSize) {
    ASSERT_TRUE(allocate(index_, {0}, 10));
    EXPECT_TRUE(write(index_, 0, 8, bytes("abc")).error().is("storage.write_past_end"));
    EXPECT_TRUE(write(index_, 0, UINT64_MAX, bytes("a")).error().is("storage.write_past_end"));
    EXPECT_TRUE(write(index_, 0, 7, bytes("abc")));
}

TEST_F(UploadsTest, AWriteThatBreaksOffCountsForNothing) {
    ASSERT_TRUE(allocate(index_, {0}, 10));
    {
        auto half = run(engine_->begin_write(ctx(), {kGrid, index_, 0}, upload_secret(), 0, 10));
        ASSERT_TRUE(half);
        ASSERT_TRUE(run((*half)->append(ctx(), bytes("01234"))));
        EXPECT_TRUE(run((*half)->finish(ctx())).error().is("storage.invalid_write_length"));
    }
    EXPECT_TRUE(write(index_, 0, 0, bytes("abcdefghij")).value().complete);
    EXPECT_EQ(content(index_, 0).value(), bytes("abcdefghij"));
}

TEST_F(UploadsTest, OnlyTheOwnerWritesAndAborts) {
    ASSERT_TRUE(allocate(index_, {0}, 10));
    const UploadOwner other = upload_secret(8);
    EXPECT_TRUE(write(index_, 0, 0, bytes("a"), other).error().is("storage.wrong_upload_secret"));
    EXPECT_TRUE(write(index_, 1, 0, bytes("a")).error().is("storage.no_such_upload"));
    const auto abort = [&](const UploadOwner& owner) {
        return run(engine_->abort_upload(ctx(), {kGrid, index_, 0}, owner));
    };
    EXPECT_TRUE(abort(other).error().is("storage.wrong_upload_secret"));
    EXPECT_TRUE(abort(upload_secret()));
    EXPECT_TRUE(abort(upload_secret()).error().is("storage.no_such_upload"));
    ASSERT_TRUE(put(index_, 0, bytes("x")).value().complete);
    EXPECT_TRUE(abort(upload_secret()).error().is("storage.upload_complete"));
    EXPECT_TRUE(write(index_, 0, 0, bytes("x")).error().is("storage.no_such_upload"));
    EXPECT_EQ(usage().reserved_bytes, 0u);
}

TEST_F(UploadsTest, AllocateNamesAllCompleteSharesAndSkipsWhatIsUnderWay) {
    ASSERT_TRUE(put(index_, 5, bytes("five")));
    ASSERT_TRUE(allocate(index_, {1}, 4));
    const auto again = allocate(index_, {1, 2, 5, 5}, 4, upload_secret(9), 2).value();
    EXPECT_THAT(again.already_have, ElementsAre(5));
    EXPECT_THAT(again.allocated, ElementsAre(2));
}

TEST_F(UploadsTest, TheSameUploadSecretGetsTheSameAnswer) {
    EXPECT_THAT(allocate(index_, {1, 2}, 4).value().allocated, ElementsAre(1, 2));
    EXPECT_THAT(allocate(index_, {1, 2}, 4).value().allocated, ElementsAre(1, 2));
    EXPECT_THAT(allocate(index_, {1, 2}, 5).value().allocated, IsEmpty());
    EXPECT_EQ(usage().reserved_bytes, 2 * (4 + kShareOverheadBytes));
}

TEST_F(UploadsTest, AnUploadThatStoodStillIsReplacedByItsOwnClientOnly) {
    ASSERT_TRUE(allocate(index_, {0}, 4));
    pass(kUploadReplaceableAfter - 1s);
    EXPECT_THAT(allocate(index_, {0}, 4, upload_secret(8)).value().allocated, IsEmpty());
    pass(2s);
    EXPECT_THAT(allocate(index_, {0}, 4, upload_secret(8), 2).value().allocated, IsEmpty());
    EXPECT_THAT(allocate(index_, {0}, 4, upload_secret(8)).value().allocated, ElementsAre(0));
    EXPECT_TRUE(write(index_, 0, 0, bytes("old!")).error().is("storage.wrong_upload_secret"));
    EXPECT_TRUE(write(index_, 0, 0, bytes("new!"), upload_secret(8)).value().complete);
    EXPECT_EQ(content(index_, 0).value(), bytes("new!"));
}

TEST_F(UploadsTest, AWriteKeepsAnUploadFromBeingReplaced) {
    ASSERT_TRUE(allocate(index_, {0}, 4));
    pass(kUploadReplaceableAfter - 1s);
    ASSERT_TRUE(write(index_, 0, 0, bytes("ab")));
    pass(2s);
    EXPECT_THAT(allocate(index_, {0}, 4, upload_secret(8)).value().allocated, IsEmpty());
}

TEST_F(UploadsTest, AnIdleUploadEndsWithItsReservation) {
    ASSERT_TRUE(allocate(index_, {0}, 4));
    pass(kUploadIdleMax - 5s);
    EXPECT_NE(usage().reserved_bytes, 0u);
    pass(30s);
    EXPECT_EQ(usage().reserved_bytes, 0u);
    EXPECT_TRUE(write(index_, 0, 0, bytes("ab")).error().is("storage.no_such_upload"));
}

TEST_F(UploadsTest, AConnectionFinishesItsSharesAndHolesAreZeros) {
    const UploadOwner connection = ConnectionId{4};
    for (const std::uint64_t size : {20u, 200'000u}) {
        const StorageIndex index = index_of(size > 20 ? 4 : 5);
        ASSERT_TRUE(allocate(index, {0}, size, connection));
        ASSERT_FALSE(write(index, 0, 4, bytes("data"), connection).value().complete);
        const UploadKey key{kGrid, index, 0};
        ASSERT_TRUE(run(engine_->finish_upload(ctx(), key, connection)));
        ByteBuffer expected(size);
        std::copy_n("data", 4, expected.begin() + 4);
        EXPECT_EQ(content(index, 0).value(), expected);
        EXPECT_TRUE(run(engine_->finish_upload(ctx(), key, connection))
                        .error()
                        .is("storage.no_such_upload"));
        EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index, 0)));
    }
    expect_usage_exact();
}

TEST_F(UploadsTest, AFullyWrittenShareOfAConnectionWaitsForItsEnd) {
    const UploadOwner connection = ConnectionId{4};
    ASSERT_TRUE(allocate(index_, {0}, 4, connection));
    EXPECT_FALSE(write(index_, 0, 0, bytes("data"), connection).value().complete);
    EXPECT_THAT(list(index_), IsEmpty());
    engine_->connection_lost(ConnectionId{4});
    EXPECT_TRUE(run(engine_->finish_upload(ctx(), {kGrid, index_, 0}, connection))
                    .error()
                    .is("storage.no_such_upload"));
    EXPECT_EQ(usage().reserved_bytes, 0u);
}

TEST_F(UploadsTest, BytesOfABrokenWriteDoNotShineThroughHoles) {
    const UploadOwner connection = ConnectionId{4};
    for (const std::uint64_t size : {20u, 200'000u}) {
        const StorageIndex index = index_of(size > 20 ? 6 : 7);
        ASSERT_TRUE(allocate(index, {0}, size, connection));
        {
            auto half = run(engine_->begin_write(ctx(), {kGrid, index, 0}, connection, 0, 10));
            ASSERT_TRUE(run((*half)->append(ctx(), bytes("stray"))));
        }
        ASSERT_TRUE(run(engine_->finish_upload(ctx(), {kGrid, index, 0}, connection)));
        EXPECT_EQ(content(index, 0).value(), ByteBuffer(size));
    }
}

TEST_F(UploadsTest, AnEmptyShareIsAShare) {
    const UploadOwner connection = ConnectionId{4};
    ASSERT_TRUE(allocate(index_, {0}, 0, connection));
    ASSERT_TRUE(run(engine_->finish_upload(ctx(), {kGrid, index_, 0}, connection)));
    EXPECT_EQ(content(index_, 0).value(), ByteBuffer());
}

TEST_F(UploadsTest, WhatDoesNotFitTheQuotaIsAbsent) {
    policies_.by_grid[1].quota_bytes = 2 * (100 + kShareOverheadBytes);
    EXPECT_THAT(allocate(index_, {0, 1, 2}, 100).value().allocated, ElementsAre(0, 1));
    EXPECT_EQ(run(engine_->space(ctx(), kGrid)).value().available_bytes, 0u);
    ASSERT_TRUE(write(index_, 0, 0, pattern(100)).value().complete);
    EXPECT_THAT(allocate(index_of(2), {0}, 1).value().allocated, IsEmpty());
    ASSERT_TRUE(run(engine_->abort_upload(ctx(), {kGrid, index_, 1}, upload_secret())));
    EXPECT_THAT(allocate(index_of(2), {0}, 101).value().allocated, IsEmpty());
    EXPECT_EQ(run(engine_->space(ctx(), kGrid)).value().immutable_share_bytes_max, 100u);
    EXPECT_THAT(allocate(index_of(2), {0}, 100).value().allocated, ElementsAre(0));
    EXPECT_THAT(allocate(index_of(3), {0}, std::uint64_t{1} << 60).value().allocated, IsEmpty());
    expect_usage_exact();
}

TEST_F(UploadsTest, UnfinishedUploadsAreCounted) {
    policies_.by_grid[1].uploads_max = 3;
    EXPECT_THAT(allocate(index_, {0, 1, 2, 3}, 1).value().allocated, ElementsAre(0, 1, 2));
}

TEST_F(UploadsTest, ACallHasSoManySharesAndNoMore) {
    std::vector<ShareNumber> shares(kSharesPerCallMax);
    for (std::size_t i = 0; i < shares.size(); ++i) shares[i] = static_cast<ShareNumber>(i);
    EXPECT_EQ(allocate(index_, shares, 1).value().allocated.size(), kSharesPerCallMax);
    shares.push_back(1000);
    EXPECT_TRUE(allocate(index_of(2), shares, 1).error().is("storage.too_many_shares"));
}

TEST_F(UploadsTest, SeparateRangesOfAnUploadAreBounded) {
    ASSERT_TRUE(allocate(index_, {0}, 10'000));
    for (std::size_t i = 0; i < kUploadRangesMax; ++i)
        ASSERT_TRUE(write(index_, 0, 4 * i, bytes("x"))) << i;
    EXPECT_TRUE(
        write(index_, 0, 4 * kUploadRangesMax, bytes("x")).error().is("storage.too_many_ranges"));
    EXPECT_TRUE(write(index_, 0, 1, bytes("y")));  // grows a range
}

TEST_F(UploadsTest, SecretsOfAWrongLengthAreRefused) {
    const auto refused = run(engine_->allocate(
        ctx(), kGrid, {index_, {Secret(bytes("short")), secret32(1)}, upload_secret(), {0}, 1}));
    EXPECT_TRUE(refused.error().is("storage.invalid_secret"));
    EXPECT_EQ(refused.error().message(), "Lease secrets must be 32 bytes long");
    EXPECT_TRUE(allocate(index_, {0}, 1, Secret()).error().is("storage.invalid_secret"));
    EXPECT_TRUE(allocate(index_, {0}, 1, Secret(ByteBuffer(kUploadSecretBytesMax, 1))));
    EXPECT_TRUE(allocate(index_, {0}, 1, Secret(ByteBuffer(kUploadSecretBytesMax + 1, 1)))
                    .error()
                    .is("storage.invalid_secret"));
}

TEST_F(UploadsTest, GridsDoNotSeeEachOther) {
    ASSERT_TRUE(put(index_, 0, bytes("mine")));
    EXPECT_THAT(list(index_, ShareKind::immutable, kOther), IsEmpty());
    EXPECT_TRUE(
        content(index_, 0, ShareKind::immutable, kOther).error().is("storage.no_such_share"));
    ASSERT_TRUE(put(index_, 0, bytes("theirs"), 1, kOther));
    EXPECT_EQ(content(index_, 0).value(), bytes("mine"));
    EXPECT_EQ(usage().data_bytes, 4u);
    EXPECT_EQ(usage(kOther).data_bytes, 6u);
    EXPECT_TRUE(allocate(index_, {1}, 1, upload_secret(), 1, GridId{99})
                    .error()
                    .is("storage.no_such_grid"));
}

TEST_F(UploadsTest, AReadOnlyGridReadsAndAFrozenOneDoesNothing) {
    ASSERT_TRUE(put(index_, 0, bytes("data")));
    policies_.by_grid[1].access = Access::read_only;
    EXPECT_EQ(content(index_, 0).value(), bytes("data"));
    const auto answer = allocate(index_, {0, 1}, 1).value();
    EXPECT_THAT(answer.already_have, ElementsAre(0));
    EXPECT_THAT(answer.allocated, IsEmpty());
    EXPECT_EQ(run(engine_->space(ctx(), kGrid)).value().available_bytes, 0u);
    policies_.by_grid[1].access = Access::frozen;
    EXPECT_TRUE(content(index_, 0).error().is("storage.frozen"));
}

TEST_F(UploadsTest, ReadsAreClippedAtTheEnd) {
    for (const std::size_t size : {std::size_t{100}, std::size_t{100'000}}) {
        const StorageIndex index = index_of(size > 100 ? 2 : 3);
        const ByteBuffer data = pattern(size);
        ASSERT_TRUE(put(index, 0, data));
        const auto reader = open(index, 0).value();
        EXPECT_EQ(reader->length(), size);
        EXPECT_EQ(read(*reader, 10, 20).value(), to_buffer(ByteView(data).subspan(10, 20)));
        EXPECT_EQ(read(*reader, size - 5, 20).value(), to_buffer(ByteView(data).last(5)));
        EXPECT_EQ(read(*reader, size, 20).value(), ByteBuffer());
        EXPECT_EQ(read(*reader, UINT64_MAX, 20).value(), ByteBuffer());
        ByteBuffer scratch;
        EXPECT_TRUE(run(reader->read(ctx(), 0, kReadBytesMax, scratch)));
        EXPECT_TRUE(run(reader->read(ctx(), 0, kReadBytesMax + 1, scratch))
                        .error()
                        .is("storage.too_many_bytes"));
    }
}

TEST_F(UploadsTest, RestartForgetsUnfinishedUploadsAndTheirFiles) {
    ASSERT_TRUE(put(index_, 0, bytes("stays")));
    ASSERT_TRUE(allocate(index_, {1}, 1'000'000));
    ASSERT_TRUE(write(index_, 1, 0, pattern(500'000)));
    pass(1s);
    power_loss();
    EXPECT_EQ(usage().reserved_bytes, 0u);
    EXPECT_THAT(list(index_), ElementsAre(0));
    EXPECT_EQ(process_->runtime().files.list("state/store/drafts").value().size(), 0u);
    EXPECT_EQ(run(engine_->collect_step(ctx())).value().intents, 0u);  // the start took them
    EXPECT_EQ(blobs_in_store(), 0u);
    EXPECT_THAT(allocate(index_, {1}, 10).value().allocated, ElementsAre(1));
    expect_usage_exact();
}

TEST_F(UploadsTest, WhatWasAcknowledgedSurvivesPowerLoss) {
    const ByteBuffer large = pattern(200'000);
    ASSERT_TRUE(put(index_, 0, bytes("small")).value().complete);
    ASSERT_TRUE(put(index_, 1, large).value().complete);
    power_loss();
    EXPECT_EQ(content(index_, 0).value(), bytes("small"));
    EXPECT_EQ(content(index_, 1).value(), large);
    EXPECT_TRUE(run(engine_->verify(ctx(), kGrid, index_, 1)));
    expect_usage_exact();
}

TEST_F(UploadsTest, AFullDiskIsARetryableFailure) {
    const ByteBuffer data = pattern(200'000);
    ASSERT_TRUE(allocate(index_, {0}, data.size()));
    machine().faults().write_error = 1;
    const auto failed = write(index_, 0, 0, data);
    ASSERT_FALSE(failed);
    EXPECT_TRUE(failed.error().retry_makes_sense()) << failed.error().to_string();
    EXPECT_THAT(list(index_), IsEmpty());
    machine().faults().write_error = 0;
    ASSERT_TRUE(write(index_, 0, 0, data).value().complete);
    EXPECT_EQ(content(index_, 0).value(), data);
    expect_usage_exact();
}

TEST_F(UploadsTest, AFailedSyncOfABlobAcknowledgesNothing) {
    const ByteBuffer data = pattern(200'000);
    ASSERT_TRUE(allocate(index_, {0}, data.size()));
    ASSERT_TRUE(write(index_, 0, 0, ByteView(data).first(100)));
    pass(1s);  // the intent is committed
    machine().faults().sync_error = 1;
    const auto failed = write(index_, 0, 100, ByteView(data).subspan(100));
    machine().faults().sync_error = 0;
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind(), ErrorKind::io);
    EXPECT_THAT(list(index_), IsEmpty());
    // Once a sync failed nobody knows what the disk kept: the bytes are asked for again.
    EXPECT_FALSE(write(index_, 0, 0, data));
    EXPECT_THAT(allocate(index_, {0}, data.size()).value().allocated, ElementsAre(0));
    ASSERT_TRUE(write(index_, 0, 0, data).value().complete);
    EXPECT_EQ(content(index_, 0).value(), data);
}

TEST_F(UploadsTest, DrainTakesNothingNewAndWaitsForTheRest) {
    ASSERT_TRUE(allocate(index_, {0}, 4));
    bool drained = false;
    process_->spawn(mark(engine_->drain(ctx()), drained));
    pass(1s);
    EXPECT_FALSE(drained);
    EXPECT_THAT(allocate(index_, {1}, 4, upload_secret(8)).value().allocated, IsEmpty());
    ASSERT_TRUE(write(index_, 0, 0, bytes("last")).value().complete);
    pass(1s);
    EXPECT_TRUE(drained);
}

TEST_F(UploadsTest, WritesToOneShareGoOneAtATime) {
    ASSERT_TRUE(allocate(index_, {0}, 8));
    auto first =
        run(engine_->begin_write(ctx(), {kGrid, index_, 0}, upload_secret(), 0, 8)).value();
    std::optional<Result<WriteAnswer>> second;
    const UploadKey key{kGrid, index_, 0};
    const UploadOwner owner = upload_secret();
    const ByteBuffer data = bytes("AAAAAAAA");
    process_->spawn(keep(engine_->write(ctx(), key, owner, 0, data), second));
    ASSERT_TRUE(run(first->append(ctx(), bytes("BBBB"))));
    EXPECT_FALSE(second);
    ASSERT_TRUE(run(first->append(ctx(), bytes("BBBB"))));
    EXPECT_TRUE(run(first->finish(ctx())).value().complete);
    first.reset();
    pass(1s);
    ASSERT_TRUE(second);
    EXPECT_TRUE(second->error().is("storage.no_such_upload"));
    EXPECT_EQ(content(index_, 0).value(), bytes("BBBBBBBB"));
}

}  // namespace
}  // namespace s4::storage
