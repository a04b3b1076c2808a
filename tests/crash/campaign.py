#!/usr/bin/env python3
"""Kills the real server again and again while real clients load it, and looks whether it lost anything.

    campaign.py --kills 100 [--seed 1] [--report FILE]

The program is at S4_BIN. A campaign is made of legs: each has a state directory of its own, so that what is there stays small
enough to be looked at whole. The seed decides the moments and what clients do; how threads and kernel take turns, it does not.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients")]

import s4  # noqa: E402
from failing_disk import FULL, IO_ERRORS, WELL, FailingDisk  # noqa: E402

from clients import GONE, Client, Foolscap, Https, Unexpected  # noqa: E402
from evidence import Evidence  # noqa: E402

CLIENTS = 4
KILLS_A_LEG = 50
FAULTS = {"full disk": FULL, "I/O errors": IO_ERRORS}
# Losses made on purpose between a death and the look at it, to see that they are seen.
PLANTS = {"share": "DELETE FROM storage_share",
          "lease": "DELETE FROM storage_lease",
          "usage": "UPDATE storage_usage SET data_bytes = data_bytes + 1"}


@dataclasses.dataclass
class Kill:
    number: int
    moment: str    # "starting", "load", or the fault that was injected before
    after_ms: int  # of the start, or of the load's
    acknowledged: int = 0
    looked_at: int = 0
    wrong: list = dataclasses.field(default_factory=list)


class Leg:
    """One server and its clients, through many deaths."""

    def __init__(self, folder, seed, number, faults=None, plant=None):
        self.plant = plant
        self.dice = random.Random(f"{seed} leg {number}")
        self.folder, self.number, self.faults = folder, number, faults
        self.server = s4.Server(folder / "state")
        self.server.environment = faults.environment() if faults else {}
        self.server.start()
        self.grid = self.server.create_subscription("crash@example.org")
        self.wrong = []
        self.clients = [Client(f"leg {number} client {i}", self.grid, self.wrong.append) for i in range(CLIENTS)]

    def play(self, kill_number):
        """One life under load that ends in a kill, and the next one's first look."""
        kill = Kill(kill_number, "load", self.dice.randrange(5, 600))
        acknowledged = sum(c.acknowledged for c in self.clients)
        if self.faults:
            self.load_with_faults(kill)
        else:
            self.load(kill)
        kill.acknowledged = sum(c.acknowledged for c in self.clients) - acknowledged
        if self.plant:
            self.server.edit_database(PLANTS[self.plant])
        self.look_at_disk(every=False)
        if self.dice.random() < 0.2:
            self.die_while_starting(kill)
        self.server.start()
        kill.looked_at = self.look(every=False)
        kill.wrong, self.wrong[:] = list(self.wrong), []
        return kill

    def load(self, kill):
        for client in self.clients:
            client.start(kill.number)
        time.sleep(kill.after_ms / 1000)
        self.end()

    def end(self):
        if self.server.process.poll() is None:
            self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()
        self.server.process = None
        for client in self.clients:
            client.join()

    def load_with_faults(self, kill):
        """The disk fails for a while in the middle of the load. The server may end itself then (a failed sync), but must not
        forget; what it refuses meanwhile, it refused."""
        kill.moment = self.dice.choice(list(FAULTS))
        for client in self.clients:
            client.tolerant = True
            client.start(kill.number)
        time.sleep(kill.after_ms / 1000)
        per_million = 1_000_000 if kill.moment == "full disk" else self.dice.choice([3000, 30_000, 300_000])
        self.faults.set(FAULTS[kill.moment], per_million)
        time.sleep(self.dice.uniform(0.05, 0.4))
        self.faults.set(WELL)
        time.sleep(self.dice.uniform(0, 0.3))
        self.end()

    def die_while_starting(self, kill):
        process = self.server.launch()
        delay = self.dice.randrange(1, 150)
        time.sleep(delay / 1000)
        process.kill()
        process.wait()
        kill.moment += f", again {delay} ms into the restart"

    def indexes(self, every):
        for client in self.clients:
            for index in client.indexes() if every else client.touched:
                yield index

    def look_at_disk(self, every):
        """The dead server's database: leases, and usage against the shares that are there."""
        with Evidence(self.server.database()) as evidence:
            self.wrong += evidence.usage()
            for index in self.indexes(every):
                self.wrong += index.check_leases(evidence.leases(index))

    def look(self, every):
        """All that the last life touched, or everything, as its owners read it. Returns how many indexes."""
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            return sum(pool.map(lambda client: self.look_with(client, every), self.clients))

    def look_with(self, client, every):
        doors = []
        indexes = client.indexes() if every else list(client.touched)
        try:
            doors += [Https(self.grid.nurls[0]), Foolscap(self.grid.storage_furl)]
            for i, index in enumerate(indexes):
                seen = doors[i % 2].read(index)
                if why := index.allows(seen):
                    self.wrong.append(why)
                index.settle(seen)
        except (*GONE, Unexpected) as e:
            self.wrong.append(f"after a restart nothing can be read: {e!r}")
        finally:
            for door in doors:
                door.close()
        client.touched = set()
        return len(indexes)

    def finish(self):
        """Everything once more, as its owners read it, as it is counted, and on the disk after a planned stop."""
        looked_at = self.look(every=True)
        status = json.loads(self.server.command("storage", "status", "--json").stdout)
        used = sum(grid["used_bytes"] for grid in status)
        expected = sum(index.used() for index in self.indexes(every=True))
        if used != expected:
            self.wrong.append(f"leg {self.number}: {used} bytes used, but the shares are {expected}")
        if self.server.stop() != 0:
            self.wrong.append(f"leg {self.number}: a planned stop fails")
        self.look_at_disk(every=True)
        return looked_at, list(self.wrong)


