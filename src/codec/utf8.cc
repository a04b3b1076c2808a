#include "codec/utf8.h"

namespace s4::codec::utf8 {
namespace {

// The well-formed sequences of RFC 3629, section 4, by their first byte: how long the sequence is
// and between what its second byte lies; all further bytes are 80 to BF.
struct Shape {
    std::size_t size;
    std::uint8_t second_min;
    std::uint8_t second_max;
};

Shape shape_of(std::uint8_t first) {
    if (first < 0x80) return {1, 0, 0};
    if (first < 0xC2) return {0, 0, 0};  // a continuation, or an overlong form
    if (first < 0xE0) return {2, 0x80, 0xBF};
    if (first == 0xE0) return {3, 0xA0, 0xBF};
    if (first == 0xED) return {3, 0x80, 0x9F};  // no surrogates
    if (first < 0xF0) return {3, 0x80, 0xBF};
    if (first == 0xF0) return {4, 0x90, 0xBF};
    if (first < 0xF4) return {4, 0x80, 0xBF};
    if (first == 0xF4) return {4, 0x80, 0x8F};  // nothing above U+10FFFF
    return {0, 0, 0};
}

}  // namespace

bool is_valid(ByteView bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const Shape shape = shape_of(bytes[at]);
        if (shape.size == 0 || shape.size > bytes.size() - at) return false;
        if (shape.size > 1) {
            const std::uint8_t second = bytes[at + 1];
            if (second < shape.second_min || second > shape.second_max) return false;
        }
        for (std::size_t i = 2; i < shape.size; ++i)
            if ((bytes[at + i] & 0xC0) != 0x80) return false;
        at += shape.size;
    }
    return true;
}

}  // namespace s4::codec::utf8
