// SQLite's write-ahead log as a torn or foreign file. Reading it in two goes must give the pages
// that reading it in one gives.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "sql/memory_file.h"
#include "sql/wal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    sql::MemoryFile log(ByteView(data, size));
    const auto whole = sql::read_commits(log, {}, size + 1).value();
    CHECK(whole.pages.size() == std::size_t{whole.page_count} * (4 + whole.page_bytes),
          "pages are whole");
    sql::WalPosition at;
    ByteBuffer pages;
    for (bool more = true; more;) {
        const auto part = sql::read_commits(log, at, 1).value();
        more = part.page_count != 0;
        at = part.end;
        append(pages, part.pages);
    }
    CHECK(equal(pages, whole.pages), "in steps as at once");
    return 0;
}
