// SkippedList: what a transfer left out and why, as a file with one JSON object a line
// (docs/formats/tahoe-directory.md). The file appears when the list is finished and not empty; one
// of an earlier run goes. Used by one transfer, on its reactor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "rt/runtime.h"
#include "rt/sync.h"
#include "rt/task.h"

namespace s4::transfer {

class SkippedList {
  public:
    SkippedList(rt::Runtime& runtime, std::string path)
        : runtime_(runtime), path_(std::move(path)), turn_(runtime.reactor, 1) {}

    // `file` as the operator knows it; `reason` completes "it was left out: ...".
    rt::Task<Result<void>> add(const rt::Context& ctx, std::string_view file,
                               std::string_view reason);
    rt::Task<Result<void>> finish(const rt::Context& ctx);

    std::uint64_t count() const { return count_; }
    const std::string& path() const { return path_; }

  private:
    Result<void> write_out();

    rt::Runtime& runtime_;
    std::string path_;
    rt::Semaphore turn_;  // for writing
    ByteBuffer buffer_;
    std::uint64_t written_bytes_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace s4::transfer
