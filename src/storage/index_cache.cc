#include "storage/index_cache.h"

#include <algorithm>

namespace s4::storage {

const ShareRow* find_share(const IndexRows& rows, ShareNumber share) {
    const auto at = std::lower_bound(
        rows.begin(), rows.end(), share,
        [](const ShareRow& row, ShareNumber number) { return row.share < number; });
    return at != rows.end() && at->share == share ? &*at : nullptr;
}

std::shared_ptr<const IndexRows> IndexCache::find(const IndexKey& key) {
    const auto* found = entries_.find(key);
    return found ? *found : nullptr;
}

void IndexCache::fill(const IndexKey& key, std::uint32_t ticket,
                      std::shared_ptr<const IndexRows> rows) {
    if (!current(key, ticket)) return;
    const std::uint64_t weight = 1 + rows->size() / 4;
    entries_.put(key, std::move(rows), weight);
}

IndexCache::Writing::Writing(IndexCache& cache, const IndexKey& key) : cache_(cache), key_(key) {
    cache_.entries_.erase(key_);
    ++cache_.stripe(key_).stamp;
    ++cache_.stripe(key_).writing;
}

IndexCache::Writing::~Writing() {
    ++cache_.stripe(key_).stamp;
    --cache_.stripe(key_).writing;
}

}  // namespace s4::storage
