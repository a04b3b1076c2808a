// The files of pages/ and assets/, compiled into the program by embed.cmake. Constant; any thread.
#pragma once

#include <span>
#include <string_view>

namespace s4::web {

struct EmbeddedFile {
    std::string_view name;  // "landing.html"
    std::string_view content;
};

std::span<const EmbeddedFile> embedded_files();
// The file must exist: names are written in this folder only.
std::string_view embedded_file(std::string_view name);

}  // namespace s4::web
