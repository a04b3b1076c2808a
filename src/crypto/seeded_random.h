// For tests and the simulator: a Random whose bytes follow from its seed.
#pragma once

#include "crypto/hash.h"
#include "crypto/random.h"

namespace s4::crypto {

class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : seed_(seed) {}

    void fill(MutByteView out) override {
        for (std::size_t at = 0; at < out.size();) {
            const Digest256 block = sha256(ByteWriter().u64(seed_).u64(count_++).view());
            for (std::size_t i = 0; i < block.size() && at < out.size(); ++i) out[at++] = block[i];
        }
    }

  private:
    std::uint64_t seed_;
    std::uint64_t count_ = 0;
};

}  // namespace s4::crypto
