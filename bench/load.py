"""Runs of the load generator (bench/load) against one server, with what the server spent in the meantime."""

import json
import os
import pathlib
import statistics
import subprocess

import peers

PROGRAM = os.environ.get("S4_BENCH_LOAD", str(pathlib.Path(__file__).resolve().parents[1] / "build/release/bench/load/bench_load"))


def measure(peer, operation, connections, seconds, warmup=0, operations=0, under=(), **options):
    """One run: its figures, the server's CPU time for each operation, and by how much its memory's peak rose (MiB).
    `under` is a command that runs the generator, as `nice` does."""
    words = [f"{k}={v}" for k, v in dict(connections=connections, seconds=seconds, warmup=warmup, operations=operations,
                                         authorization=peer.authorization, **options).items()]
    load = subprocess.Popen([*under, PROGRAM, peer.host, str(peer.port), operation, *words], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if load.stdout.readline() != "go\n":
        raise RuntimeError(f"{peer.name}, {operation}: {load.stderr.read()}")
    spent = Spent(peer)
    out, said = load.communicate("\n")
    if load.returncode != 0:
        raise RuntimeError(f"{peer.name}, {operation}: {said}")
    figures = json.loads(out) | spent.figures()
    figures["rate"] = figures["operations"] / figures["seconds"]
    figures["cpu_ms"] = figures["cpu_s"] / max(1, figures["operations"]) * 1e3
    return figures


class Spent:
    """What a server spends from now on."""

    def __init__(self, peer, pids=None):
        self.pids = pids or peer.pids()
        self.resident = peers.memory_kb(self.pids, "Rss")
        peers.forget_peaks(self.pids)
        self.cpu = peers.cpu_s(self.pids)

    def figures(self):
        return dict(cpu_s=peers.cpu_s(self.pids) - self.cpu, resident_mib=self.resident / 1024,
                    peak_growth_mib=(peers.peak_kb(self.pids) - self.resident) / 1024)


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}
