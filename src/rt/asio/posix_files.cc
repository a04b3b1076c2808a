#include "rt/asio/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace s4::rt::asio {
namespace {

// The error of the call that just failed, with what it was done to.
std::unexpected<Error> failed(std::string_view what, const std::string& path) {
    const int code = errno;
    const std::string message = fmt::format("{} {}: {}", what, path, std::strerror(code));
    switch (code) {
        case ENOENT:
        case ENOTDIR:
            return fail(ErrorKind::not_found, "files.not_found", message);
        case EEXIST:
        case ENOTEMPTY:
            return fail(ErrorKind::conflict, "files.exists", message);
        case ENOSPC:
        case EDQUOT:
            return fail(ErrorKind::no_space, "files.full", message);
        case EWOULDBLOCK:
            return fail(ErrorKind::conflict, "files.locked", message);
        case EMFILE:
        case ENFILE:
            return fail(ErrorKind::unavailable, "files.too_many_open", message);
        default:
            return fail(ErrorKind::io, "files.io", message);
    }
}

class PosixFile final : public File {
  public:
    PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;
    ~PosixFile() override { ::close(descriptor_); }

    Result<std::size_t> read_at(std::uint64_t offset, MutByteView into) override {
        std::size_t done = 0;
        while (done < into.size()) {
            const ssize_t got = ::pread(descriptor_, into.data() + done, into.size() - done,
                                        static_cast<off_t>(offset + done));
            if (got == 0) break;
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return failed("read", path_);
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

    std::size_t read_cached(std::uint64_t offset, MutByteView into) override {
        const iovec room{into.data(), into.size()};
        const ssize_t got =
            ::preadv2(descriptor_, &room, 1, static_cast<off_t>(offset), RWF_NOWAIT);
        return got > 0 ? static_cast<std::size_t>(got)
                       : 0;  // a file system may not know RWF_NOWAIT
    }

    Result<void> write_at(std::uint64_t offset, ByteView bytes) override {
        while (!bytes.empty()) {
            const ssize_t put =
                ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return failed("write", path_);
            bytes = bytes.subspan(static_cast<std::size_t>(put));
            offset += static_cast<std::uint64_t>(put);
        }
        return ok();
    }

    Result<void> truncate(std::uint64_t size) override {
        if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0)
            return failed("truncate", path_);
        return ok();
    }

    Result<void> sync() override {
        if (::fdatasync(descriptor_) != 0) return failed("sync", path_);
        return ok();
    }

    Result<std::uint64_t> size() override {
        struct stat status{};
        if (::fstat(descriptor_, &status) != 0) return failed("look at", path_);
        return static_cast<std::uint64_t>(status.st_size);
    }

    int descriptor() const { return descriptor_; }

  private:
    int descriptor_;
    std::string path_;
};

int flags_of(OpenMode mode) {
    switch (mode) {
        case OpenMode::read:
            return O_RDONLY;
        case OpenMode::write:
            return O_RDWR;
        case OpenMode::create:
            return O_RDWR | O_CREAT;
        case OpenMode::create_new:
            return O_RDWR | O_CREAT | O_EXCL;
    }
    return O_RDONLY;
}

}  // namespace

Result<std::unique_ptr<File>> PosixFiles::open(const std::string& path, OpenMode mode) {
    const int descriptor = ::open(path.c_str(), flags_of(mode) | O_CLOEXEC, 0600);
    if (descriptor < 0) return failed("open", path);
    return std::make_unique<PosixFile>(descriptor, path);
}

Result<FileInfo> PosixFiles::info(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return failed("look at", path);
    return FileInfo{static_cast<std::uint64_t>(status.st_size), status.st_mtim.tv_sec,
                    S_ISDIR(status.st_mode)};
}

Result<void> PosixFiles::remove(const std::string& path) {
    if (::unlink(path.c_str()) != 0) return failed("remove", path);
    return ok();
}

Result<void> PosixFiles::rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename to " + to, from);
    return ok();
}

Result<void> PosixFiles::make_directories(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return ok();
    if (errno == EEXIST) {
        const FileInfo there = TRY(info(path));
        if (there.is_directory) return ok();
        errno = ENOTDIR;
        return failed("make the directory", path);
    }
    if (errno != ENOENT) return failed("make the directory", path);
    const std::string parent = parent_path(path);
    if (parent == path || parent == ".") return failed("make the directory", path);
    TRY(make_directories(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return failed("make the directory", path);
    return ok();
}

Result<void> PosixFiles::remove_directory(const std::string& path) {
    if (::rmdir(path.c_str()) != 0) return failed("remove the directory", path);
    return ok();
}

Result<std::vector<std::string>> PosixFiles::list(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return failed("list", path);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(directory);
    std::ranges::sort(names);
    return names;
}

Result<void> PosixFiles::sync_directory(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return failed("open", path);
    const PosixFile directory(descriptor, path);
    if (::fsync(directory.descriptor()) != 0) return failed("sync", path);
    return ok();
}

Result<std::uint64_t> PosixFiles::free_bytes(const std::string& path) {
    struct statvfs status{};
    if (::statvfs(path.c_str(), &status) != 0) return failed("look at", path);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<std::unique_ptr<File>> PosixFiles::lock(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return failed("open", path);
    auto file = std::make_unique<PosixFile>(descriptor, path);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) return failed("lock", path);
    return file;
}

}  // namespace s4::rt::asio
