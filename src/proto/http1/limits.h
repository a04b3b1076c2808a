// What one HTTP message may cost at most. A pump passes its own Limits; these are the defaults.
#pragma once

#include <cstddef>

namespace s4::proto::http1 {

struct Limits {
    // Request or status line and all fields, with their line ends. A Tahoe client sends about 600.
    std::size_t head_bytes_max = 16 * 1024;
    std::size_t fields_max = 100;
    std::size_t target_bytes_max = 4 * 1024;
    // One chunk's size line with its extensions; of the last chunk, the trailer too.
    std::size_t chunk_head_bytes_max = 4 * 1024;
};

// Empty lines that a sloppy client may send before a request (RFC 9112 section 2.2).
inline constexpr int kEmptyLinesMax = 2;

}  // namespace s4::proto::http1
