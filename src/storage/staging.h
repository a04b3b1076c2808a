// MemoryThenFile: the engine's Staging. Lives on the engine's reactor, as long as one request.
#pragma once

#include <memory>
#include <optional>

#include "storage/core.h"

namespace s4::storage {

class MemoryThenFile final : public Staging {
  public:
    explicit MemoryThenFile(Core& core) : core_(core) {}

    rt::Task<Result<void>> append(const rt::Context& ctx, ByteView bytes) override;
    std::uint64_t size() const override { return in_file_ + memory_.size(); }

    // All of it, as long as it is in memory.
    std::optional<ByteView> in_memory() const {
        return draft_ ? std::nullopt : std::optional<ByteView>(memory_);
    }
    rt::Task<Result<void>> read(const rt::Context& ctx, std::uint64_t offset,
                                MutByteView into) override;

  private:
    rt::Task<Result<void>> flush(const rt::Context& ctx);

    Core& core_;
    ByteBuffer memory_;  // what follows the file's bytes
    std::unique_ptr<blob::Draft> draft_;
    std::uint64_t in_file_ = 0;
};

}  // namespace s4::storage
