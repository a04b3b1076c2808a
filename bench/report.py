"""docs/benchmarks.md from figures."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

import rows
import solitary

METHOD = """# Benchmarks

S4, the real Tahoe-LAFS 1.20.0 storage server and nginx {nginx}, measured side by side by `./dev bench` in one run on one
machine. This file is written by that command: do not edit it. Its last section is `bench/notes.md`, which people write.

- Machine: {cpu}, {cores} cores, {memory} GB, Linux {kernel}; {date}. S4 is commit {commit}. The load generator
  (`bench/load`, C++, one thread) runs on the same machine and takes its share of it. The host took {stolen_percent:.1f} % of
  the processors' time away meanwhile (steal), which shows in 99th percentiles.
- Each figure is the median of {runs} runs of {seconds:g} s after {warmup:g} s of warm-up; within a row the servers take turns.
  Transfers run for a fixed volume instead (the 1 GB share once).
- Columns: operations (or MB) a second, and the server's CPU time for each operation (or GB), from /proc of all its
  threads. CPU time is disturbed least by the rest of the machine. `x` is S4 against the peer: for CPU, less than 1 is better.
- `+ MiB` is by how much the peak of the server's resident memory rose above what it was before the run.
- The load generator's connections come from loopback addresses of their own, as customers' would.
- TLS 1.3 everywhere, connections kept open but in the last row, no session resumption. nginx has one worker, a P-256 key and
  static files; Tahoe has the RSA key that it makes for itself.
- Durability: S4 answers after the data is synced to disk. Tahoe never syncs. nginx only reads.
"""


def per(row, figures):
    """(rate, CPU) as shown: for each operation, or MB a second and CPU seconds for each GB."""
    if row_moves_bytes(row):
        total = figures["operations"] * row.bytes
        return f"{total / figures['seconds'] / 1e6:,.0f} MB/s", figures["cpu_s"] / total * 1e9, "s/GB"
    return f"{figures['rate']:,.0f}/s", figures["cpu_ms"], "ms"


def row_moves_bytes(row):
    return bool(row.volume)


def line(row, connections, by_server):
    """One row at one number of connections, for the terminal."""
    parts = []
    for name, figures in by_server.items():
        rate, cpu, unit = per(row, figures)
        parts.append(f"{name} {rate} {cpu:.3f} {unit} p99 {figures['p99_ms']:.2f} ms")
    return f"{row.name:32} {connections:3}  " + "   ".join(parts)


def ratio(row, by_server, peer):
    if "s4" not in by_server or peer not in by_server:
        return ""
    ours, theirs = per(row, by_server["s4"])[1], per(row, by_server[peer])[1]
    return f"{ours / theirs:.2f}" if theirs else ""


def table(results):
    out = ["| work | at once | Tahoe 1.20 | S4 | nginx | S4 CPU / Tahoe's | S4 CPU / nginx's | S4's aim |",
           "|---|---|---|---|---|---|---|---|"]
    for row in rows.ROWS:
        for connections, by_server in results.get(row.name, {}).items():
            cells = []
            for name in ("tahoe", "s4", "nginx"):
                if name in by_server:
                    rate, cpu, unit = per(row, by_server[name])
                    memory = f", +{max(0, by_server[name]['peak_growth_mib']):.0f} MiB" if row_moves_bytes(row) else ""
                    cells.append(f"{rate}, {cpu:.3g} {unit}{memory}")
                else:
                    cells.append("")
            out.append(f"| {row.name} | {connections} | " + " | ".join(cells) +
                       f" | {ratio(row, by_server, 'tahoe')} | {ratio(row, by_server, 'nginx')} | {row.aim} |")
    return out


def number(value):
    return "" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def single_table(measurements, single):
    out = ["| what | Tahoe 1.20 | S4 | S4's aim |", "|---|---|---|---|"]
    for m in measurements:
        figures = single.get(m.name)
        known = [v for v in (figures or {}).values() if v is not None]
        if not known:
            continue
        parts = list(known[0]) if isinstance(known[0], dict) else [None]
        for part in parts:
            cells = [number(f[part] if part else f) if f is not None else ""
                     for f in (figures.get("tahoe"), figures.get("s4"))]
            name = f"{m.name}: {part}" if part else f"{m.name}, {m.unit}"
            out.append(f"| {name} | {cells[0]} | {cells[1]} | {m.aim} |")
    return out


def text_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def processors_time():
    """What all processors have spent since the start of the machine, and how much of it its host took away."""
    spent = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(spent), spent[7]


def document(results, single, wish, before):
    """`before`: processors_time() when the run began."""
    passed, stolen = (now - then for now, then in zip(processors_time(), before))
    info = pathlib.Path("/proc/cpuinfo").read_text()
    cpu = re.search(r"model name\s*: (.*)", info)
    memory = int(re.search(r"MemTotal: *(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 1e6
    top = pathlib.Path(__file__).resolve().parents[1]
    nginx = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True).stderr.strip().rsplit("/", 1)[-1]
    head = METHOD.format(nginx=nginx, cpu=cpu[1] if cpu else platform.machine(), cores=os.cpu_count(), memory=round(memory),
                         kernel=platform.release().split("-")[0], date=datetime.date.today().isoformat(),
                         commit=text_of("git", "-C", str(top), "rev-parse", "--short", "HEAD"), runs=wish.runs,
                         seconds=wish.seconds, warmup=wish.warmup, stolen_percent=100 * stolen / passed)
    lines = [head, "## Requests and transfers", "", *table(results), "", "## Beside the load generator", "",
             f"Many grids: {wish.grids}. Many shares: {wish.shares:,}. Connected clients: {wish.clients} (Tahoe: at most 500). Subscribers: {wish.subscribers}. "
             "Tahoe's figures for grids are of one: its two processes.", "",
             *single_table(solitary.MEASUREMENTS, single), "", (top / "bench/notes.md").read_text().strip()]
    return "\n".join(lines) + "\n"
