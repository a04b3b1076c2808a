#include "codec/base64.h"

#include <array>

namespace s4::codec::base64 {
namespace {

constexpr std::uint8_t kNone = 0xff;

// The two alphabets differ in their last two characters.
struct Alphabet {
    std::string_view characters;
    std::array<std::uint8_t, 256> values{};

    constexpr explicit Alphabet(std::string_view all) : characters(all) {
        values.fill(kNone);
        for (std::size_t i = 0; i < all.size(); ++i)
            values[static_cast<std::uint8_t>(all[i])] = static_cast<std::uint8_t>(i);
    }
};

constexpr Alphabet kStandard("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
constexpr Alphabet kUrl("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

std::string encode_unpadded(ByteView bytes, const Alphabet& alphabet) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const std::uint8_t b : bytes) {
        pending = pending << 8 | b;
        bits += 8;
        while (bits >= 6) {
            bits -= 6;
            out += alphabet.characters[pending >> bits & 63];
        }
    }
    if (bits > 0) out += alphabet.characters[pending << (6 - bits) & 63];
    return out;
}

Result<ByteBuffer> decode_unpadded(std::string_view text, const Alphabet& alphabet) {
    if (text.size() % 4 == 1)
        return fail(ErrorKind::invalid, "base64.invalid", "no base64 text has this length");
    ByteBuffer out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const std::uint8_t value = alphabet.values[static_cast<std::uint8_t>(c)];
        if (value == kNone)
            return fail(ErrorKind::invalid, "base64.invalid", "a character is not of base64");
        pending = pending << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out.push_back(static_cast<std::uint8_t>(pending >> bits));
        }
    }
    if ((pending & ((1u << bits) - 1)) != 0)
        return fail(ErrorKind::invalid, "base64.invalid",
                    "the last base64 character sets bits that stand for nothing");
    return out;
}

}  // namespace

std::string encode(ByteView bytes) {
    std::string out = encode_unpadded(bytes, kStandard);
    while (out.size() % 4 != 0) out += '=';
    return out;
}

Result<ByteBuffer> decode(std::string_view text) {
    if (text.size() % 4 != 0)
        return fail(ErrorKind::invalid, "base64.invalid",
                    "base64 is padded with = to a multiple of four characters");
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
    return decode_unpadded(text, kStandard);
}

std::string encode_url(ByteView bytes) {
    return encode_unpadded(bytes, kUrl);
}

Result<ByteBuffer> decode_url(std::string_view text) {
    return decode_unpadded(text, kUrl);
}

}  // namespace s4::codec::base64
