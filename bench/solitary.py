"""Measurements that the load generator cannot make: memory, Foolscap connections, and a real client."""

import base64
import dataclasses
import json
import os
import resource
import select
import time
from typing import Callable

import big_store
import fairness
import foolscap_peer
import foolscap_rows
import load
import many_grids
import peers
import tahoe
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from foolscap_peer import INT, Identity, Peer, Sequences, string, token

TUPLE, DICT, REFERENCE, LIST, UNICODE = 5, 3, 15, 4, 8


@dataclasses.dataclass
class Measurement:
    name: str
    unit: str
    run: Callable  # (peer, wish, base) -> number or None
    aim: str = ""


def connected_clients(peer, wish, base):
    """Clients that ask for the version once a second, as Tahoe's do, each from a host of its own: cores and memory."""
    count = wish.clients if peer.name == "s4" else min(wish.clients, 500)
    before = peers.memory_kb(peer.pids(), "Rss")
    figures = load.measure(peer, "get", count, seconds=5, interval=1, path="/storage/v1/version")
    return {"kB a client": (figures["resident_mib"] * 1024 - before) / count,
            "CPU cores for 10,000": figures["cpu_s"] / figures["seconds"] / count * 10_000,
            "answers a second and client": figures["rate"] / count, "99th percentile, ms": figures["p99_ms"]}


def subscribe(peer):
    """A new Foolscap connection that subscribes to the introducer by hand; returns it open."""
    furl = foolscap_peer.Furl(peer.grid.introducer_furl)
    me = Identity.below(furl.tub_id)
    client = Peer(furl.host, furl.port)
    client.negotiate(furl, me)
    s = Sequences()
    client.send(s.call(1, 0, b"getReferenceByName", name=string(furl.name.encode())))
    client.read_message()
    info = lambda: s.sequence(DICT, string(b"version"), token(INT, 0), string(b"nickname"),
                              lambda: s.sequence(UNICODE, string(b"bench")))
    client.send(s.call(2, 1, b"subscribe_v2",
                       lambda: s.sequence(REFERENCE, token(INT, 1),
                                          string(b"RIIntroducerSubscriberClient_v2.tahoe.allmydata.com")),
                       string(b"storage"), info))
    client.sequences = s
    while True:
        message = client.read_message()
        if (foolscap_peer.VOCAB, 11, b"") in message[:2]:  # a call: announce_v2; it is answered as it should be
            request = message[2][1]
            client.send(s.sequence(13, token(INT, request), lambda: s.sequence(0)))
        elif (foolscap_peer.VOCAB, 13, b"") in message[:2]:
            return client
        else:
            raise AssertionError(f"subscribe_v2 was answered with {message}")


def subscription_cpu(peer, wish, base):
    """Server's CPU milliseconds of a new Foolscap connection with its subscription."""
    pids, count = peer.introducer_pids(), 200
    for client in [subscribe(peer) for _ in range(5)]:
        client.close()
    before = peers.cpu_s(pids)
    open_ = [subscribe(peer) for _ in range(count)]
    used = (peers.cpu_s(pids) - before) / count * 1e3
    for client in open_:
        client.close()
    return used


def announcement(seqnum):
    """A signed announcement of a storage server of nobody's."""
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    text = lambda data: b"v0-" + base64.b32encode(data).lower().rstrip(b"=")
    message = json.dumps({"service-name": "storage", "nickname": "bench", "seqnum": seqnum, "version": 0,
                          "anonymous-storage-FURL": f"pb://{'a' * 32}@tcp:127.0.0.1:1/{'a' * 32}"}).encode()
    return message, text(key.sign(message)), text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def fan_out(peer, wish, base):
    """From an announcement's publication until every subscriber has read it; the server's share of that."""
    *subscribers, publisher = [subscribe(peer) for _ in range(wish.subscribers)]
    s = publisher.sequences
    call = s.call(3, 1, b"publish_v2", lambda: s.sequence(TUPLE, *[string(p) for p in announcement(int(time.time()))]),
                  lambda: s.sequence(REFERENCE, token(INT, 2), string(b"")))
    waiting = {c.sock.fileno(): c for c in subscribers}
    spent, begun = load.Spent(peer, peer.introducer_pids()), time.monotonic()
    publisher.send(call)
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 30)
        assert ready, f"{len(waiting)} subscribers were not told"
        for fd in ready:
            waiting.pop(fd).more()
    took, cpu = time.monotonic() - begun, spent.figures()["cpu_s"]
    for client in [*subscribers, publisher]:
        client.close()
    return {"ms until all have read it": took * 1e3, "ms CPU a delivery": cpu / wish.subscribers * 1e3}


def real_client(peer, wish, base):
    """A real client's 100 MB put and get and 50 small ones, with the server's CPU as a share of the client's."""
    node = tahoe.Node.create_client(base / f"client-{peer.name}", peer.grid.introducer_furl).start().wait_connected()
    try:
        small = [os.urandom(1000) for _ in range(50)]
        data = os.urandom(100_000_000)
        both = lambda: (peers.cpu_s(peer.pids()), peers.cpu_s([node.process.pid]), time.monotonic())
        out, before = {}, both()
        cap = node.put_file(data)
        after = both()
        out["put 100 MB s"], put = after[2] - before[2], after
        assert node.read(cap) == data
        after = both()
        out["get 100 MB s"] = after[2] - put[2]
        out["server CPU / client CPU %"] = 100 * (after[0] - before[0]) / (after[1] - before[1])
        begun = time.monotonic()
        caps = [node.put_file(d) for d in small]
        out["put 1 kB a second"] = len(small) / (time.monotonic() - begun)
        begun = time.monotonic()
        assert [node.read(c) for c in caps] == small
        out["get 1 kB a second"] = len(small) / (time.monotonic() - begun)
        return out
    finally:
        node.stop()


resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)

# Memory first: what a busy server has freed hides what a connection costs.
MEASUREMENTS = [
    Measurement("connected clients, `version` once a second", "", connected_clients,
                "10,000: half a core; 100 KiB a client in all"),
    Measurement("many grids", "", many_grids.measure,
                "4 KiB a grid; new: 100 ms median, 1 s at the 99th percentile, 100 a second; start: 2 s"),
    Measurement("new Foolscap connection and subscription", "ms CPU", subscription_cpu, "1.0 ms"),
    Measurement("announcement to 1,000 subscribers", "", fan_out, "20 ms"),
    Measurement("Foolscap", "", foolscap_rows.measure, "a tenth of Tahoe's CPU; 16 MiB"),
    Measurement("real client", "", real_client, "server CPU under 15 % of the client's"),
    Measurement("a start with many shares", "", big_store.start, "start: 2 s, and no memory a share"),
    Measurement("check and collection", "", big_store.care),
    Measurement("a quiet grid beside one with 64 busy connections", "", fairness.measure, "99th percentile at most doubled"),
]
