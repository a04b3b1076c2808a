"""What a quiet grid notices of one that wants everything: its 99th percentile beside 64 busy connections, by its own alone."""

import copy
import os
import subprocess
import time

import gbs
import load
import rows

CONNECTIONS = 64
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


def own_machine():
    """The quiet grid's client would not share the busy one's processors: where this may be asked for, it gets them first."""
    return ("nice", "-n", "-20") if os.geteuid() == 0 else ()


def p99_ms(quiet, operation, options, seconds):
    return load.measure(quiet, operation, 1, seconds, warmup=seconds / 4, under=own_machine(), seed=rows.next_seed(),
                        **options)["p99_ms"]


class Abuse:
    """The load generator, at full rate until it is told to end."""

    def __init__(self, peer, operation, options):
        words = dict(connections=CONNECTIONS, seconds=3600, warmup=0, operations=0, authorization=peer.authorization,
                     seed=rows.next_seed(), **options)
        self.process = subprocess.Popen([load.PROGRAM, peer.host, str(peer.port), operation,
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
    """How many times its 99th percentile alone a quiet grid's is, while another grid does each of these from 64 connections."""
    if peer.name == "tahoe":
        return None
    greedy = view_of(peer, peer.server.create_subscription("greedy@example.org", "sold"))
    quiet = view_of(peer, peer.server.create_subscription("quiet@example.org", "sold"))
    for each in (greedy, quiet):
        rows.store(each.gbs, rows.READ_INDEX, 4096)
    rows.store(greedy.gbs, LARGE.split("/")[4], 10 * rows.MB)
    alone = {what: p99_ms(quiet, *does, wish.seconds) for what, does in QUIET.items()}
    out = {f"{what} alone, ms": ms for what, ms in alone.items()}
    for name, does in ABUSES.items():
        with Abuse(greedy, *does):
            for what, small in QUIET.items():
                out[f"{what} beside {name}, times"] = p99_ms(quiet, *small, wish.seconds) / alone[what]
    return out
