// Hexadecimal: written in lower case, read in either.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace s4::codec::hex {

std::string encode(ByteView bytes);
// Errors: hex.invalid.
Result<ByteBuffer> decode(std::string_view text);

}  // namespace s4::codec::hex
