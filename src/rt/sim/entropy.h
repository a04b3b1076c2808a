// SeededEntropy: while it lives, OpenSSL and libsodium draw their random bytes from a seed instead
// of the system, so that keys and nonces are the same in every run. One at a time; the simulator's
// alone.
#pragma once

#include <cstdint>

namespace s4::rt::sim {

class SeededEntropy {
  public:
    explicit SeededEntropy(std::uint64_t seed);
    ~SeededEntropy();
    SeededEntropy(const SeededEntropy&) = delete;
    SeededEntropy& operator=(const SeededEntropy&) = delete;
};

}  // namespace s4::rt::sim
