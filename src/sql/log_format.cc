#include "sql/log_format.h"

#include <fmt/format.h>

#include <array>

#include "crypto/crc32c.h"
#include "sql/limits.h"

namespace s4::sql {
namespace {

constexpr std::array<std::uint8_t, 8> kSegmentMagic = {'S', '4', 'W', 'L', 'O', 'G', '\r', '\n'};
constexpr std::array<std::uint8_t, 8> kSealMagic = {'S', '4', 'W', 'S', 'N', 'P', '\r', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kRecordMagic = 0x53345243;  // "S4RC"
constexpr std::size_t kSealBytes = 24;
constexpr std::size_t kSumBytes = 4;  // the last of every header

bool sum_agrees(ByteView header) {
    ByteReader sum(header.last(kSumBytes));
    return *sum.u32() == crypto::crc32c(header.first(header.size() - kSumBytes));
}

}  // namespace

ByteBuffer write_segment_header(const SegmentHeader& header) {
    ByteWriter out;
    out.bytes(kSegmentMagic).u32(kVersion).u32(header.page_bytes);
    out.u64(header.generation).u32(header.number);
    out.u32(crypto::crc32c(out.view()));
    return std::move(out).take();
}

Result<std::optional<SegmentHeader>> read_segment_header(rt::File& segment) {
    std::array<std::uint8_t, kSegmentHeaderBytes> head{};
    if (TRY(segment.read_at(0, head)) != head.size()) return std::nullopt;
    if (!equal(ByteView(head).first(kSegmentMagic.size()), kSegmentMagic) || !sum_agrees(head))
        return std::nullopt;
    ByteReader in(ByteView(head).subspan(kSegmentMagic.size()));
    const std::uint32_t version = *in.u32();
    if (version != kVersion)
        return fail(ErrorKind::unsupported, "sql.log_version",
                    fmt::format("the shipped log has format version {}; this program reads {}",
                                version, kVersion));
    SegmentHeader out;
    out.page_bytes = *in.u32();
    out.generation = *in.u64();
    out.number = *in.u32();
    if (!is_page_size(out.page_bytes)) return std::nullopt;
    return out;
}

ByteBuffer write_record_header(const LogRecord& record, std::uint64_t sequence) {
    ByteWriter out;
    out.u32(kRecordMagic).u32(record.page_count).u64(sequence).u32(record.database_pages);
    out.u32(record.commits).u64(static_cast<std::uint64_t>(record.read_us));
    out.u32(crypto::crc32c_extend(crypto::crc32c(out.view()), record.pages));
    return std::move(out).take();
}

Result<std::optional<LogRecord>> read_record(rt::File& segment, std::uint32_t page_bytes,
                                             std::uint64_t sequence, std::uint64_t& at) {
    std::array<std::uint8_t, kRecordHeaderBytes> head{};
    if (TRY(segment.read_at(at, head)) != head.size()) return std::nullopt;
    ByteReader in(head);
    if (*in.u32() != kRecordMagic) return std::nullopt;
    LogRecord out;
    out.page_bytes = page_bytes;
    out.page_count = *in.u32();
    if (*in.u64() != sequence) return std::nullopt;
    out.database_pages = *in.u32();
    out.commits = *in.u32();
    out.read_us = static_cast<std::int64_t>(*in.u64());
    const std::uint32_t sum = *in.u32();
    const std::uint64_t bytes = std::uint64_t{out.page_count} * (4 + std::uint64_t{page_bytes});
    const std::uint64_t end = at + kRecordHeaderBytes + bytes;
    if (end > TRY(segment.size())) return std::nullopt;  // before so much memory is taken
    out.pages.resize(static_cast<std::size_t>(bytes));
    if (TRY(segment.read_at(at + kRecordHeaderBytes, out.pages)) != out.pages.size())
        return std::nullopt;
    const std::uint32_t head_sum = crypto::crc32c(ByteView(head).first(head.size() - kSumBytes));
    if (crypto::crc32c_extend(head_sum, out.pages) != sum) return std::nullopt;
    at = end;
    return out;
}

ByteBuffer write_seal(const SnapshotSeal& seal) {
    ByteWriter out;
    out.bytes(kSealMagic).u64(seal.bytes).u32(seal.crc);
    out.u32(crypto::crc32c(out.view()));
    return std::move(out).take();
}

std::optional<SnapshotSeal> parse_seal(ByteView bytes) {
    if (bytes.size() != kSealBytes || !equal(bytes.first(kSealMagic.size()), kSealMagic) ||
        !sum_agrees(bytes))
        return std::nullopt;
    ByteReader in(bytes.subspan(kSealMagic.size()));
    return SnapshotSeal{*in.u64(), *in.u32()};
}

}  // namespace s4::sql
