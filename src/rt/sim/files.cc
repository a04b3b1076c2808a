#include "rt/sim/files.h"

#include <fmt/format.h>

#include "rt/sim/world.h"

namespace s4::rt::sim {
namespace {

std::unexpected<Error> broken(std::string_view what, const std::string& path) {
    return fail(ErrorKind::io, "files.io", fmt::format("{} {}: input/output error", what, path));
}

}  // namespace

class SimFile final : public File {
  public:
    SimFile(Process& process, std::string path, Disk::InodePtr inode, bool locked)
        : process_(process), path_(std::move(path)), inode_(std::move(inode)), locked_(locked) {}
    ~SimFile() override {
        if (locked_ && process_.alive()) process_.machine().locks_.erase(path_);
    }

    Result<std::size_t> read_at(std::uint64_t offset, MutByteView into) override {
        TRY(process_.file_call("read", path_, offset));
        if (machine().dice_.chance(machine().faults_.read_error)) return broken("read", path_);
        const ByteBuffer& content = inode_->seen;
        if (offset >= content.size()) return std::size_t{0};
        const std::size_t size = std::min<std::size_t>(into.size(), content.size() - offset);
        std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), size, into.begin());
        return size;
    }

    // The first half is in memory, so that every reader meets a cut in the middle.
    std::size_t read_cached(std::uint64_t offset, MutByteView into) override {
        const ByteBuffer& content = inode_->seen;
        if (!process_.alive() || offset >= content.size()) return 0;
        const std::size_t size = std::min<std::size_t>(into.size(), content.size() - offset) / 2;
        std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), size, into.begin());
        return size;
    }

    Result<void> write_at(std::uint64_t offset, ByteView bytes) override {
        if (process_.crashes_next()) write_part(offset, bytes);
        TRY(process_.file_call("write", path_, offset, bytes));
        if (machine().dice_.chance(machine().faults_.write_error)) {
            write_part(offset, bytes);
            return broken("write", path_);
        }
        auto written = machine().disk_.write(*inode_, offset, bytes);
        if (!written) write_what_fits(offset, bytes);
        return written;
    }

    Result<void> truncate(std::uint64_t size) override {
        TRY(process_.file_call("truncate", path_, size));
        return machine().disk_.truncate(*inode_, size);
    }

    Result<void> sync() override {
        TRY(process_.file_call("sync", path_));
        if (machine().dice_.chance(machine().faults_.sync_error)) {
            machine().disk_.fail_sync(*inode_);
            return broken("sync", path_);
        }
        machine().disk_.sync(*inode_);
        return ok();
    }

    Result<std::uint64_t> size() override {
        TRY(process_.file_call("size", path_));
        return inode_->seen.size();
    }

  private:
    Machine& machine() { return process_.machine(); }

    // A call that failed or was cut off may have written its beginning.
    void write_part(std::uint64_t offset, ByteView bytes) {
        const std::size_t size = machine().dice_.below(bytes.size() + 1);
        (void)machine().disk_.write(*inode_, offset, bytes.first(size));
    }
    void write_what_fits(std::uint64_t offset, ByteView bytes) {
        const std::size_t size = std::min<std::size_t>(bytes.size(), machine().disk_.free_bytes());
        (void)machine().disk_.write(*inode_, offset, bytes.first(size));
    }

    Process& process_;
    std::string path_;
    Disk::InodePtr inode_;
    bool locked_;
};

class SimFiles final : public Files {
  public:
    explicit SimFiles(Process& process) : process_(process) {}

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
        TRY(process_.file_call("open", path, static_cast<std::uint64_t>(mode)));
        auto inode = TRY(disk().open(path, mode, process_.runtime().reactor.unix_s()));
        return std::make_unique<SimFile>(process_, path, std::move(inode), false);
    }
    Result<FileInfo> info(const std::string& path) override {
        TRY(process_.file_call("info", path));
        const auto inode = TRY(disk().find(path));
        return FileInfo{.size = inode->seen.size(),
                        .modified_unix_s = inode->modified_unix_s,
                        .is_directory = inode->is_directory};
    }
    Result<void> remove(const std::string& path) override {
        TRY(process_.file_call("remove", path));
        return disk().remove(path);
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
        TRY(process_.file_call("rename", from + " " + to));
        return disk().rename(from, to);
    }
    Result<void> make_directories(const std::string& path) override {
        TRY(process_.file_call("mkdir", path));
        return disk().make_directories(path);
    }
    Result<void> remove_directory(const std::string& path) override {
        TRY(process_.file_call("rmdir", path));
        return disk().remove_directory(path);
    }
    Result<std::vector<std::string>> list(const std::string& path) override {
        TRY(process_.file_call("list", path));
        return disk().list(path);
    }
    Result<void> sync_directory(const std::string& path) override {
        TRY(process_.file_call("syncdir", path));
        if (process_.machine().dice_.chance(process_.machine().faults_.sync_error))
            return broken("sync", path);
        return disk().sync_directory(path);
    }
    Result<std::uint64_t> free_bytes(const std::string& path) override {
        TRY(process_.file_call("space", path));
        return disk().free_bytes();
    }
    Result<std::unique_ptr<File>> lock(const std::string& path) override {
        auto file = TRY(open(path, OpenMode::create));
        auto& locks = process_.machine().locks_;
        if (!locks.emplace(path, 1).second)
            return fail(ErrorKind::conflict, "files.locked",
                        fmt::format("{} is held by another process", path));
        auto inode = TRY(disk().find(path));
        return std::make_unique<SimFile>(process_, path, std::move(inode), true);
    }

  private:
    Disk& disk() { return process_.machine().disk_; }

    Process& process_;
};

std::unique_ptr<Files> make_files(Process& process) {
    return std::make_unique<SimFiles>(process);
}

}  // namespace s4::rt::sim
