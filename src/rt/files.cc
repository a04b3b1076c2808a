#include "rt/files.h"

#include <fmt/format.h>

namespace s4::rt {

std::string parent_path(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<ByteBuffer> read_file(Files& files, const std::string& path, std::uint64_t limit_bytes) {
    const std::unique_ptr<File> file = TRY(files.open(path, OpenMode::read));
    const std::uint64_t size = TRY(file->size());
    if (size > limit_bytes)
        return fail(
            ErrorKind::too_large, "files.too_large",
            fmt::format("{} has {} bytes; at most {} are expected", path, size, limit_bytes));
    ByteBuffer content(size);
    content.resize(TRY(file->read_at(0, content)));
    return content;
}

Result<void> replace_file(Files& files, const std::string& path, ByteView content) {
    const std::string temporary = path + ".new";
    {
        const std::unique_ptr<File> file = TRY(files.open(temporary, OpenMode::create));
        TRY(file->truncate(0));
        TRY(file->write_at(0, content));
        TRY(file->sync());
    }
    TRY(files.rename(temporary, path));
    return files.sync_directory(parent_path(path));
}

}  // namespace s4::rt
