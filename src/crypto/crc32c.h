// CRC-32C (Castagnoli), the checksum of blocks at rest. Uses the processor's instruction where
// there is one.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace s4::crypto {

std::uint32_t crc32c(ByteView bytes);
// The checksum of what `crc` covers followed by `more`; crc32c_extend(0, b) == crc32c(b).
std::uint32_t crc32c_extend(std::uint32_t crc, ByteView more);

// The table-driven form that processors without the instruction run; public so that tests compare
// both.
std::uint32_t crc32c_extend_portable(std::uint32_t crc, ByteView more);

}  // namespace s4::crypto
