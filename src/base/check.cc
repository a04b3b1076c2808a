#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace s4 {

void check_failed(const char* file, int line, const char* condition, std::string_view sentence) {
    std::fprintf(stderr, "CHECK failed at %s:%d: %s (%.*s)\n", file, line, condition,
                 static_cast<int>(sentence.size()), sentence.data());
    std::fflush(stderr);
    std::abort();
}

}  // namespace s4
