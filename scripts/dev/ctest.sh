# Running ctest under a preset. Sourced after lib.sh by test, asan, tsan and coverage.

# ctest_names PRESET FILTER: the ctest tests whose name holds FILTER, one a line.
ctest_names() { ctest --test-dir "build/$1" -N -R "$2" | sed -n 's/^ *Test *#[0-9]*: //p'; }

# names_a_ctest PRESET FILTER: whether a test program's name holds FILTER.
names_a_ctest() { [ -n "$(ctest_names "$1" "$2")" ]; }

# programs_named PRESET FILTER: the build targets of those tests (ctest names are NAME, NAME.SHARD, fuzz_corpus.NAME).
programs_named() {
    ctest_names "$1" "$2" | sed -E '/^house\./d; s/^fuzz_corpus\.(.*)$/\1_fuzz/; t; s/\.[0-9]+$//; s/$/_test/' | sort -u
}

# run_ctest PRESET FILTER [LABELS]: builds and runs. A FILTER that names no test program chooses test cases instead.
run_ctest() {
    local preset=$1 filter=$2 labels=${3:-} results chosen=() targets=(s4_tests)
    results=$PWD/build/test-results/$preset
    configure "$preset"
    [ -z "$labels" ] || chosen+=(-L "$labels")
    if [ -n "$filter" ]; then
        ninja -C "build/$preset" build.ninja >/dev/null
        if names_a_ctest "$preset" "$filter"; then
            chosen+=(-R "$filter")
            mapfile -t targets < <(programs_named "$preset" "$filter")
        else
            export GTEST_FILTER="*$filter*"
            chosen+=(-L 'unit|sim' -LE corpus)
        fi
    fi
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
