#include "sql/shipped_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "crypto/crc32c.h"
#include "sql/limits.h"

namespace s4::sql {
namespace {

constexpr std::string_view kPrefix = "generation-";
constexpr std::string_view kUnfinished = ".new";
constexpr std::string_view kSegmentEnding = ".log";
constexpr std::size_t kGenerationDigits = 16;
constexpr std::size_t kCopyBytes = 1 * kMiB;
constexpr std::uint64_t kSealBytesMax = 4 * kKiB;
constexpr std::uint64_t kOwnerBytesMax = 4 * kKiB;

std::string segment_name(std::uint32_t number) {
    return fmt::format("{:08}{}", number, kSegmentEnding);
}

std::optional<std::uint64_t> generation_of(std::string_view name) {
    if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kGenerationDigits)
        return std::nullopt;
    std::uint64_t out = 0;
    const char* end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, out, 16);
    if (error != std::errc{} || at != end) return std::nullopt;
    return out;
}

std::unexpected<Error> damaged(const std::string& path, std::string_view what) {
    return fail(ErrorKind::corrupt, "sql.log_damaged", fmt::format("{} {}", path, what));
}

Result<void> remove_folder(rt::Files& files, const std::string& path) {
    for (const std::string& name : TRY(files.list(path))) TRY(files.remove(path + "/" + name));
    return files.remove_directory(path);
}

// How many segments there are; one that is missing among them is an error.
Result<std::uint32_t> count_segments(rt::Files& files, const std::string& path) {
    std::uint32_t count = 0;
    std::uint32_t last = 0;
    for (const std::string& name : TRY(files.list(path))) {
        if (!name.ends_with(kSegmentEnding)) continue;
        ++count;
        const auto read = std::from_chars(name.data(), name.data() + name.size(), last);
        if (read.ec != std::errc{} || name != segment_name(last))
            return damaged(path + "/" + name, "is no segment's name");
    }
    if (count != last) return damaged(path, "lacks one of its segments");
    return count;
}

Result<void> copy_snapshot(rt::Files& files, const std::string& path, rt::File& to) {
    const std::string name = path + "/" + kSnapshotName;
    const auto seal = parse_seal(TRY(rt::read_file(files, path + "/" + kSealName, kSealBytesMax)));
    if (!seal) return damaged(path + "/" + kSealName, "is damaged");
    const auto source = TRY(files.open(name, rt::OpenMode::read));
    ByteBuffer buffer(kCopyBytes);
    std::uint32_t crc = 0;
    std::uint64_t at = 0;
    while (const std::size_t n = TRY(source->read_at(at, buffer))) {
        TRY(to.write_at(at, ByteView(buffer).first(n)));
        crc = crypto::crc32c_extend(crc, ByteView(buffer).first(n));
        at += n;
    }
    if (at != seal->bytes || crc != seal->crc) return damaged(name, "is damaged");
    return ok();
}

Result<void> apply_record(rt::File& database, const LogRecord& record) {
    ByteReader in(record.pages);
    for (std::uint32_t i = 0; i < record.page_count; ++i) {
        const std::uint64_t page = *in.u32();
        const ByteView bytes = *in.take(record.page_bytes);
        if (page == 0) return damaged("a record", "names page 0");
        if (page > record.database_pages) continue;  // a later commit of the record cut it off
        TRY(database.write_at((page - 1) * record.page_bytes, bytes));
    }
    return database.truncate(std::uint64_t{record.database_pages} * record.page_bytes);
}

// Whether the record after the one that is missing at `at` is there: then that one was not cut by
// the end of the process, which syncs each before it writes the next.
Result<bool> goes_on(rt::File& segment, std::uint32_t page_bytes, std::uint64_t sequence,
                     std::uint64_t at) {
    ByteBuffer rest(static_cast<std::size_t>(TRY(segment.size()) - at));
    rest.resize(TRY(segment.read_at(at, rest)));
    for (std::size_t i = 1; i + kRecordHeaderBytes <= rest.size(); ++i) {
        ByteReader in(ByteView(rest).subspan(i + 8));  // past the magic and the number of pages
        std::uint64_t there = at + i;
        if (*in.u64() == sequence + 1 && TRY(read_record(segment, page_bytes, sequence + 1, there)))
            return true;
    }
    return false;
}

// Applies the whole records of a segment; only the last segment may end in one that is cut.
Result<void> apply_segment(rt::Files& files, const std::string& name, std::uint32_t number,
                           bool is_last, rt::File& database, RestoredLog& out) {
    const auto segment = TRY(files.open(name, rt::OpenMode::read));
    const auto header = TRY(read_segment_header(*segment));
    if (!header) {
        if (is_last && TRY(segment->size()) <= kSegmentHeaderBytes) return ok();
        return damaged(name, "is damaged");
    }
    if (header->generation != out.generation || header->number != number)
        return damaged(name, "is not the segment that its name says");
    std::uint64_t at = kSegmentHeaderBytes;
    while (const auto record =
               TRY(read_record(*segment, header->page_bytes, out.records + 1, at))) {
        TRY(apply_record(database, *record));
        ++out.records;
        out.commits += record->commits;
        out.as_of_us = record->read_us;
    }
    if (at == TRY(segment->size())) return ok();
    if (!is_last || TRY(goes_on(*segment, header->page_bytes, out.records + 1, at)))
        return damaged(name, "is damaged in its middle");
    return ok();
}

