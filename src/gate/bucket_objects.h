// RIBucketWriter and RIBucketReader: one share that is being uploaded, or read, over Foolscap. Made
// by StorageObject, owned by the connection until the peer drops them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gate/storage_object.h"

namespace s4::gate {

class BucketWriter final : public wire::RemoteObject {
  public:
    BucketWriter(StorageSession& session, storage::UploadKey key, std::uint64_t size);

    std::string interface_name() const override { return "RIBucketWriter"; }
    proto::foolscap::ArgumentMode argument_mode(std::string_view method) const override;
    rt::Task<Answer> call(const rt::Context& ctx, std::string method,
                          proto::foolscap::Arguments arguments) override;
    // The data of a large write goes to the engine as it comes, or where its offset comes after it
    // (keyword arguments are sent in the order of their names) to a staging area first.
    rt::Task<void> stream_began(const rt::Context& ctx,
                                proto::foolscap::StreamBegan stream) override;
    rt::Task<void> stream_piece(const rt::Context& ctx, proto::foolscap::StreamId stream,
                                ByteView bytes) override;
    void streams_broken(proto::foolscap::StreamId first) override;

  private:
    // A write whose data is arriving; it has the turn.
    struct Arriving {
        proto::foolscap::StreamId stream;
        std::uint64_t size = 0;
        std::unique_ptr<storage::UploadWrite> write;  // at its offset
        std::unique_ptr<storage::Staging> staging;    // while the offset is not known
        std::optional<Error> error;
    };

    rt::Task<Result<void>> begin(const rt::Context& ctx, std::optional<std::uint64_t> offset,
                                 Arriving& arriving);
    rt::Task<Answer> write(const rt::Context& ctx, StorageArguments arguments);
    rt::Task<Answer> write_arrived(const rt::Context& ctx, StorageArguments arguments,
                                   Arriving arriving);
    rt::Task<Result<void>> finish(const rt::Context& ctx, std::uint64_t offset, Arriving& arriving);
    rt::Task<Result<void>> write_small(const rt::Context& ctx, std::uint64_t offset,
                                       ByteView bytes);
    rt::Task<Answer> close(const rt::Context& ctx);
    rt::Task<Answer> abort(const rt::Context& ctx);
    Answer answer(const Result<void>& result, std::uint64_t offset, std::uint64_t size) const;
    void note(const Result<void>& written);

    StorageSession& session_;
    storage::UploadKey key_;
    std::uint64_t size_;
    rt::Semaphore turn_;
    bool over_ = false;    // closed or aborted
    bool broken_ = false;  // the storage failed to take a write: what is there is not whole
    std::optional<Arriving> arriving_;
};

class BucketReader final : public wire::RemoteObject {
  public:
    BucketReader(StorageSession& session, storage::StorageIndex index,
                 std::shared_ptr<storage::ShareReader> reader)
        : session_(session), index_(index), reader_(std::move(reader)) {}

    std::string interface_name() const override { return "RIBucketReader"; }
    proto::foolscap::ArgumentMode argument_mode(std::string_view method) const override;
    rt::Task<Answer> call(const rt::Context& ctx, std::string method,
                          proto::foolscap::Arguments arguments) override;

  private:
    rt::Task<Answer> read(const rt::Context& ctx, StorageArguments arguments);

    StorageSession& session_;
    storage::StorageIndex index_;
    std::shared_ptr<storage::ShareReader> reader_;
};

}  // namespace s4::gate
