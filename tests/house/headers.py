"""headers.py BUILD_FOLDER: every header of src compiles alone; exit status 1 when one does not.

What costs time is the standard library and what nearly every header includes. So headers that include the same costly things
form a group, and what all of a group include, themselves or by a header of ours that they include, is compiled once, as a
precompiled header that each of them begins with. So nothing is seen that the header did not ask for. That something comes a few
lines earlier than it would makes no difference, because whatever comes earlier is checked alone as well.

A header that passed is left out until it, or a header of ours that it includes, changes.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

from tree import Tree

TOP = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<][^">]+[">])', re.MULTILINE)
# The costly things. More of them make more groups: smaller ones, that share more.
COSTLY = ["<chrono>", "<functional>", "<memory>", "<string>", '"base/result.h"', '"rt/task.h"', '"rt/runtime.h"', '"sql/database.h"',
          '"storage/core.h"', '"service/service.h"', '"wire/http_server.h"', '"proto/foolscap/broker.h"']
GROUP_MIN = 4  # headers; a smaller group begins with what another group shares
DROPPED = {"-c": 0, "-o": 1, "-Winvalid-pch": 0}


def includes(text):
    return INCLUDE.findall(text)


def closure(tree, name, seen=None):
    """All that a header includes, as it is written: "folder/x.h" of ours, <x> of others."""
    seen = set() if seen is None else seen
    for found in includes(tree.text("src/" + name)):
        if found not in seen:
            seen.add(found)
            if found[0] == '"' and "src/" + found[1:-1] in tree:
                closure(tree, found[1:-1], seen)
    return seen


def plan(closures):
    """What each header begins with: the includes of one precompiled header; empty where none fits."""
    groups = {}
    for known in closures.values():
        groups.setdefault(tuple(c for c in COSTLY if c in known), []).append(known)
    shared = [frozenset.intersection(*map(frozenset, g)) for g in groups.values() if len(g) >= GROUP_MIN]
    return {header: largest_within(shared, known) for header, known in closures.items()}


def largest_within(sets, known):
    return max((s for s in sets if s <= known), key=len, default=frozenset())


def compiler(build):
    """The compiler's words for a file of ours, without its input, its output and the build's own precompiled headers."""
    commands = json.loads((build / "compile_commands.json").read_text())
    words = shlex.split(next(c["command"] for c in commands if c["file"].endswith("/src/base/log.cc")))
    while pathlib.Path(words[0]).name == "ccache":
        words = words[1:]
    out, skip = [], 0
    for i, word in enumerate(words):
        if skip:
            skip -= 1
        elif word in DROPPED:
            skip = DROPPED[word]
        elif word == "-Xclang":
            skip = 1
        elif not word.endswith(".cc") and not word.startswith(("-O", "-g", "-D_FORTIFY")):
            out.append(word)
    return [*out, "-O0", "-g0", "-Wno-pragma-once-outside-header"]


class Checker:
    def __init__(self, tree, build):
        self.tree, self.words, self.folder = tree, compiler(build), build / "headers"
        self.folder.mkdir(exist_ok=True)

    def run(self, *words, text):
        return subprocess.run([*self.words, *words, "-x", "c++-header", "-"], input=text, capture_output=True, text=True,
                              cwd=TOP / "src")

    def precompile(self, number, includes_):
        """The file; None where it does not compile: then a header in it does not, and is told as what it is."""
        file = self.folder / f"{number}.pch"
        made = self.run("-o", file, text="".join(f"#include {i}\n" for i in sorted(includes_)))
        return file if made.returncode == 0 else None

    def check(self, header, begins_with):
        begin = ["-include-pch", begins_with] if begins_with else []
        return self.run("-fsyntax-only", *begin, text=f'#include "{header}"\n')


def digests(tree, closures, words):
    """What each header's outcome depends on, as far as it is ours."""
    def of(header):
        ours = sorted({header, *(i[1:-1] for i in closures[header] if i[0] == '"')})
        texts = "".join(tree.text("src/" + name) for name in ours if "src/" + name in tree)
        return hashlib.sha256((" ".join(words) + texts).encode()).hexdigest()
    return {header: of(header) for header in closures}


def main(build):
    begun = time.monotonic()
    tree = Tree.of_repository(TOP)
    closures = {p[4:]: closure(tree, p[4:]) for p in tree.under("src", ".h") if "/" in p[4:]}
    checker = Checker(tree, build)
    now, passed = digests(tree, closures, checker.words), checker.folder / "passed.json"
    before = json.loads(passed.read_text()) if passed.exists() else {}
    chosen = plan({h: known for h, known in closures.items() if before.get(h) != now[h]})
    beginnings = sorted({b for b in chosen.values() if b}, key=len, reverse=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = dict(zip(beginnings, pool.map(checker.precompile, range(len(beginnings)), beginnings)))
        done = dict(zip(chosen, pool.map(lambda h: checker.check(h, made.get(chosen[h])), chosen)))
    broken = {h: d for h, d in done.items() if d.returncode != 0}
    for header, outcome in broken.items():
        first = next((line for line in outcome.stderr.splitlines() if "error:" in line), outcome.stderr.strip()[-300:])
        print(f"src/{header} does not compile alone; include what it uses: {first}")
    passed.write_text(json.dumps({h: digest for h, digest in now.items() if h not in broken}))
    for file in checker.folder.glob("*.pch"):
        file.unlink()
    print(f"headers: {len(done)} of {len(closures)} compiled, {len(broken)} findings, {time.monotonic() - begun:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
