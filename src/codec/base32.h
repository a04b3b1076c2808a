// Base32 as Tahoe and Foolscap write it: the RFC 4648 alphabet in lower case, no padding.
//
// Decoding accepts canonical text only (no unused bits set, no other length than encoding makes),
// so that one value has one spelling and a tub id or swissnum can be compared as text.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace s4::codec::base32 {

std::string encode(ByteView bytes);

// Errors: base32.invalid.
Result<ByteBuffer> decode(std::string_view text);

constexpr std::size_t encoded_size(std::size_t bytes) {
    return (bytes * 8 + 4) / 5;
}

// Whether every character is of the alphabet; says nothing about the length.
bool is_alphabet(std::string_view text);

}  // namespace s4::codec::base32
