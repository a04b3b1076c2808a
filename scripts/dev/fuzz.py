"""Runs libFuzzer programs of build/fuzz, each until it has used its CPU-minutes, some side by side; see ./dev fuzz.

A fuzzer FOLDER_x_fuzz starts from fuzz/FOLDER_x, which is committed, and from what earlier runs found
(build/fuzz/found/FOLDER_x). At the end, what reaches code that the committed corpus does not reach is minimised into it.
fuzz/FOLDER_x.dict, if it exists, gives libFuzzer words of the format. Exit status 1 when an input made a fuzzer fail: it lies in
build/fuzz/failures/FOLDER_x, and belongs into the corpus with the change that mends it.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/fuzz"
SLICE_S = 60  # a slice ends on the wall clock; CPU time is read after each
INPUT_S_MAX = 10
MEMORY_MB_MAX = 2048
LEVEL = ["-rss_limit_mb=%d" % MEMORY_MB_MAX, "-timeout=%d" % INPUT_S_MAX]


class Outcome(NamedTuple):
    name: str
    runs: int
    cpu_s: float
    corpus_before: int
    corpus_added: int
    failures: list


def environment():
    return dict(os.environ, ASAN_SYMBOLIZER_PATH="/usr/lib/llvm-19/bin/llvm-symbolizer",
                ASAN_OPTIONS="detect_stack_use_after_return=1:allocator_may_return_null=1",
                UBSAN_OPTIONS="print_stacktrace=1")


def run(command, log):
    """Runs to the end; returns (exit status, CPU seconds of that process, its output)."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    with log.open("a") as file:
        file.write(text)
    return process.returncode, usage.ru_utime + usage.ru_stime, text


def fuzz(program, minutes):
    name = program.name.removesuffix("_fuzz")
    committed, found = ROOT / "fuzz" / name, BUILD / "found" / name
    failures, log = BUILD / "failures" / name, BUILD / "logs" / f"{name}.log"
    for folder in (committed, found, failures, log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(failures)
    failures.mkdir()
    log.write_text("")
    before = len(list(committed.iterdir()))
    dictionary = ROOT / "fuzz" / f"{name}.dict"
    options = LEVEL + ["-print_final_stats=1", f"-artifact_prefix={failures}/"]
    if dictionary.exists():
        options.append(f"-dict={dictionary}")
    runs, cpu_s, bad = 0, 0.0, None
    while cpu_s < 60 * minutes and bad is None:
        seconds = max(1, min(SLICE_S, int(60 * minutes - cpu_s) + 1))
        status, used_s, text = run([program, *options, f"-max_total_time={seconds}", found, committed], log)
        cpu_s += used_s
        runs += sum(int(n) for n in re.findall(r"stat::number_of_executed_units: *(\d+)", text))
        if status != 0:
            bad = sorted(str(f.relative_to(ROOT)) for f in failures.iterdir()) or [f"exit status {status}, see {log.relative_to(ROOT)}"]
    return Outcome(name, runs, cpu_s, before, 0 if bad else minimise(program, committed, found, log), bad or [])


def minimise(program, committed, found, log):
    """Adds to the committed corpus inputs that reach edges it does not reach; returns how many."""
    with tempfile.TemporaryDirectory() as scratch:
        merged = pathlib.Path(scratch)
        for file in committed.iterdir():
            shutil.copy(file, merged)
        known = {file.name for file in merged.iterdir()}
        run([program, *LEVEL, "-set_cover_merge=1", "-use_counters=0", merged, found], log)
        added = [file for file in merged.iterdir() if file.name not in known]
        for file in added:
            shutil.copy(file, committed)
    return len(added)


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Runs the fuzzers.")
    parser.add_argument("name", nargs="*", help="fuzzers whose name holds this; all, if none is given")
    parser.add_argument("--minutes", type=float, default=10, help="CPU-minutes for each (10)")
    parser.add_argument("--jobs", type=int, default=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    programs = sorted(p for p in BUILD.glob("src/**/*_fuzz") if p.is_file())
    programs = [p for p in programs if not arguments.name or any(n in p.name for n in arguments.name)]
    if not programs:
        sys.exit(f"./dev fuzz: no fuzzer's name holds {' or '.join(arguments.name) or 'anything'}")
    print(f"{len(programs)} fuzzers, {arguments.minutes:g} CPU-minutes each, {arguments.jobs} at once", flush=True)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(fuzz, p, arguments.minutes) for p in programs]):
            outcomes.append(done.result())
            print(f"    {outcomes[-1].name}: {'FAILED' if outcomes[-1].failures else 'nothing found'}", flush=True)
    print(f"\n{'fuzzer':<36} {'runs':>12} {'CPU min':>8} {'corpus':>7} {'new':>5}  result")
    for o in sorted(outcomes):
        print(f"{o.name:<36} {o.runs:>12} {o.cpu_s / 60:>8.1f} {o.corpus_before:>7} {o.corpus_added:>5}  "
              f"{'; '.join(o.failures) or 'clean'}")
    return 1 if any(o.failures for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
