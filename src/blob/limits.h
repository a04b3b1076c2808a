// Named limits of the object store.
#pragma once

#include <cstddef>

namespace s4::blob {

inline constexpr std::size_t kListPageMax = 1000;           // blobs of one page
inline constexpr std::size_t kListDirectoriesPerPage = 64;  // a page may end early instead

}  // namespace s4::blob
