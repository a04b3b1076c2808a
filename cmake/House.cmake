# s4_folder(NAME [LINKS ...] [LIBRARIES ...]) makes the library of the folder it is called in.
#
# NAME is the folder's path under src/ with '/' as '_' (proto/http1 is proto_http1). The rest follows from file names:
#   x.h x.cc     -> library s4::NAME
#   x_test.cc    -> one test program NAME_test, its cases found by ctest
#   x_fuzz.cc    -> a fuzzer NAME_x_fuzz; without S4_FUZZ the same file replays its corpus fuzz/NAME_x as a test
#   x_bench.cc   -> a benchmark NAME_x_bench (Google Benchmark)
# LINKS names the folders (by library name, without s4::) that this one may include; LIBRARIES, what comes from outside.
# TEST_LINKS and TEST_LIBRARIES are for the tests alone.
include(GoogleTest)

function(s4_folder NAME)
  cmake_parse_arguments(A "" "" "LINKS;LIBRARIES;TEST_LINKS;TEST_LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc *.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${sources})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|bench)\\.cc$")

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
    s4_precompile(${NAME}_test)
    gtest_discover_tests(${NAME}_test DISCOVERY_MODE PRE_TEST TEST_PREFIX "${NAME}." PROPERTIES LABELS "unit" TIMEOUT 300)
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
  else()
    target_sources(${TARGET} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
    add_test(NAME fuzz_corpus.${corpus} COMMAND ${TARGET} ${corpus_dir})
    set_tests_properties(fuzz_corpus.${corpus} PROPERTIES LABELS "unit" TIMEOUT 300)
  endif()
endfunction()

# Every target shares one list of standard headers; what a file uses it still includes itself.
function(s4_precompile TARGET)
  target_precompile_headers(${TARGET} PRIVATE ${CMAKE_SOURCE_DIR}/src/pch.h)
endfunction()
