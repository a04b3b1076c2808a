// MemoryFile: bytes as a file that is only read, for the fuzzers of this folder.
#pragma once

#include <algorithm>

#include "base/bytes.h"
#include "rt/files.h"

namespace s4::sql {

class MemoryFile final : public rt::File {
  public:
    explicit MemoryFile(ByteView bytes) : bytes_(bytes) {}

    Result<std::size_t> read_at(std::uint64_t offset, MutByteView into) override {
        if (offset >= bytes_.size()) return 0;
        const std::size_t n = std::min<std::size_t>(into.size(), bytes_.size() - offset);
        std::ranges::copy(bytes_.subspan(offset, n), into.begin());
        return n;
    }
    std::size_t read_cached(std::uint64_t offset, MutByteView into) override {
        return *read_at(offset, into);
    }
    Result<void> write_at(std::uint64_t, ByteView) override { return read_only(); }
    Result<void> truncate(std::uint64_t) override { return read_only(); }
    Result<void> sync() override { return ok(); }
    Result<std::uint64_t> size() override { return bytes_.size(); }

  private:
    static Result<void> read_only() {
        return fail(ErrorKind::io, "files.read_only", "a file that is only read");
    }

    ByteView bytes_;
};

}  // namespace s4::sql
