#include "web/embedded.h"

#include "base/check.h"

namespace s4::web {

std::string_view embedded_file(std::string_view name) {
    for (const EmbeddedFile& file : embedded_files())
        if (file.name == name) return file.content;
    UNREACHABLE("an embedded file is asked for that is not in pages/ or assets/");
}

}  // namespace s4::web
