// IndexCache: which shares an index has, as of the last commit, for the indexes asked for lately.
// Absence is cached too: a client lists before it uploads.
//
// What is filled in was read from the database beside running writes, so a fill counts only if no
// write to that index was under way from the reading's start to its end. Lives on the engine's
// reactor.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/id.h"
#include "blob/store.h"
#include "storage/lru.h"
#include "storage/types.h"

namespace s4::storage {

enum class Place : std::uint8_t { small = 0, blob = 1, extents = 2 };

// One row of storage_share, without its times.
struct ShareRow {
    ShareNumber share = 0;
    ShareKind kind = ShareKind::immutable;
    Place place = Place::small;
    std::uint64_t length = 0;
    std::uint64_t version = 0;
    std::int64_t small_id = 0;  // place small
    blob::Key::Name blob{};     // place blob
};

using IndexRows = std::vector<ShareRow>;  // sorted by share number

const ShareRow* find_share(const IndexRows& rows, ShareNumber share);

struct IndexKey {
    GridId grid;
    StorageIndex index;
    friend auto operator<=>(const IndexKey&, const IndexKey&) = default;
};

struct IndexKeyHash {
    std::size_t operator()(const IndexKey& key) const noexcept {
        return std::hash<StorageIndex>{}(key.index) ^
               static_cast<std::size_t>(key.grid.value) * 0x9e37'79b9'7f4a'7c15U;
    }
};

class IndexCache {
  public:
    explicit IndexCache(std::size_t entries_max) : entries_(entries_max) {}

    // Null when unknown.
    std::shared_ptr<const IndexRows> find(const IndexKey& key);

    // Taken before the reading, shown when filling in.
    std::uint32_t ticket(const IndexKey& key) const { return stripe(key).stamp; }
    // Whether nothing was written to the index since the ticket was taken.
    bool current(const IndexKey& key, std::uint32_t ticket) const {
        const Stripe& s = stripe(key);
        return s.stamp == ticket && s.writing == 0;
    }
    void fill(const IndexKey& key, std::uint32_t ticket, std::shared_ptr<const IndexRows> rows);

    // Held from before a write is queued until its answer is known.
    class Writing {
      public:
        Writing(IndexCache& cache, const IndexKey& key);
        Writing(const Writing&) = delete;
        Writing& operator=(const Writing&) = delete;
        ~Writing();

      private:
        IndexCache& cache_;
        IndexKey key_;
    };

  private:
    // Many indexes share a stripe; a false alarm only costs a fill.
    static constexpr std::size_t kStripes = 4096;
    struct Stripe {
        std::uint32_t stamp = 0;
        std::uint32_t writing = 0;
    };
    const Stripe& stripe(const IndexKey& key) const {
        return stripes_[IndexKeyHash{}(key) % kStripes];
    }
    Stripe& stripe(const IndexKey& key) { return stripes_[IndexKeyHash{}(key) % kStripes]; }

    Lru<IndexKey, std::shared_ptr<const IndexRows>, IndexKeyHash> entries_;
    std::array<Stripe, kStripes> stripes_{};
};

}  // namespace s4::storage
