// Uploads: immutable shares from allocate to commit. Lives on the engine's reactor, as long as the
// engine.
//
// Cost of a small share written in one piece: nothing but memory for the allocation of an index
// that was listed before, and one commit of four statements (share, bytes, lease, usage). A large
// one writes its draft as bytes arrive, commits its intent beside that, and ends with one synced
// file, one rename and one commit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "storage/core.h"
#include "storage/upload.h"

namespace s4::storage {

class Uploads {
  public:
    explicit Uploads(Core& core) : core_(core), idle_(core.runtime.reactor) { idle_.set(); }

    rt::Task<Result<AllocateAnswer>> allocate(const rt::Context& ctx, GridId grid,
                                              AllocateRequest request);
    rt::Task<Result<std::unique_ptr<UploadWrite>>> begin_write(const rt::Context& ctx,
                                                               const UploadKey& key,
                                                               const UploadOwner& owner,
                                                               ByteRange range);
    rt::Task<Result<void>> finish(const rt::Context& ctx, const UploadKey& key,
                                  const UploadOwner& owner);
    rt::Task<Result<void>> abort(const rt::Context& ctx, const UploadKey& key,
                                 const UploadOwner& owner);
    void connection_lost(ConnectionId connection);

    // Aborts what was idle too long.
    void sweep();
    void drain() { draining_ = true; }
    void abort_all();
    // Until none is unfinished.
    rt::Task<Result<void>> wait_idle(const rt::Context& ctx) { co_return co_await idle_.wait(ctx); }
    std::size_t size() const { return uploads_.size(); }

  private:
    class Write;
    using Handle = std::shared_ptr<Upload>;  // shared with writes under way, which an abort outruns

    // Keeps an upload from counting as idle.
    class Use {
      public:
        explicit Use(Handle upload) : upload_(std::move(upload)) { ++upload_->users; }
        Use(Use&& other) noexcept = default;
        Use& operator=(Use&&) = delete;
        ~Use() {
            if (upload_) --upload_->users;
        }
        Upload& operator*() const { return *upload_; }
        Upload* operator->() const { return upload_.get(); }
        const Handle& handle() const { return upload_; }

      private:
        Handle upload_;
    };

    Result<Handle> find(const UploadKey& key, const UploadOwner& owner) const;
    bool try_allocate(const GridPolicy& policy, const UsageRow& used, const UploadKey& key,
                      const AllocateRequest& request);
    bool replaceable(const Upload& upload, const AllocateRequest& request) const;
    void remove(Upload& upload);
    rt::Task<void> renew(const rt::Context& ctx, const GridPolicy& policy, const IndexKey& key,
                         std::vector<ShareNumber> shares, tables::Lease lease);

    // Makes it durable and visible; with its turn held.
    rt::Task<Result<void>> commit(const rt::Context& ctx, Upload& upload);
    rt::Task<Result<void>> commit_small(const rt::Context& ctx, Upload& upload);
    rt::Task<Result<void>> commit_large(const rt::Context& ctx, Upload& upload);
    rt::Task<Result<void>> commit_row(const rt::Context& ctx, Upload& upload, ShareRow row,
                                      ByteView small_data);
    rt::Task<Result<void>> publish(const rt::Context& ctx, Upload& upload);
    rt::Task<Result<void>> intend(const rt::Context& ctx, Upload& upload);
    rt::Task<void> intend_early(Handle upload);
    rt::Task<Result<void>> sum_rest(const rt::Context& ctx, Upload& upload);

    Core& core_;
    std::map<UploadKey, Handle> uploads_;
    std::uint64_t memory_bytes_ = 0;
    bool draining_ = false;
    rt::Event idle_;
};

}  // namespace s4::storage
