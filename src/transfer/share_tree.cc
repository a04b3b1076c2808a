#include "transfer/share_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "storage/limits.h"

namespace s4::transfer {
namespace {

constexpr std::size_t kPrefixCharacters = 2;
constexpr std::string_view kIncoming = "incoming";

storage::ShareKind kind_of(tahoe::Kind kind) {
    return kind == tahoe::Kind::immutable ? storage::ShareKind::immutable
                                          : storage::ShareKind::mutable_;
}

// Why storage would not hold it; empty if it would.
std::string why_not(const OpenShare& share) {
    const bool immutable = share.head.kind == tahoe::Kind::immutable;
    const std::uint64_t limit =
        immutable ? storage::kImmutableShareBytesMax : storage::kMutableShareBytesMax;
    if (share.head.data_bytes <= limit) return "";
    return fmt::format("it holds {} bytes; a share has at most {}", share.head.data_bytes, limit);
}

void scan_file(rt::Files& files, const storage::StorageIndex& index, const std::string& folder,
               const std::string& name, PrefixScan& out) {
    const std::string path = folder + "/" + name;
    const auto number = parse_share_number(name);
    if (!number) {
        out.skipped.push_back({path, "its name is no share number"});
        return;
    }
    const auto share = open_share(files, path);
    std::string problem = share ? why_not(*share) : share.error().sentence();
    if (problem.empty() && !out.shares.empty() && out.shares.back().index == index &&
        out.shares.back().kind != kind_of(share->head.kind))
        problem = "another share of its storage index is of the other kind";
    if (!problem.empty()) {
        out.skipped.push_back({path, std::move(problem)});
        return;
    }
    out.shares.push_back({index, *number, kind_of(share->head.kind), share->head.data_bytes, path});
}

void scan_index(rt::Files& files, const std::string& folder, std::string_view prefix,
                const std::string& name, PrefixScan& out) {
    const std::string path = folder + "/" + name;
    const auto index = storage::StorageIndex::from_text(name);
    if (!index || !name.starts_with(prefix)) {
        out.skipped.push_back({path, "its name is no storage index that belongs here"});
        return;
    }
    const auto names = files.list(path);
    if (!names) {
        out.skipped.push_back({path, names.error().sentence()});
        return;
    }
    if (names->size() > storage::kSharesPerIndexMax) {
        out.skipped.push_back(
            {path, fmt::format("it holds {} files; an index has at most {} shares", names->size(),
                               storage::kSharesPerIndexMax)});
        return;
    }
    for (const std::string& file : *names) scan_file(files, *index, path, file, out);
}

}  // namespace

std::string index_folder(const std::string& shares, const storage::StorageIndex& index) {
    const std::string text = index.to_text();
    return fmt::format("{}/{}/{}", shares, text.substr(0, kPrefixCharacters), text);
}

std::optional<storage::ShareNumber> parse_share_number(std::string_view name) {
    std::uint64_t number = 0;
    const auto [at, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc{} || at != name.data() + name.size()) return std::nullopt;
    if (number > storage::kShareNumberMax || std::to_string(number) != name) return std::nullopt;
    return static_cast<storage::ShareNumber>(number);
}

Result<Prefixes> list_prefixes(rt::Files& files, const std::string& shares) {
    Prefixes out;
    for (std::string& name : TRY(files.list(shares))) {
        if (name == kIncoming) continue;
        const std::string path = shares + "/" + name;
        const auto info = files.info(path);
        if (name.size() == kPrefixCharacters && info && info->is_directory)
            out.names.push_back(std::move(name));
        else
            out.skipped.push_back({path, "it is no folder of shares"});
    }
    return out;
}

Result<PrefixScan> scan_prefix(rt::Files& files, const std::string& shares,
                               const std::string& prefix) {
    const std::string folder = shares + "/" + prefix;
    PrefixScan out;
    for (const std::string& name : TRY(files.list(folder)))
        scan_index(files, folder, prefix, name, out);
    std::ranges::sort(out.shares, [](const FoundShare& a, const FoundShare& b) {
        return std::pair(a.index, a.share) < std::pair(b.index, b.share);
    });
    return out;
}

Result<OpenShare> open_share(rt::Files& files, const std::string& path) {
    OpenShare out;
    out.file = TRY(files.open(path, rt::OpenMode::read));
    const std::uint64_t size = TRY(out.file->size());
    ByteBuffer bytes(static_cast<std::size_t>(std::min<std::uint64_t>(size, tahoe::kHeadBytes)));
    bytes.resize(TRY(out.file->read_at(0, bytes)));
    if (bytes.size() != std::min<std::uint64_t>(size, tahoe::kHeadBytes))
        return fail(ErrorKind::corrupt, "tahoe.cut", "it became shorter while it was read");
    out.head = TRY(tahoe::parse_head(bytes, size));
    bytes.resize(out.head.leases_bytes);
    bytes.resize(TRY(out.file->read_at(out.head.leases_at, bytes)));
    out.leases = TRY(tahoe::parse_leases(out.head, bytes));
    return out;
}

}  // namespace s4::transfer