class Campaign:
    def __init__(self, seed, plant=None):
        self.seed, self.plant = seed, plant
        self.kills = []
        self.wrong_at_the_end = []
        self.looked_at = 0

    def run(self, kills, folder, progress=lambda kill: None):
        begun = time.monotonic()
        legs = max(2, round(kills / KILLS_A_LEG))
        for number in range(legs):
            # The last of every four legs, and of all, has a failing disk.
            faulty = number % 4 == 3 or number == legs - 1
            last = kills * (number + 1) // legs
            path = pathlib.Path(tempfile.mkdtemp(prefix=f"leg-{number}-", dir=folder))
            self.run_leg(path, number, last, FailingDisk(path) if faulty else None, progress)
        self.seconds = time.monotonic() - begun
        return self

    def run_leg(self, path, number, last, faults, progress):
        leg = Leg(path, self.seed, number, faults, self.plant)
        try:
            while len(self.kills) < last:
                self.kills.append(leg.play(len(self.kills) + 1))
                progress(self.kills[-1])
            looked_at, wrong = leg.finish()
            self.looked_at += looked_at
            self.wrong_at_the_end += wrong
        finally:
            leg.server.close()

    def wrong(self):
        return [f"kill {k.number}: {w}" for k in self.kills for w in k.wrong] + self.wrong_at_the_end

    def report(self):
        """docs/crash-campaign.md."""
        wrong = self.wrong()
        lines = ["# The crash campaign", "",
                 "`./dev crash` kills the real program with SIGKILL while clients of both protocols load it, starts it again, and",
                 "compares what it shows with what it had acknowledged (`tests/crash/README.md` says how). This is its last report.",
                 "",
                 f"Seed {self.seed}; {len(self.kills)} kills in {self.seconds / 60:.0f} minutes; "
                 f"{sum(k.acknowledged for k in self.kills):,} acknowledged writes and leases; "
                 f"{sum(k.looked_at for k in self.kills):,} indexes read after restarts, {self.looked_at:,} at the legs' ends; "
                 f"**{len(wrong)} violations**.", "",
                 "| how it died | kills | within (ms of load) | acknowledged before | violations |", "|---|---|---|---|---|"]
        groups = collections.defaultdict(list)
        for kill in self.kills:
            groups[kill.moment.split(",")[0] + (", then again while starting" if "again" in kill.moment else "")].append(kill)
        for name, group in sorted(groups.items()):
            lines.append(f"| {name} | {len(group)} | {min(k.after_ms for k in group)} to {max(k.after_ms for k in group)} | "
                         f"{sum(k.acknowledged for k in group):,} | {sum(len(k.wrong) for k in group)} |")
        lines += ["", "Each line of ten kills: number of the first, then for each the moment (ms into the load; `s` died again while",
                  "starting, `f` full disk, `e` I/O errors before), `!` after those that lost something.", "", "```"]
        for first in range(0, len(self.kills), 10):
            marks = [f"{k.after_ms}{mark(k)}" for k in self.kills[first:first + 10]]
            lines.append(f"{first + 1:5} " + " ".join(f"{m:>6}" for m in marks))
        return "\n".join(lines + ["```", *([""] + [f"- {w}" for w in wrong[:50]] if wrong else [])]) + "\n"


def mark(kill):
    out = {"full disk": "f", "I/O errors": "e"}.get(kill.moment.split(",")[0], "")
    return out + ("s" if "again" in kill.moment else "") + ("!" if kill.wrong else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--plant", choices=PLANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    def progress(kill):
        if kill.number % 10 == 0 or kill.wrong:
            print(f"kill {kill.number}: {kill.moment}, {kill.after_ms} ms, {kill.acknowledged} acknowledged, "
                  f"{kill.looked_at} looked at", *kill.wrong, sep="\n    ", flush=True)
    with tempfile.TemporaryDirectory(prefix="s4-crash-") as folder:
        campaign = Campaign(arguments.seed, arguments.plant).run(arguments.kills, pathlib.Path(folder), progress)
    if arguments.report:
        arguments.report.write_text(campaign.report())
    wrong = campaign.wrong()
    print(f"{len(campaign.kills)} kills in {campaign.seconds:.0f} s, seed {arguments.seed}, {len(wrong)} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
