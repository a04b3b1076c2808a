#include "storage/rebuild_plan.h"

#include <algorithm>

namespace s4::storage {
namespace {

const FoundVersions* versions_of(const FoundShares& found, ShareNumber share) {
    const auto at = found.find(share);
    return at == found.end() ? nullptr : &at->second;
}

std::uint64_t known_version(const IndexRows& known, ShareNumber share) {
    const ShareRow* row = find_share(known, share);
    return row ? row->version : 0;
}

// Whether this part of a commit took place, as far as the blobs can tell.
bool took_place(const FoundShares& found, const IndexRows& known, const CommitEntry& entry) {
    if (entry.blobs == 0 || known_version(known, entry.share) >= entry.version) return true;
    const FoundVersions* versions = versions_of(found, entry.share);
    if (!versions) return false;
    // The next version says what it was made from. Was that older than this entry, then the entry
    // was not there when it was made, and never came.
    if (const auto next = versions->upper_bound(entry.version); next != versions->end()) {
        const std::uint64_t base = next->second.front().base_version;
        return base == 0 || base >= entry.version;
    }
    const auto own = versions->find(entry.version);
    return own != versions->end() && own->second.size() == entry.blobs;
}

bool is_whole(const FoundShares& found, const IndexRows& known,
              const std::vector<FoundBlob>& version) {
    if (version.size() != version.front().blobs_in_version) return false;
    return std::ranges::all_of(version.front().record, [&](const CommitEntry& entry) {
        return took_place(found, known, entry);
    });
}

// What commits of other shares say of this one: its last change without blobs.
const CommitEntry* last_without_blobs(const FoundShares& found, const IndexRows& known,
                                      ShareNumber number) {
    const CommitEntry* last = nullptr;
    for (const auto& [share, versions] : found)
        for (const auto& [version, blobs] : versions) {
            if (!is_whole(found, known, blobs)) continue;
            for (const CommitEntry& entry : blobs.front().record)
                if (entry.share == number && entry.blobs == 0 &&
                    (!last || entry.version > last->version))
                    last = &entry;
        }
    return last;
}

void cut(std::vector<tables::Piece>& pieces, std::uint64_t length) {
    std::erase_if(pieces, [&](const tables::Piece& p) { return p.at.offset >= length; });
    for (tables::Piece& piece : pieces)
        piece.at.size = std::min(piece.at.size, length - piece.at.offset);
}

void lay(std::vector<tables::Piece>& pieces, const FoundBlob& blob) {
    const std::uint64_t from = blob.data.offset;
    const std::uint64_t to = from + blob.data.size;
    std::vector<tables::Piece> out;
    for (const tables::Piece& piece : pieces) {
        const std::uint64_t end = piece.at.offset + piece.at.size;
        if (piece.at.offset < from)
            out.push_back({{piece.at.offset, std::min(end, from) - piece.at.offset},
                           piece.blob,
                           piece.blob_at});
        if (end > to) {
            const std::uint64_t start = std::max(to, piece.at.offset);
            out.push_back(
                {{start, end - start}, piece.blob, piece.blob_at + (start - piece.at.offset)});
        }
    }
    if (blob.data.size != 0) out.push_back({blob.data, blob.name, 0});
    std::ranges::sort(out, {}, [](const tables::Piece& piece) { return piece.at.offset; });
    pieces = std::move(out);
}

// The versions that the newest one was made from, oldest first, down to a beginning or to `stop`,
// the one that the database has. Says in `reached` whether it came to that.
std::vector<const std::vector<FoundBlob>*> chain_of(const FoundVersions& versions,
                                                    FoundVersions::const_iterator newest,
                                                    std::uint64_t stop, bool& reached) {
    std::vector<const std::vector<FoundBlob>*> out;
    auto at = newest;
    for (;;) {
        out.push_back(&at->second);
        const std::uint64_t base = at->second.front().base_version;
        reached = base != 0 && base <= stop;
        if (base == 0 || reached) break;
        auto next = versions.upper_bound(base);
        if (next == versions.begin()) break;
        --next;
        reached = next->first <= stop;
        if (reached) break;
        at = next;
    }
    std::ranges::reverse(out);
    return out;
}

void take_mutable(const FoundVersions& versions, FoundVersions::const_iterator newest,
                  const ShareRow* row, const std::vector<tables::Piece>& known, ShareVerdict& out) {
    const std::uint64_t stop = row && row->place == Place::extents ? row->version : 0;
    bool reached = false;
    const auto chain = chain_of(versions, newest, stop, reached);
    if (reached) out.pieces = known;
    for (const std::vector<FoundBlob>* version : chain) {
        cut(out.pieces, version->front().share_length);
        for (const FoundBlob& blob : *version) lay(out.pieces, blob);
    }
}

}  // namespace

ShareVerdict judge_share(const FoundShares& found, const IndexRows& known, ShareNumber number,
                         const std::vector<tables::Piece>& pieces) {
    const FoundVersions& versions = found.at(number);
    const ShareRow* row = find_share(known, number);
    ShareVerdict out;
    auto newest = versions.end();
    for (auto at = versions.end(); at != versions.begin() && newest == versions.end();) {
        --at;
        if (is_whole(found, known, at->second))
            newest = at;
        else
            out.half_newest = true;
    }
    const std::uint64_t best = newest == versions.end() ? 0 : newest->first;
    if (const CommitEntry* gone = last_without_blobs(found, known, number);
        gone && gone->version > best && (!row || row->version < gone->version)) {
        out.what = gone->length == CommitEntry::kDeleted ? ShareVerdict::What::deleted
                                                         : ShareVerdict::What::lost_small;
        return out;
    }
    if (row && row->version >= best) return out;
    if (newest == versions.end()) {
        out.what = ShareVerdict::What::left_out;
        return out;
    }
    const FoundBlob& blob = newest->second.front();
    out.what = ShareVerdict::What::take;
    out.made = blob.made;
    out.enabler_sealed = blob.enabler_sealed;
    out.row = {.share = number,
               .kind = blob.kind,
               .place = blob.kind == ShareKind::immutable ? Place::blob : Place::extents,
               .length = blob.share_length,
               .version = newest->first,
               .small_id = 0,
               .blob = blob.name};
    if (blob.kind == ShareKind::mutable_) take_mutable(versions, newest, row, pieces, out);
    return out;
}

}  // namespace s4::storage
