# Running ctest under a preset. Sourced after lib.sh by test, asan, tsan and coverage.

# ctest_names PRESET ARGUMENTS: the tests that ctest chooses with these arguments, one a line.
ctest_names() {
    local preset=$1
    shift
    ctest --test-dir "build/$preset" -N "$@" | sed -n 's/^ *Test *#[0-9]*: //p'
}

# test_programs PRESET ARGUMENTS: the build targets of those tests: the programs that their commands name.
test_programs() {
    local commands
    commands=$(cat $(find "build/$1" -name CTestTestfile.cmake) | sed -n "s|^add_test(\[=\[\(.*\)\]=\] \"$PWD/build/$1/\([^\"]*\)\".*|\1 \2|p")
    ctest_names "$@" | awk 'NR == FNR { program[$1] = $2; next } $1 in program { sub(".*/", "", program[$1]); print program[$1] }' \
        <(echo "$commands") - | sort -u
}

# run_ctest PRESET FILTER [LABELS]: builds and runs. A FILTER that names no test program chooses test cases instead.
run_ctest() {
    local preset=$1 filter=$2 labels=${3:-} results chosen=() targets=()
    results=$PWD/build/test-results/$preset
    configure "$preset"
    ninja -C "build/$preset" build.ninja >/dev/null || die "cmake could not configure; run cmake --preset $preset"
    [ -z "$labels" ] || chosen+=(-L "$labels")
    if [ -n "$filter" ] && [ -n "$(ctest_names "$preset" -R "$filter")" ]; then
        chosen+=(-R "$filter")
    elif [ -n "$filter" ]; then
        export GTEST_FILTER="*$filter*"
        chosen+=(-L unit -LE corpus)
    fi
    mapfile -t targets < <(test_programs "$preset" "${chosen[@]}")
    [ ${#targets[@]} -eq 0 ] || build "$preset" "${targets[@]}"
    rm -rf "build/$preset/test-results" "$results"
    mkdir -p "build/$preset/test-results" "$results"
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    export ASAN_SYMBOLIZER_PATH=/usr/lib/llvm-19/bin/llvm-symbolizer
    export TSAN_SYMBOLIZER_PATH=$ASAN_SYMBOLIZER_PATH UBSAN_SYMBOLIZER_PATH=$ASAN_SYMBOLIZER_PATH
    local rc=0
    ctest --test-dir "build/$preset" -j "$(jobs)" --output-on-failure --no-label-summary --output-junit "$results/ctest.xml" \
        "${chosen[@]}" </dev/null || rc=$?
    cp "build/$preset/test-results/"*.json "$results/" 2>/dev/null || true
    unset GTEST_FILTER
    return $rc
}
