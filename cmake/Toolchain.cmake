# Compiler, warnings and instrumentation, the same for every target.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # TRY is a statement expression
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "S4 needs clang 19 (g++ 12 miscompiles coroutines). Run ./dev build, which installs and selects it.")
endif()

set(S4_SANITIZE "" CACHE STRING "Sanitizers for the whole build: empty, 'address,undefined' or 'thread'")
option(S4_FUZZ "Build the fuzzers with libFuzzer instead of their corpus tests alone" OFF)
option(S4_COVERAGE "Instrument for llvm-cov" OFF)

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion
  -Wno-gnu-statement-expression-from-macro-expansion -Wno-gnu-statement-expression -Wimplicit-fallthrough -Wnon-virtual-dtor
  -Wdangling -Werror=return-type -Werror=unused-result -Werror=switch -Werror=dangling
  -fno-omit-frame-pointer -fstack-protector-strong -D_GLIBCXX_ASSERTIONS -fPIE
  "$<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>")
add_link_options(-fuse-ld=lld-19 -pie -Wl,-z,relro,-z,now)
if(S4_SANITIZE)
  add_compile_options(-fsanitize=${S4_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${S4_SANITIZE})
endif()
if(S4_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(S4_COVERAGE)
  add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
  # A precompiled header without its time stamp is the same file each time, so ccache can know it.
  set(CMAKE_PCH_INSTANTIATE_TEMPLATES ON)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()
