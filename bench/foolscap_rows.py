"""Storage over Foolscap, asked for by the real Foolscap client, which limits the rate: the server's CPU time is the figure."""

import json
import pathlib
import subprocess
import sys

from load import Spent

CLIENT = pathlib.Path(__file__).with_name("foolscap_client.py")
MB = 1_000_000


def run(peer, operation, size, count):
    client = subprocess.Popen([sys.executable, str(CLIENT), peer.grid.storage_furl, operation, str(size), str(count)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if client.stdout.readline() != "go\n":
        raise RuntimeError(f"{peer.name}, {operation} over Foolscap: {client.stderr.read()[-2000:]}")
    spent = Spent(peer)
    out, said = client.communicate("\n")
    if client.returncode != 0:
        raise RuntimeError(f"{peer.name}, {operation} over Foolscap: {said[-2000:]}")
    return json.loads(out) | spent.figures()


def measure(peer, wish, base):
    out = {}
    for operation, size, count, label in (("read", 4096, 500, "read 4 KiB"), ("write", 1024, 200, "write 1 KiB")):
        figures = run(peer, operation, size, count)
        out[f"{label}, ms CPU"] = figures["cpu_s"] / count * 1e3
        out[f"{label}, a second"] = count / figures["seconds"]
    for operation in ("write", "read"):
        figures = run(peer, operation, 100 * MB, 2)
        out[f"{operation} 100 MB, s CPU per GB"] = figures["cpu_s"] / 0.2
        out[f"{operation} 100 MB, MB/s"] = 200 / figures["seconds"]
        out[f"{operation} 100 MB, peak MiB"] = figures["peak_growth_mib"]
    return out
