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
    // The data of a large write goes to the engine as it comes.
    rt::Task<void> stream_began(const rt::Context& ctx,
                                proto::foolscap::StreamBegan stream) override;
    rt::Task<void> stream_piece(const rt::Context& ctx, proto::foolscap::StreamId stream,
                                ByteView bytes) override;
    void streams_broken(proto::foolscap::StreamId first) override;

  private:
    // A write whose data is arriving; it has the turn.
    struct Arriving {
        std::unique_ptr<storage::UploadWrite> write;
        std::uint64_t offset = 0;
        std::optional<Error> error;
    };

    rt::Task<Answer> write(const rt::Context& ctx, StorageArguments arguments,
                           std::optional<Arriving> arriving);
    rt::Task<Result<void>> write_small(const rt::Context& ctx, std::uint64_t offset,
                                       ByteView bytes);
    rt::Task<Answer> close(const rt::Context& ctx);
    rt::Task<Answer> abort(const rt::Context& ctx);
    Answer answer(const Result<void>& result, std::uint64_t offset, std::uint64_t size) const;

    StorageSession& session_;
    storage::UploadKey key_;
    std::uint64_t size_;
    rt::Semaphore turn_;
    bool over_ = false;  // closed or aborted
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

// Reads a clipped range whole, within the session's room for answers.
rt::Task<Result<ByteBuffer>> read_extract(const rt::Context& ctx, storage::ShareReader& reader,
                                          storage::ByteRange range);

// Room for an answer of so many bytes, waited for while the peer is slow to take earlier ones.
class AnswerRoom {
  public:
    explicit AnswerRoom(StorageSession& session) : session_(session) {}
    AnswerRoom(const AnswerRoom&) = delete;
    AnswerRoom& operator=(const AnswerRoom&) = delete;
    ~AnswerRoom() {
        for (; units_ > 0; --units_) session_.answer_room.release();
    }
    // Errors: gate.answer_too_large.
    rt::Task<Result<void>> take(const rt::Context& ctx, std::uint64_t bytes);

  private:
    StorageSession& session_;
    std::size_t units_ = 0;
};

}  // namespace s4::gate
