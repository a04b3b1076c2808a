"""The same random sequences of storage calls to Tahoe's own storage server and to S4, over both protocols: every answer is
the same, but for the table of random sequences in docs/differences.md. A few hundred calls of fixed seeds; more by
S4_RANDOM_CALLS=SEEDS, which begins where those end."""

import ast
import fnmatch
import os
import pathlib
import subprocess
import sys

import gbs
import pytest
import reference
from random_calls import Sequence, over_https
from test_differences import table

MORE = int(os.environ.get("S4_RANDOM_CALLS", "0"))
# Of the first eight seeds, those that meet every listed difference.
SEEDS = range(8, 8 + MORE) if MORE else (0, 1, 2, 3, 7)
CALLS = 100
HERE = pathlib.Path(__file__).resolve().parent


def over_foolscap(furl, prefix, calls):
    done = subprocess.run([sys.executable, str(HERE / "foolscap_calls.py"), furl, prefix], input=repr(calls), text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return ast.literal_eval(done.stdout)


def ask(grid, protocol, prefix, calls):
    if protocol == "https":
        return over_https(gbs.Gbs.of(grid.nurls[0]), prefix, calls)
    return over_foolscap(grid.storage_furl, prefix, calls)


@pytest.fixture(scope="module")
def grids(server, tmp_path_factory):
    real = reference.Server(tmp_path_factory.mktemp("random") / "state")
    try:
        yield real.create_subscription("reference"), server.create_subscription("random@example.org")
    finally:
        real.close()


@pytest.mark.s4_only
@pytest.mark.timeout(0 if MORE else 300)
@pytest.mark.parametrize("protocol", ["https", "foolscap"])
def test_random_calls_get_tahoes_answers_but_for_the_listed_differences(grids, protocol):
    rows = [row for row in table("protocol") if row[0] == protocol]
    unlisted, seen = [], set()
    for seed in SEEDS:
        calls = Sequence(seed, CALLS).calls
        answers = [ask(grid, protocol, f"{protocol}/{seed}", calls) for grid in grids]
        for number, (call, theirs, ours) in enumerate(zip(calls, *answers, strict=True)):
            if theirs == ours:
                continue
            fits = [row for row in rows if row[1] == call[0] and fnmatch.fnmatchcase(theirs, row[2])
                    and fnmatch.fnmatchcase(ours, row[3])]
            seen.update(row for row in fits)
            if not fits:
                unlisted.append(f"seed {seed}, call {number} {call}\n  Tahoe {theirs}\n  S4    {ours}")
    assert not unlisted, "\n".join(unlisted[:20])
    assert MORE or seen == set(rows), f"no longer different: {set(rows) - seen}"