Result<RestoredLog> restore_generation(rt::Files& files, const std::string& path,
                                       std::uint64_t generation, rt::File& database) {
    RestoredLog out;
    out.generation = generation;
    out.as_of_us = static_cast<std::int64_t>(generation);
    TRY(database.truncate(0));
    TRY(copy_snapshot(files, path, database));
    const std::uint32_t segments = TRY(count_segments(files, path));
    for (std::uint32_t number = 1; number <= segments; ++number)
        TRY(apply_segment(files, path + "/" + segment_name(number), number, number == segments,
                          database, out));
    TRY(database.sync());
    return out;
}

}  // namespace

std::string generation_name(std::uint64_t number) {
    return fmt::format("{}{:016x}", kPrefix, number);
}

Result<std::optional<std::string>> shipped_log_owner(rt::Files& files,
                                                     const std::string& directory) {
    const auto content = rt::read_file(files, directory + "/" + kOwnerName, kOwnerBytesMax);
    if (!content && content.error().kind() == ErrorKind::not_found) return std::nullopt;
    if (!content) return fail(content.error());
    std::string_view name = as_text(*content);
    if (name.ends_with('\n')) name.remove_suffix(1);
    return std::string(name);
}

Result<std::vector<std::uint64_t>> list_generations(rt::Files& files,
                                                    const std::string& directory) {
    std::vector<std::uint64_t> out;
    for (const std::string& name : TRY(files.list(directory)))
        if (const auto number = generation_of(name)) out.push_back(*number);
    std::ranges::sort(out);
    return out;
}

Result<void> prune_generations(rt::Files& files, const std::string& directory, std::size_t kept) {
    const auto whole = TRY(list_generations(files, directory));
    for (std::size_t i = 0; i + kept < whole.size(); ++i) {
        // Under the other name first, so that none that is half removed is taken for a whole one.
        const std::string path = directory + "/" + generation_name(whole[i]);
        TRY(files.rename(path, path + std::string(kUnfinished)));
    }
    TRY(files.sync_directory(directory));
    for (const std::string& name : TRY(files.list(directory)))
        if (name.starts_with(kPrefix) && name.ends_with(kUnfinished))
            TRY(remove_folder(files, directory + "/" + name));
    return ok();
}

Result<void> LogSegments::begin_segment(std::uint32_t page_bytes) {
    const std::uint32_t number = segment_ + 1;
    file_ = TRY(files_.open(path_ + "/" + segment_name(number), rt::OpenMode::create_new));
    TRY(file_->write_at(0, write_segment_header({page_bytes, generation_, number})));
    TRY(file_->sync());  // before any record, so that a header that is not whole has none after it
    TRY(files_.sync_directory(path_));
    segment_ = number;
    page_bytes_ = page_bytes;
    at_ = kSegmentHeaderBytes;
    return ok();
}

Result<void> LogSegments::append(const LogRecord& record) {
    // A file that somebody removed, or whose disk was unmounted, still takes what is written.
    if (file_) TRY(files_.info(path_ + "/" + segment_name(segment_)));
    if (record.page_count == 0) return ok();
    if (!file_ || at_ >= kSegmentBytes || page_bytes_ != record.page_bytes)
        TRY(begin_segment(record.page_bytes));
    TRY(file_->write_at(at_, write_record_header(record, sequence_ + 1)));
    TRY(file_->write_at(at_ + kRecordHeaderBytes, record.pages));
    TRY(file_->sync());
    at_ += kRecordHeaderBytes + record.pages.size();
    bytes_ += kRecordHeaderBytes + record.pages.size();
    ++sequence_;
    return ok();
}

Result<RestoredLog> restore_shipped_log(rt::Files& files, const std::string& directory,
                                        const std::string& target) {
    const auto generations = list_generations(files, directory);
    if (!generations || generations->empty())
        return fail(ErrorKind::not_found, "sql.no_generation",
                    fmt::format("{} holds no shipped log (no generation-...); give the directory "
                                "that --ship-log named",
                                directory));
    const std::uint64_t newest = generations->back();
    const std::string path = directory + "/" + generation_name(newest);
    const std::string fresh = target + std::string(kUnfinished);
    auto database = TRY(files.open(fresh, rt::OpenMode::create));
    const RestoredLog out = TRY(restore_generation(files, path, newest, *database));
    database.reset();
    TRY(files.rename(fresh, target));
    TRY(files.sync_directory(rt::parent_path(target)));
    return out;
}

}  // namespace s4::sql
