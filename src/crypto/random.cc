#include "crypto/random.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/sodium_ready.h"

namespace s4::crypto {

void sodium_ready() {
    static const int result = sodium_init();
    CHECK(result >= 0, "libsodium could not find a source of randomness");
}

void SystemRandom::fill(MutByteView out) {
    sodium_ready();
    randombytes_buf(out.data(), out.size());
}

Secret random_secret(Random& random, std::size_t size) {
    ByteBuffer bytes(size);
    random.fill(bytes);
    return Secret(std::move(bytes));
}

std::uint64_t random_below(Random& random, std::uint64_t bound) {
    CHECK(bound > 0, "there is no number below zero");
    // Numbers below the largest multiple of `bound` are uniform modulo `bound`; the few others are
    // drawn again.
    const std::uint64_t surplus = (0 - bound) % bound;
    for (;;) {
        const auto bytes = random_bytes<8>(random);
        const std::uint64_t number = *ByteReader(bytes).u64();
        if (number >= surplus) return number % bound;
    }
}

}  // namespace s4::crypto
