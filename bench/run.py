"""Measures S4 side by side with Tahoe-LAFS 1.20's own storage server and nginx, and writes docs/benchmarks.md.

Every figure comes from the same machine in the same run; servers take turns within each row, so that what disturbs the
machine disturbs all. The CPU time of the server for each operation is the figure to trust, since the load generator
shares the machine.
"""

import argparse
import json
import pathlib
import shutil
import sys
import traceback

import load
import peers
import report
import rows
import solitary

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement; their medians are shown [5]")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run [2]")
    parser.add_argument("--connections", default="1,8,64", help="how many at once [1,8,64]")
    parser.add_argument("--servers", default="tahoe,s4,nginx", help="which servers [tahoe,s4,nginx]")
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    parser.add_argument("--grids", type=int, default=10000, help="grids in one server [10000]")
    parser.add_argument("--shares", type=int, default=10_000_000,
                        help="shares in the store of a start; a hundredth are checked and collected [10000000]")
    parser.add_argument("--clients", type=int, default=10000, help="connected clients [10000; Tahoe gets 500]")
    parser.add_argument("--subscribers", type=int, default=1000, help="introducer subscribers [1000]")
    parser.add_argument("--output", default="", help="where the table goes [docs/benchmarks.md for a whole run, else build/]")
    return parser.parse_args()


def start(names, base):
    makers = {"tahoe": peers.TahoePeer, "s4": peers.S4Peer, "nginx": peers.NginxPeer}
    started = {}
    try:
        for name in names:
            started[name] = makers[name](base / name)
    except BaseException:
        for peer in started.values():
            peer.stop()
        raise
    return started


def measure_row(row, servers, wish, results):
    """All runs of one row; the servers take turns."""
    row.prepare(servers)
    for connections in row.connections(wish.connections):
        runs = {name: [] for name in servers if row.applies(name)}
        for turn in range(row.runs or wish.runs):
            for name in runs:
                options = row.options(servers[name], turn, connections)
                runs[name].append(load.measure(servers[name], row.operation_of(name), connections, wish.seconds,
                                               wish.warmup, row.operations(connections), **options))
        for name, figures in runs.items():
            results.setdefault(row.name, {}).setdefault(connections, {})[name] = load.medians(figures)
        print(report.line(row, connections, results[row.name][connections]), flush=True)


def attempt(failed, what, work, *arguments):
    """The work's figures; None, and a word on the terminal, when it failed: the other rows are still worth having."""
    try:
        return work(*arguments)
    except Exception:
        failed.append(what)
        print(f"{what}: FAILED\n{traceback.format_exc()}", flush=True)
        return None


def main():
    wish = arguments()
    wish.warmup = min(0.5, wish.seconds / 4)
    wish.connections = [int(n) for n in wish.connections.split(",")]
    names = wish.servers.split(",")
    base = TOP / "build/bench"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    before = report.processors_time()
    servers = start(names, base)
    results, single, failed = {}, {}, []
    try:
        for measurement in solitary.MEASUREMENTS:
            if wish.only in measurement.name:
                single[measurement.name] = {n: attempt(failed, f"{measurement.name}, {n}", measurement.run, p, wish, base)
                                            for n, p in servers.items() if n != "nginx"}
                print(measurement.name, single[measurement.name], flush=True)
        for row in rows.ROWS:
            if wish.only in row.name:
                attempt(failed, row.name, measure_row, row, servers, wish, results)
    finally:
        for peer in servers.values():
            peer.stop()
    (TOP / "build/bench.json").write_text(json.dumps(dict(rows=results, single=single), indent=1))
    whole = not wish.only and wish.servers == "tahoe,s4,nginx"
    output = pathlib.Path(wish.output or (TOP / "docs/benchmarks.md" if whole else TOP / "build/benchmarks.md"))
    output.write_text(report.document(results, single, wish, before))
    print(f"written to {output}")
    shutil.rmtree(base, ignore_errors=True)
    print("".join(f"failed: {what}\n" for what in failed), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
