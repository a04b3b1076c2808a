// A segment of a shipped log as another disk may give it back. Whatever record is accepted must be
// what the writer writes.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "sql/log_format.h"
#include "sql/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace s4;
    const ByteView bytes(data, size);
    if (const auto seal = sql::parse_seal(bytes))
        CHECK(equal(sql::write_seal(*seal), bytes), "a seal comes back");
    sql::MemoryFile segment(bytes);
    const auto header = sql::read_segment_header(segment);
    if (!header || !*header) return 0;
    CHECK(equal(sql::write_segment_header(**header), bytes.first(sql::kSegmentHeaderBytes)),
          "a header comes back");
    std::uint64_t at = sql::kSegmentHeaderBytes;
    for (std::uint64_t sequence = 1;; ++sequence) {
        const std::uint64_t begin = at;
        const auto record = sql::read_record(segment, (*header)->page_bytes, sequence, at).value();
        if (!record) return 0;
        ByteBuffer again = sql::write_record_header(*record, sequence);
        append(again, record->pages);
        CHECK(equal(again, bytes.subspan(begin, at - begin)), "a record comes back");
    }
}
