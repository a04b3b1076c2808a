# What the folders below add to: all test programs, all fuzzers (only with S4_FUZZ), all benchmarks.
add_custom_target(s4_tests)
add_custom_target(s4_fuzzers)
add_custom_target(s4_benches)

# s4_folder(NAME [LINKS ...] [LIBRARIES ...]) makes the library of the folder it is called in.
#
# NAME is the folder's path under src/ with '/' as '_' (proto/http1 is proto_http1). The rest follows from file names:
#   x.h x.cc     -> library s4::NAME
#   x_test.cc    -> one test program NAME_test, which ctest runs whole (see s4_test)
#   x_fuzz.cc    -> a fuzzer NAME_x_fuzz; without S4_FUZZ the same file replays its corpus fuzz/NAME_x as a test
#   x_bench.cc   -> a benchmark NAME_x_bench (Google Benchmark)
#   main.cc      -> left to the folder itself: a program's entry is no part of a library
# LINKS names the folders (by library name, without s4::) that this one may include; LIBRARIES, what comes from outside.
# TEST_LINKS and TEST_LIBRARIES are for the tests alone. TEST_LABEL (unit unless said), TEST_SHARDS and TEST_TIMEOUT_S
# go to s4_test.
function(s4_folder NAME)
  cmake_parse_arguments(A "" "TEST_LABEL;TEST_SHARDS;TEST_TIMEOUT_S" "LINKS;LIBRARIES;TEST_LINKS;TEST_LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc *.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${sources})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$|/main\\.cc$")

  list(TRANSFORM A_LINKS PREPEND "s4::" OUTPUT_VARIABLE links)
  list(TRANSFORM A_TEST_LINKS PREPEND "s4::" OUTPUT_VARIABLE test_links)

  set(compiled ${sources})
  list(FILTER compiled INCLUDE REGEX "\\.cc$")
  if(compiled)
    add_library(s4_${NAME} STATIC ${sources})
    target_include_directories(s4_${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(s4_${NAME} PUBLIC ${links} fmt::fmt Threads::Threads ${A_LIBRARIES})
    s4_precompile(s4_${NAME})
  else()
    add_library(s4_${NAME} INTERFACE)
    target_include_directories(s4_${NAME} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(s4_${NAME} INTERFACE ${links} fmt::fmt Threads::Threads ${A_LIBRARIES})
  endif()
  add_library(s4::${NAME} ALIAS s4_${NAME})

  if(tests)
    add_executable(${NAME}_test ${tests})
    target_link_libraries(${NAME}_test PRIVATE s4::${NAME} ${test_links} ${A_TEST_LIBRARIES} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${NAME}_test PRIVATE S4_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    s4_precompile_test(${NAME}_test)
    s4_test(${NAME} ${NAME}_test LABEL "${A_TEST_LABEL}" SHARDS "${A_TEST_SHARDS}" TIMEOUT_S "${A_TEST_TIMEOUT_S}")
  endif()
  foreach(file ${fuzzers})
    get_filename_component(stem ${file} NAME_WE)
    s4_fuzzer(${NAME}_${stem} ${file} s4::${NAME} ${test_links} ${A_TEST_LIBRARIES})
  endforeach()
  find_package(benchmark QUIET)
  if(benchmark_FOUND)
    foreach(file ${benches})
      get_filename_component(stem ${file} NAME_WE)
      add_executable(${NAME}_${stem} ${file})
      target_link_libraries(${NAME}_${stem} PRIVATE s4::${NAME} ${test_links} benchmark::benchmark_main)
      s4_precompile(${NAME}_${stem})
      add_dependencies(s4_benches ${NAME}_${stem})
    endforeach()
  endif()
endfunction()

# A fuzzer is one file with LLVMFuzzerTestOneInput. Its corpus is committed under fuzz/TARGET without the ending _fuzz.
function(s4_fuzzer TARGET FILE)
  string(REGEX REPLACE "_fuzz$" "" corpus ${TARGET})
  set(corpus_dir ${CMAKE_SOURCE_DIR}/fuzz/${corpus})
  add_executable(${TARGET} ${FILE})
  target_link_libraries(${TARGET} PRIVATE ${ARGN})
  s4_precompile(${TARGET})
  if(S4_FUZZ)
    target_link_options(${TARGET} PRIVATE -fsanitize=fuzzer)
    add_dependencies(s4_fuzzers ${TARGET})
  else()
    target_sources(${TARGET} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
    add_dependencies(s4_tests ${TARGET})
    add_test(NAME fuzz_corpus.${corpus} COMMAND ${TARGET} ${corpus_dir})
    set_tests_properties(fuzz_corpus.${corpus} PROPERTIES LABELS "unit;corpus" TIMEOUT 300)
  endif()
endfunction()

# s4_test(NAME PROGRAM [LABEL unit|sim] [SHARDS n] [TIMEOUT_S n]): ctest runs the GoogleTest program whole (a process for
# each of thousands of cases would cost more than the cases), or in n shards side by side. The cases are in
# test-results/NAME.json of the build folder, from which ./dev test counts them.
function(s4_test NAME PROGRAM)
  cmake_parse_arguments(A "" "LABEL;SHARDS;TIMEOUT_S" "" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_SHARDS)
    set(A_SHARDS 1)
  endif()
  if(NOT A_TIMEOUT_S)
    set(A_TIMEOUT_S 300)
  endif()
  if(S4_SANITIZE)
    math(EXPR A_TIMEOUT_S "4 * ${A_TIMEOUT_S}")
  endif()
  add_dependencies(s4_tests ${PROGRAM})
  foreach(shard RANGE 1 ${A_SHARDS})
    set(test ${NAME})
    if(A_SHARDS GREATER 1)
      set(test ${NAME}.${shard})
    endif()
    math(EXPR index "${shard} - 1")
    add_test(NAME ${test} COMMAND ${PROGRAM} --gtest_brief=1 --gtest_output=json:${CMAKE_BINARY_DIR}/test-results/${test}.json)
    set_tests_properties(${test} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT_S}
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${A_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()

# All libraries, fuzzers and benchmarks share one precompiled header, all tests another; src/CMakeLists.txt makes them.
# What a file uses it still includes itself.
function(s4_precompile TARGET)
  target_precompile_headers(${TARGET} REUSE_FROM s4_pch)
endfunction()
function(s4_precompile_test TARGET)
  target_precompile_headers(${TARGET} REUSE_FROM s4_pch_test)
endfunction()
