// UTF-8 validity as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include "base/bytes.h"

namespace s4::codec::utf8 {

bool is_valid(ByteView bytes);

}  // namespace s4::codec::utf8
