#include "sql/wal.h"

#include <array>
#include <bit>
#include <optional>

#include "sql/limits.h"

namespace s4::sql {
namespace {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kFrameHeaderBytes = 24;
constexpr std::uint32_t kMagic = 0x377f0682;  // its last bit: checksums of big-endian words

struct Sum {
    std::uint32_t s1 = 0;
    std::uint32_t s2 = 0;
    bool big_endian = false;

    void add(ByteView bytes) {
        const auto word = [&](std::size_t at) {
            const auto b = [&](std::size_t i) { return std::uint32_t{bytes[at + i]}; };
            return big_endian ? b(0) << 24 | b(1) << 16 | b(2) << 8 | b(3)
                              : b(3) << 24 | b(2) << 16 | b(1) << 8 | b(0);
        };
        for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
            s1 += word(at) + s2;
            s2 += word(at + 4) + s1;
        }
    }
};

struct Header {
    std::uint32_t page_bytes = 0;
    std::uint32_t salt1 = 0;
    std::uint32_t salt2 = 0;
    Sum sum;
};

// Nothing when the header is half written.
std::optional<Header> parse_wal_header(ByteView bytes) {
    ByteReader in(bytes);
    const std::uint32_t magic = *in.u32();
    (void)in.u32();  // the format's version
    Header out;
    out.page_bytes = *in.u32();
    (void)in.u32();  // how often the log began anew
    out.salt1 = *in.u32();
    out.salt2 = *in.u32();
    if ((magic & ~1U) != kMagic || !is_page_size(out.page_bytes)) return std::nullopt;
    out.sum.big_endian = (magic & 1U) != 0;
    out.sum.add(bytes.first(24));
    if (out.sum.s1 != *in.u32() || out.sum.s2 != *in.u32()) return std::nullopt;
    return out;
}

struct Frame {
    std::uint32_t page = 0;
    std::uint32_t database_pages = 0;  // 0: no commit ends here
};

// Nothing when the frame is of an earlier log or half written.
std::optional<Frame> parse_frame(ByteView bytes, const Header& header, Sum& sum) {
    ByteReader in(bytes);
    const Frame out{*in.u32(), *in.u32()};
    if (*in.u32() != header.salt1 || *in.u32() != header.salt2) return std::nullopt;
    sum.add(bytes.first(8));
    sum.add(bytes.subspan(kFrameHeaderBytes));
    if (*in.u32() != sum.s1 || *in.u32() != sum.s2 || out.page == 0) return std::nullopt;
    return out;
}

}  // namespace

Result<WalCommits> read_commits(rt::File& log, const WalPosition& from, std::uint64_t bytes_max) {
    WalCommits out;
    out.end = from;
    std::array<std::uint8_t, kHeaderBytes> head{};
    if (TRY(log.read_at(0, head)) != head.size()) return out;
    const auto header = parse_wal_header(head);
    if (!header) return out;
    Sum sum = header->sum;
    out.page_bytes = header->page_bytes;
    const bool goes_on =
        from.frames != 0 && header->salt1 == from.salt1 && header->salt2 == from.salt2;
    if (!goes_on) out.end = {header->salt1, header->salt2, 0, sum.s1, sum.s2};
    sum.s1 = out.end.sum1;
    sum.s2 = out.end.sum2;
    ByteBuffer frame(kFrameHeaderBytes + header->page_bytes);
    std::size_t committed = 0;
    std::uint32_t count = 0;
    for (std::uint64_t at = out.end.frames; committed < bytes_max; ++at) {
        const std::uint64_t offset = kHeaderBytes + at * frame.size();
        if (TRY(log.read_at(offset, frame)) != frame.size()) break;
        const auto parsed = parse_frame(frame, *header, sum);
        if (!parsed) break;
        ByteWriter number;
        number.u32(parsed->page);
        append(out.pages, number.view());
        append(out.pages, ByteView(frame).subspan(kFrameHeaderBytes));
        ++count;
        if (parsed->database_pages == 0) continue;
        committed = out.pages.size();
        out.page_count = count;
        ++out.commits;
        out.database_pages = parsed->database_pages;
        out.end.frames = at + 1;
        out.end.sum1 = sum.s1;
        out.end.sum2 = sum.s2;
    }
    out.pages.resize(committed);
    return out;
}

}  // namespace s4::sql
