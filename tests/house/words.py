"""Words that do not belong in the code, and headers that only one place may include.

A rule is a pattern, where it looks, where it is allowed after all, and what to do instead.
"""

import re
from typing import NamedTuple


class Word(NamedTuple):
    pattern: str
    where: str  # a pattern for paths
    allowed: tuple  # paths, or folders with a slash at the end
    instead: str


CODE = r"^(src|bench|fuzz)/.*\.(h|cc)$"
SOURCES = r"^(src|bench|fuzz|tests|scripts|cmake|dev|\.ci)(/|$)(?!.*\.(md|txt|json|bin)$)"
PRODUCT = r"^src/(?!.*_(test|fuzz|bench)\.cc$).*\.(h|cc)$"

WORDS = [
    Word(r"\b(sleep_for|this_thread::sleep_until|usleep|nanosleep)\b", CODE, (), "wait for the event itself, or move the simulator's clock"),
    Word(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", SOURCES, (), "finish it, or open an issue and say here why it is as it is"),
    Word(r"\bstd::(cout|cerr|clog)\b", r"^src/", (), "base/log.h, or fmt::print for what a command prints"),
    Word(r"\busing namespace std;", CODE, (), "name what you use"),
    Word(r"\bstd::(thread|jthread|async)\b", PRODUCT, ("src/rt/",), "rt::Pool; threads are made in rt alone"),
    Word(r"\b(system_clock|steady_clock|high_resolution_clock)::now\b", PRODUCT, ("src/rt/asio/", "src/base/log.cc"),
         "take the time from the caller, or rt::Clock: the simulator owns the time"),
    Word(r"\b(std::random_device|std::mt19937\w*|std::rand|getentropy|getrandom|arc4random\w*)\b", PRODUCT, ("src/rt/",),
         "take randomness from rt::Random: the simulator must know every bit"),
    Word(r"std::(unordered_)?(map|set)<[^<>,]*\*\s*[,>](?!.*never walked)", PRODUCT, (),
         "a key that is the same in every run: iteration in the order of addresses cannot be replayed (a container that "
         "is never iterated says so on its line: '// never walked')"),
    Word(r"\bGTEST_SKIP\b|\bDISABLED_\w+", CODE, (), "a test that does not run protects nothing"),
]

# Headers that cost seconds, or bring in what the simulator cannot run: (pattern, the one place, how many files may).
HEADERS = [
    (r"boost/asio", ("src/rt/asio/",), None),
    (r"boost/beast", ("src/proto/http1/",), 1),
    (r"boost/json", ("src/codec/",), 1),
    (r"CLI/", ("src/app/",), 1),
    (r"yaml-cpp/", ("src/app/", "src/codec/"), 1),
    (r"mustache", ("src/web/",), 1),
    (r"prometheus/", ("src/base/",), 1),
    (r"sqlite3\.h", ("src/sql/", "src/rt/sim/"), None),
    (r"sodium", ("src/crypto/", "src/rt/"), None),
]


def matches_place(path, places):
    return any(path == p or (p.endswith("/") and path.startswith(p)) for p in places)


def check_words(tree, found):
    for path in tree.paths:
        if path == "tests/house/words.py":
            continue
        rules = [w for w in WORDS if re.search(w.where, path) and not matches_place(path, w.allowed)]
        if not rules:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            for word in rules:
                match = re.search(word.pattern, line)
                if match:
                    found.append(f"{path}:{number}: '{match.group(0)}' does not belong here; instead: {word.instead}")


def check_headers(tree, found):
    for pattern, places, at_most in HEADERS:
        users = []
        for path in tree.under("src", ".h", ".cc"):
            for number, line in enumerate(tree.lines(path), 1):
                if re.match(rf"\s*#\s*include\s*<[^>]*{pattern}", line):
                    users.append((path, number))
        for path, number in users:
            if not matches_place(path, places):
                found.append(f"{path}:{number}: only {' or '.join(places)} includes <{pattern}...>; use its header of ours")
        product = sorted({p for p, _ in users if not re.search(r"_(test|fuzz|bench)\.cc$", p)})
        if at_most is not None and len(product) > at_most:
            found.append(f"<{pattern}...> is included by {', '.join(product)}; it is expensive, keep it in {at_most} file")


def findings(tree):
    found = []
    check_words(tree, found)
    check_headers(tree, found)
    return found
