// Where random bytes come from: passed to whatever needs them, so that the simulator can replay a
// run from its seed.
//
// SystemRandom is the production source. Implementations are called from one thread at a time
// unless they say otherwise; SystemRandom may be called from any.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace s4::crypto {

class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(MutByteView out) = 0;
};

// The operating system's generator, through libsodium. Thread-safe, holds nothing.
class SystemRandom final : public Random {
  public:
    void fill(MutByteView out) override;
};

template <std::size_t N>
std::array<std::uint8_t, N> random_bytes(Random& random) {
    std::array<std::uint8_t, N> out;
    random.fill(out);
    return out;
}

Secret random_secret(Random& random, std::size_t size);
// Uniform in [0, bound); bound > 0.
std::uint64_t random_below(Random& random, std::uint64_t bound);

}  // namespace s4::crypto
