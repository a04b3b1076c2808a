"""What a quiet grid notices of one that wants everything: its 99th percentile beside 64 busy connections, by its own alone."""

import copy
import os
import statistics
import subprocess
import time

import gbs
import load
import rows

CONNECTIONS = 64
ROUNDS = 5  # of everything in turns: a host that takes the processor away for a while disturbs one of them
CLOSED_S = 2  # until the server has let go of a killed generator's connections, which are all that a grid may have
READ = f"/storage/v1/immutable/{rows.READ_INDEX}/0"
LARGE = f"/storage/v1/immutable/{gbs.storage_index('bench large')}/0"
ABUSES = {
    "small reads": ("get", dict(path=READ, range="0-4095")),
    "large reads": ("get", dict(path=LARGE)),
    "small uploads": ("upload", dict(bytes=1024)),
    "large uploads": ("upload", dict(bytes=rows.MB)),
}
# What the quiet grid does, one request after the other.
QUIET = {"read": ("get", dict(path=READ, range="0-4095")), "write": ("upload", dict(bytes=1024))}


def view_of(peer, grid):
    """The same server as another grid's clients see it."""
    out, mine = copy.copy(peer), gbs.Gbs.of(grid.nurls[0])
    out.gbs, out.authorization = mine, mine.authorization()[1]
    return out


def as_if_elsewhere(*words):
    """Under this command a generator disturbs the server as little as on a machine of its own, where this may be asked for."""
    return words if os.geteuid() == 0 else ()


AT_ONCE = as_if_elsewhere("chrt", "--rr", "1")  # the quiet client, which needs the processor rarely and briefly
WITH_WHAT_IS_LEFT = as_if_elsewhere("chrt", "--idle", "0")  # the busy one


def p99_ms(quiet, what, seconds):
    operation, options = QUIET[what]
    return load.measure(quiet, operation, 1, seconds, warmup=seconds / 4, under=AT_ONCE, seed=rows.next_seed(),
                        **options)["p99_ms"]


class Abuse:
    """The load generator, at full rate until it is told to end."""

    def __init__(self, peer, operation, options):
        words = dict(connections=CONNECTIONS, seconds=3600, warmup=0, operations=0, authorization=peer.authorization,
                     seed=rows.next_seed(), **options)
        self.process = subprocess.Popen([*WITH_WHAT_IS_LEFT, load.PROGRAM, peer.host, str(peer.port), operation,
                                         *(f"{k}={v}" for k, v in words.items())],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "go\n"
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ended = self.process.poll()
        self.process.kill()
        self.process.wait()
        assert ended is None, "the busy grid's load generator ended by itself"
        time.sleep(CLOSED_S)


def measure(peer, wish, base):
    """How many times its 99th percentile alone a quiet grid's is, while another grid does each of these from 64 connections
    (medians of the rounds)."""
    if peer.name == "tahoe":
        return None
    greedy = view_of(peer, peer.server.create_subscription("greedy@example.org", "sold"))
    quiet = view_of(peer, peer.server.create_subscription("quiet@example.org", "sold"))
    for each in (greedy, quiet):
        rows.store(each.gbs, rows.READ_INDEX, 4096)
    rows.store(greedy.gbs, LARGE.split("/")[4], 10 * rows.MB)
    seen = {}  # the 99th percentiles by what the quiet grid did, beside what

    def see(beside):
        for what in QUIET:
            seen.setdefault((what, beside), []).append(p99_ms(quiet, what, wish.seconds))

    for _ in range(ROUNDS):
        see("")
        for abuse, does in ABUSES.items():
            with Abuse(greedy, *does):
                see(abuse)
    median = {key: statistics.median(figures) for key, figures in seen.items()}
    return {f"{what} alone, ms": median[what, ""] for what in QUIET} | {
        f"{what} beside {abuse}, times": median[what, abuse] / median[what, ""] for abuse in ABUSES for what in QUIET}
