#include "storage/range_set.h"

#include <algorithm>

namespace s4::storage {

void RangeSet::add(ByteRange range) {
    if (range.size == 0) return;
    std::uint64_t begin = range.offset;
    std::uint64_t end = range.offset + range.size;
    auto at = ends_.upper_bound(begin);
    if (at != ends_.begin() && std::prev(at)->second >= begin) --at;
    while (at != ends_.end() && at->first <= end) {
        begin = std::min(begin, at->first);
        end = std::max(end, at->second);
        at = ends_.erase(at);
    }
    ends_.emplace(begin, end);
}

std::vector<ByteRange> RangeSet::inside(ByteRange within) const {
    std::vector<ByteRange> out;
    const std::uint64_t stop = within.offset + within.size;
    auto at = ends_.upper_bound(within.offset);
    if (at != ends_.begin()) --at;
    for (; at != ends_.end() && at->first < stop; ++at) {
        const std::uint64_t begin = std::max(at->first, within.offset);
        const std::uint64_t end = std::min(at->second, stop);
        if (begin < end) out.push_back({begin, end - begin});
    }
    return out;
}

std::vector<ByteRange> RangeSet::missing(std::uint64_t size) const {
    std::vector<ByteRange> out;
    std::uint64_t at = 0;
    for (const auto& [begin, end] : ends_) {
        if (begin >= size) break;
        if (begin > at) out.push_back({at, begin - at});
        at = end;
    }
    if (at < size) out.push_back({at, size - at});
    return out;
}

}  // namespace s4::storage
