// PosixFiles: rt::Files on the operating system. Holds nothing; any thread.
#pragma once

#include "rt/files.h"

namespace s4::rt::asio {

class PosixFiles final : public Files {
  public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Result<FileInfo> info(const std::string& path) override;
    Result<void> remove(const std::string& path) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> make_directories(const std::string& path) override;
    Result<void> remove_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Result<void> sync_directory(const std::string& path) override;
    Result<std::uint64_t> free_bytes(const std::string& path) override;
    Result<std::unique_ptr<File>> lock(const std::string& path) override;
};

}  // namespace s4::rt::asio
