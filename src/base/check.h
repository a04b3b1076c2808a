// CHECK(condition, sentence): what must hold unless the programmer was wrong. On in every build. A
// failed check writes one readable record to standard error and ends the process, since going on
// would risk what is stored.
#pragma once

#include <string_view>

namespace s4 {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view sentence);

}  // namespace s4

#define CHECK(condition, sentence)                                        \
    do {                                                                  \
        if (!(condition)) [[unlikely]]                                    \
            ::s4::check_failed(__FILE__, __LINE__, #condition, sentence); \
    } while (false)

#define UNREACHABLE(sentence) ::s4::check_failed(__FILE__, __LINE__, "unreachable", sentence)
