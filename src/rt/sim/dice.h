// Dice: the seed's choices (xoshiro256**). Each part of a world throws its own, derived from the
// seed and the part's name, so that a change in one does not shift the others. SeededRandom is what
// services are given as crypto::Random.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/units.h"
#include "crypto/random.h"

namespace s4::rt::sim {

class Dice {
  public:
    Dice(std::uint64_t seed, std::string_view part) {
        std::uint64_t x = seed;
        for (const char c : part) x = (x ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
        for (std::uint64_t& word : state_) word = spread(x);
    }

    std::uint64_t next() {
        const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return out;
    }
    // In [0, bound).
    std::uint64_t below(std::uint64_t bound) {
        CHECK(bound > 0, "there is no number below zero");
        return next() % bound;
    }
    // In [low, high].
    std::uint64_t between(std::uint64_t low, std::uint64_t high) {
        return low + below(high - low + 1);
    }
    bool chance(double probability) {
        return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
    }
    Duration between(Duration low, Duration high) {
        return Duration(static_cast<std::int64_t>(between(
            static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()))));
    }
    void fill(MutByteView out) {
        for (std::size_t i = 0; i < out.size(); i += 8) {
            const std::uint64_t word = next();
            for (std::size_t j = i; j < out.size() && j < i + 8; ++j)
                out[j] = static_cast<std::uint8_t>(word >> (8 * (j - i)));
        }
    }

  private:
    // splitmix64
    static std::uint64_t spread(std::uint64_t& x) {
        x += 0x9e3779b97f4a7c15;
        std::uint64_t z = x;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }

    std::uint64_t state_[4];
};

class SeededRandom final : public crypto::Random {
  public:
    SeededRandom(std::uint64_t seed, std::string_view part) : dice_(seed, part) {}
    void fill(MutByteView out) override { dice_.fill(out); }

  private:
    Dice dice_;
};

}  // namespace s4::rt::sim
