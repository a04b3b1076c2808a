// Files: the one door to the file system, so that the simulator can forget what was not synced,
// tear writes and fill disks.
//
// All calls block and are made from a pool (pool.h), never from a reactor's thread but at start.
// Thread-safe; one File may be read from several threads at once. Paths are absolute or relative to
// the process's directory.
//
// Durability as POSIX has it: written bytes are safe after File::sync(), a new, renamed or removed
// name after Files::sync_directory() of its folder. Errors: not_found, conflict (exists), no_space
// (disk full), io; codes "files.*".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace s4::rt {

class File {
  public:
    virtual ~File() = default;  // closes; unsynced bytes may be lost at a power failure

    // Fills `into` but for what lies past the end; returns the bytes read.
    virtual Result<std::size_t> read_at(std::uint64_t offset, MutByteView into) = 0;
    // The same from memory alone, so that a reactor may call it: puts at the front of `into` what
    // the system holds already and returns its length, 0 where it does not tell. What fails is told
    // by read_at().
    virtual std::size_t read_cached(std::uint64_t offset, MutByteView into) = 0;
    virtual Result<void> write_at(std::uint64_t offset, ByteView bytes) = 0;
    virtual Result<void> truncate(std::uint64_t size) = 0;
    virtual Result<void> sync() = 0;  // data and size (fdatasync)
    virtual Result<std::uint64_t> size() = 0;
};

enum class OpenMode : std::uint8_t {
    read,        // must exist
    write,       // must exist; reads and writes
    create,      // reads and writes; made if missing
    create_new,  // reads and writes; fails with conflict if it exists
};

struct FileInfo {
    std::uint64_t size = 0;
    std::int64_t modified_unix_s = 0;
    bool is_directory = false;
};

class Files {
  public:
    virtual ~Files() = default;

    virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
    virtual Result<FileInfo> info(const std::string& path) = 0;
    virtual Result<void> remove(const std::string& path) = 0;
    // Replaces `to` atomically.
    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    // Mode 0700, parents too; an existing directory is fine.
    virtual Result<void> make_directories(const std::string& path) = 0;
    virtual Result<void> remove_directory(const std::string& path) = 0;  // empty ones only
    // Names in the directory, sorted, without "." and "..".
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
    virtual Result<void> sync_directory(const std::string& path) = 0;
    virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
    // An advisory lock on the file, made if missing, held until the returned File goes or the
    // process ends. Fails with "files.locked" if another process holds it.
    virtual Result<std::unique_ptr<File>> lock(const std::string& path) = 0;
};

// The whole content, refused above `limit_bytes`.
Result<ByteBuffer> read_file(Files& files, const std::string& path, std::uint64_t limit_bytes);
// Replaces the file so that a reader, or a crash, meets the old content or the new: temporary file,
// sync, rename, sync.
Result<void> replace_file(Files& files, const std::string& path, ByteView content);
// "a/b" of "a/b/c"; "." when there is no slash.
std::string parent_path(const std::string& path);

}  // namespace s4::rt
