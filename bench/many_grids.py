"""Thousands of grids: made over the control socket as a sign-up makes them, each spoken to once, then left alone."""

import concurrent.futures
import json
import queue
import socket
import statistics
import time

import gbs
import peers

ASKED_AT_ONCE = 8  # sign-ups; the control socket takes 16 connections


class Control:
    """The operator's socket (docs/formats/control.md)."""

    def __init__(self, server):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(server.state / "control.sock"))
        self.lines = self.sock.makefile("r")

    def create(self, email):
        """(NURL, seconds)"""
        begun = time.monotonic()
        self.sock.sendall(json.dumps(dict(command="subscription.create", email=email)).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if "ok" in answer:
                return answer["ok"]["nurls"][0], time.monotonic() - begun
            assert "error" not in answer, answer
        raise EOFError("the control socket was closed")


def create(server, count, label):
    """NURLs of new grids; (seconds in all, seconds of each)."""
    idle = queue.SimpleQueue()
    for _ in range(ASKED_AT_ONCE):
        idle.put(Control(server))

    def one(i):
        control = idle.get()
        try:
            return control.create(f"{label}{i}@example.org")
        finally:
            idle.put(control)
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        made = list(pool.map(one, range(count)))
    return [nurl for nurl, _ in made], (time.monotonic() - begun, [seconds for _, seconds in made])


def speak(nurls):
    """Asks each grid for its version, all over one connection."""
    tls = gbs.Gbs.of(nurls[0]).connect()
    for nurl in nurls:
        tls.sendall(gbs.Gbs.of(nurl).bytes_of("GET", "/storage/v1/version", close=False))
        assert gbs.read_answer(tls).status == 200
    tls.close()


def measure(peer, wish, base):
    """Rate and length of sign-ups, memory of a grid that was spoken to once, and a start with all of them."""
    if peer.name == "tahoe":
        begun = time.monotonic()
        peer.server.create_subscription("another")
        took = time.monotonic() - begun
        return {"kB a grid": peers.memory_kb([n.process.pid for n in peer.server.nodes[-2:]]), "new grid, ms": took * 1e3,
                "new grid, 99th percentile, ms": None, "new grids a second": 1 / took, "start to ready, ms": None}
    warm, _ = create(peer.server, 200, "warm")
    speak(warm)
    before = peers.memory_kb(peer.pids(), "Rss")
    made, (total, times) = create(peer.server, wish.grids, "many")
    speak(made)
    grown = peers.memory_kb(peer.pids(), "Rss") - before
    peer.server.stop()
    begun = time.monotonic()
    peer.server.start()
    return {"kB a grid": grown / wish.grids, "new grid, ms": statistics.median(times) * 1e3,
            "new grid, 99th percentile, ms": statistics.quantiles(times, n=100)[98] * 1e3,
            "new grids a second": wish.grids / total, "start to ready, ms": (time.monotonic() - begun) * 1e3}
