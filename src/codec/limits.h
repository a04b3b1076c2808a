// Named limits of the codecs. A caller who needs another bound passes its own Limits struct; these
// are the defaults.
#pragma once

#include <cstddef>

namespace s4::codec {

// Nesting of arrays, maps and tags. Tahoe's deepest document (read-test-write) has 5 levels.
inline constexpr std::size_t kCborDepthMax = 16;
// Items in one document, so that a small body cannot make long work out of empty containers.
inline constexpr std::size_t kCborItemsMax = 1'000'000;
// A text string that the streaming reader must hold whole (map keys and reasons of advisories).
inline constexpr std::size_t kCborTextBytesMax = 32 * 1024;

inline constexpr std::size_t kJsonDepthMax = 32;
inline constexpr std::size_t kJsonBytesMax = 1024 * 1024;

inline constexpr std::size_t kFormFieldsMax = 64;
inline constexpr std::size_t kFormBytesMax = 64 * 1024;

}  // namespace s4::codec
