// The files of a shipped log, byte by byte (docs/formats/shipped-log.md): segments with their
// records, and the seal of a snapshot. Reads what another disk held, so nothing is believed before
// its checksum agrees. Private to this folder.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "rt/files.h"

namespace s4::sql {

inline constexpr std::size_t kSegmentHeaderBytes = 32;
inline constexpr std::size_t kRecordHeaderBytes = 36;

struct SegmentHeader {
    std::uint32_t page_bytes = 0;
    std::uint64_t generation = 0;
    std::uint32_t number = 0;
};

ByteBuffer write_segment_header(const SegmentHeader& header);
// Nothing when it is not whole. Errors: sql.log_version, files.*.
Result<std::optional<SegmentHeader>> read_segment_header(rt::File& segment);

// Whole commits, as wal.h reads them.
struct LogRecord {
    ByteBuffer pages;  // page number (4 bytes) and page, one after the other
    std::uint32_t page_bytes = 0;
    std::uint32_t page_count = 0;
    std::uint32_t commits = 0;
    std::uint32_t database_pages = 0;
    std::int64_t read_us = 0;  // when it was read from the database's log, since 1970
};

ByteBuffer write_record_header(const LogRecord& record, std::uint64_t sequence);
// The record at `at`, which moves past it; nothing, and `at` stays, when it is not whole.
Result<std::optional<LogRecord>> read_record(rt::File& segment, std::uint32_t page_bytes,
                                             std::uint64_t sequence, std::uint64_t& at);

// What a snapshot was when it was written, kept beside it.
struct SnapshotSeal {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
};

ByteBuffer write_seal(const SnapshotSeal& seal);
std::optional<SnapshotSeal> parse_seal(ByteView bytes);

}  // namespace s4::sql
