// Lru: a bounded map that forgets what was not asked for longest. Each entry has a weight; the sum
// of weights stays at or below the capacity. Lives on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

namespace s4::storage {

template <typename KeyType, typename Value, typename Hash = std::hash<KeyType>>
class Lru {
  public:
    explicit Lru(std::uint64_t capacity) : capacity_(capacity) {}

    // Valid until the next call that changes the map; null when it is not there.
    Value* find(const KeyType& key) {
        const auto at = places_.find(key);
        if (at == places_.end()) return nullptr;
        entries_.splice(entries_.begin(), entries_, at->second);
        return &at->second->value;
    }
    void put(const KeyType& key, Value value, std::uint64_t weight) {
        erase(key);
        if (weight > capacity_) return;
        entries_.push_front({key, std::move(value), weight});
        places_.emplace(key, entries_.begin());
        weight_ += weight;
        while (weight_ > capacity_) erase(entries_.back().key);
    }
    void erase(KeyType key) {  // by value: it may be the entry's own
        const auto at = places_.find(key);
        if (at == places_.end()) return;
        weight_ -= at->second->weight;
        entries_.erase(at->second);
        places_.erase(at);
    }
    void clear() {
        entries_.clear();
        places_.clear();
        weight_ = 0;
    }
    std::size_t size() const { return places_.size(); }
    std::uint64_t weight() const { return weight_; }

  private:
    struct Entry {
        KeyType key;
        Value value;
        std::uint64_t weight;
    };

    std::uint64_t capacity_;
    std::uint64_t weight_ = 0;
    std::list<Entry> entries_;  // the last used first
    std::unordered_map<KeyType, typename std::list<Entry>::iterator, Hash> places_;
};

}  // namespace s4::storage
