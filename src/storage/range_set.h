// RangeSet: which bytes of an unfinished upload were written, as disjoint, sorted ranges that never
// touch each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "storage/types.h"

namespace s4::storage {

class RangeSet {
  public:
    void add(ByteRange range);
    // What lies in `within`, clipped to it, in order.
    std::vector<ByteRange> inside(ByteRange within) const;
    // What is missing in [0, size), in order.
    std::vector<ByteRange> missing(std::uint64_t size) const;
    bool covers(std::uint64_t size) const { return missing(size).empty(); }
    std::size_t pieces() const { return ends_.size(); }

  private:
    std::map<std::uint64_t, std::uint64_t> ends_;  // begin -> end
};

}  // namespace s4::storage
