#include "codec/base32.h"

#include <array>

namespace s4::codec::base32 {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNone);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
        values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}();

}  // namespace

std::string encode(ByteView bytes) {
    std::string out;
    out.reserve(encoded_size(bytes.size()));
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const std::uint8_t b : bytes) {
        pending = pending << 8 | b;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            out += kAlphabet[pending >> bits & 31];
        }
    }
    if (bits > 0) out += kAlphabet[pending << (5 - bits) & 31];
    return out;
}

Result<ByteBuffer> decode(std::string_view text) {
    const std::size_t size = text.size() * 5 / 8;
    if (encoded_size(size) != text.size())
        return fail(ErrorKind::invalid, "base32.invalid", "no base32 text has this length");
    ByteBuffer out;
    out.reserve(size);
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const std::uint8_t value = kValues[static_cast<std::uint8_t>(c)];
        if (value == kNone)
            return fail(ErrorKind::invalid, "base32.invalid",
                        "base32 consists of the characters a to z and 2 to 7");
        pending = pending << 5 | value;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out.push_back(static_cast<std::uint8_t>(pending >> bits));
        }
    }
    if ((pending & ((1u << bits) - 1)) != 0)
        return fail(ErrorKind::invalid, "base32.invalid",
                    "the last base32 character sets bits that stand for nothing");
    return out;
}

bool is_alphabet(std::string_view text) {
    for (const char c : text)
        if (kValues[static_cast<std::uint8_t>(c)] == kNone) return false;
    return true;
}

}  // namespace s4::codec::base32
