#include "rt/sim/entropy.h"

#include <sodium.h>

#include <optional>

#include "base/check.h"
#include "rt/sim/dice.h"

// OpenSSL 3 prefers a provider for this; one function table is all it takes.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>

namespace s4::rt::sim {
namespace {

// The libraries take functions without state, so the dice stand here.
std::optional<Dice>& dice() {
    static std::optional<Dice> only;
    return only;
}

void draw(void* out, std::size_t size) {
    dice()->fill({static_cast<std::uint8_t*>(out), size});
}

int openssl_bytes(unsigned char* out, int size) {
    draw(out, static_cast<std::size_t>(size));
    return 1;
}
int openssl_seed(const void*, int) {
    return 1;
}
int openssl_add(const void*, int, double) {
    return 1;
}
int openssl_status() {
    return 1;
}

constexpr RAND_METHOD kOpenssl = {
    .seed = openssl_seed,
    .bytes = openssl_bytes,
    .cleanup = nullptr,
    .add = openssl_add,
    .pseudorand = openssl_bytes,
    .status = openssl_status,
};

const char* sodium_name() {
    return "seed";
}
std::uint32_t sodium_random() {
    return static_cast<std::uint32_t>(dice()->next());
}

randombytes_implementation* seeded_sodium() {
    static randombytes_implementation table = {
        .implementation_name = sodium_name,
        .random = sodium_random,
        .stir = nullptr,
        .uniform = nullptr,
        .buf = [](void* const out, const std::size_t size) { draw(out, size); },
        .close = nullptr,
    };
    return &table;
}

}  // namespace

SeededEntropy::SeededEntropy(std::uint64_t seed) {
    CHECK(!dice(), "one simulated world at a time");
    CHECK(sodium_init() >= 0, "libsodium starts");
    dice().emplace(seed, "entropy");
    CHECK(RAND_set_rand_method(&kOpenssl) == 1, "OpenSSL takes the seeded source");
    randombytes_set_implementation(seeded_sodium());
}

SeededEntropy::~SeededEntropy() {
    RAND_set_rand_method(nullptr);
    randombytes_set_implementation(&randombytes_sysrandom_implementation);
    dice().reset();
}

}  // namespace s4::rt::sim
