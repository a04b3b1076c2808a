#include "crypto/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace s4::crypto {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // Castagnoli's, bits reversed

// kTables[0] is the table for one byte; kTables[k] that for a byte with k bytes behind it.
constexpr std::array<std::array<std::uint32_t, 256>, 8> kTables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
        tables[0][i] = crc;
    }
    for (std::size_t k = 1; k < tables.size(); ++k)
        for (std::size_t i = 0; i < 256; ++i)
            tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xff];
    return tables;
}();

#if defined(__x86_64__)
// The instruction takes a cycle but gives its result after three, so three streams go on side by
// side.
constexpr std::size_t kStreamBytes = 1024;

// kSkip[k][b]: what byte k of a state, of value b, becomes behind kStreamBytes zeros. Both halves
// of the arithmetic being linear, that is how the state before a stream joins the one within it.
constexpr std::array<std::array<std::uint32_t, 256>, 4> kSkip = [] {
    std::array<std::uint32_t, 32> of_bit{};
    for (std::size_t bit = 0; bit < of_bit.size(); ++bit) {
        std::uint32_t state = std::uint32_t{1} << bit;
        for (std::size_t i = 0; i < kStreamBytes; ++i)
            state = (state >> 8) ^ kTables[0][state & 0xff];
        of_bit[bit] = state;
    }
    std::array<std::array<std::uint32_t, 256>, 4> skip{};
    for (std::size_t k = 0; k < skip.size(); ++k)
        for (std::size_t b = 0; b < 256; ++b)
            for (std::size_t bit = 0; bit < 8; ++bit)
                if ((b >> bit & 1) != 0) skip[k][b] ^= of_bit[8 * k + bit];
    return skip;
}();

std::uint32_t skip(std::uint64_t state) {
    return kSkip[0][state & 0xff] ^ kSkip[1][state >> 8 & 0xff] ^ kSkip[2][state >> 16 & 0xff] ^
           kSkip[3][state >> 24 & 0xff];
}

std::uint64_t word_at(const std::uint8_t* p) {
    std::uint64_t word;
    std::memcpy(&word, p, sizeof word);
    return word;
}

__attribute__((target("sse4.2"))) std::uint32_t extend_sse42(std::uint32_t crc, ByteView more) {
    std::uint64_t state = ~crc;
    const std::uint8_t* p = more.data();
    std::size_t n = more.size();
    for (; n >= 3 * kStreamBytes; p += 3 * kStreamBytes, n -= 3 * kStreamBytes) {
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t i = 0; i < kStreamBytes; i += 8) {
            state = _mm_crc32_u64(state, word_at(p + i));
            second = _mm_crc32_u64(second, word_at(p + kStreamBytes + i));
            third = _mm_crc32_u64(third, word_at(p + 2 * kStreamBytes + i));
        }
        state = skip(skip(state) ^ second) ^ third;
    }
    for (; n >= 8; p += 8, n -= 8) state = _mm_crc32_u64(state, word_at(p));
    auto narrow = static_cast<std::uint32_t>(state);
    for (; n > 0; ++p, --n) narrow = _mm_crc32_u8(narrow, *p);
    return ~narrow;
}
#endif

}  // namespace

std::uint32_t crc32c_extend_portable(std::uint32_t crc, ByteView more) {
    std::uint32_t state = ~crc;
    const std::uint8_t* p = more.data();
    std::size_t n = more.size();
    // Eight bytes a step; the lookups do not depend on each other.
    for (; n >= 8; p += 8, n -= 8) {
        const std::uint32_t low = state ^ (std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 |
                                           std::uint32_t{p[2]} << 16 | std::uint32_t{p[3]} << 24);
        state = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^
                kTables[5][low >> 16 & 0xff] ^ kTables[4][low >> 24] ^ kTables[3][p[4]] ^
                kTables[2][p[5]] ^ kTables[1][p[6]] ^ kTables[0][p[7]];
    }
    for (; n > 0; ++p, --n) state = (state >> 8) ^ kTables[0][(state ^ *p) & 0xff];
    return ~state;
}

std::uint32_t crc32c_extend(std::uint32_t crc, ByteView more) {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
    if (has_instruction) return extend_sse42(crc, more);
#endif
    return crc32c_extend_portable(crc, more);
}

std::uint32_t crc32c(ByteView bytes) {
    return crc32c_extend(0, bytes);
}

}  // namespace s4::crypto
