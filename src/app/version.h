// The program's version, as `s4 --version` and the pages' footers show it.
#pragma once

#include <string_view>

namespace s4::app {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace s4::app
