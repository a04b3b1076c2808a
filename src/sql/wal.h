// SQLite's write-ahead log, read beside SQLite: the pages of whole commits, from where the last
// reading ended (https://www.sqlite.org/fileformat2.html#walformat). Read on the writer's thread
// between two groups: what is whole is then committed and synced. Private to this folder.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "rt/files.h"

namespace s4::sql {

// Where a reading ended. The default is before everything.
struct WalPosition {
    std::uint32_t salt1 = 0;
    std::uint32_t salt2 = 0;
    std::uint64_t frames = 0;
    std::uint32_t sum1 = 0;  // of the log up to here
    std::uint32_t sum2 = 0;
};

struct WalCommits {
    ByteBuffer pages;  // page number (4 bytes) and page, one after the other
    std::uint32_t page_bytes = 0;
    std::uint32_t page_count = 0;
    std::uint32_t commits = 0;
    std::uint32_t database_pages = 0;  // after the last of the commits
    WalPosition end;
};

// Reads whole commits until there are no more or the pages take `bytes_max` or more. A log that
// began anew since `from` is read from its first frame: whoever had not read its former end has
// missed it.
Result<WalCommits> read_commits(rt::File& log, const WalPosition& from, std::uint64_t bytes_max);

}  // namespace s4::sql
