"""foolscap_client.py FURL OPERATION SIZE COUNT: a real Foolscap client of a storage server; bench/foolscap_rows.py is its only caller.

Operations: `write` stores COUNT shares of SIZE bytes, `read` reads one share of SIZE bytes COUNT times. It does one operation
to warm up, prints "go", waits for a line, works, and prints one JSON line: {"operations", "seconds"}.
"""

import json
import os
import sys
import time

import allmydata.interfaces  # registers the schemas of the remote interfaces
from foolscap.api import Referenceable, Tub
from twisted.internet import defer, task

PIECE_BYTES = 1_000_000  # as Tahoe's client sends at a time
READ_BYTES = 131_072     # a segment, as Tahoe's client asks for


@defer.inlineCallbacks
def write(server, size, index):
    _, writers = yield server.callRemote("allocate_buckets", index, b"r" * 32, b"c" * 32, {0}, size, Referenceable())
    piece = b"x" * min(size, PIECE_BYTES)
    for offset in range(0, size, len(piece)):
        yield writers[0].callRemote("write", offset, piece[:size - offset])
    yield writers[0].callRemote("close")


@defer.inlineCallbacks
def read(server, size, index):
    readers = yield server.callRemote("get_buckets", index)
    for offset in range(0, size, READ_BYTES):
        data = yield readers[0].callRemote("read", offset, min(READ_BYTES, size - offset))
        assert len(data) == min(READ_BYTES, size - offset)


@defer.inlineCallbacks
def main(reactor, furl, operation, size, count):
    size, count = int(size), int(count)
    tub = Tub()
    tub.startService()
    server = yield tub.getReference(furl)
    index = os.urandom(16)
    yield write(server, size, index)
    if operation == "read":
        yield read(server, size, index)
    print("go", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    for _ in range(count):
        yield read(server, size, index) if operation == "read" else write(server, size, os.urandom(16))
    print(json.dumps(dict(operations=count, seconds=time.monotonic() - begun)), flush=True)
    yield tub.stopService()


task.react(main, sys.argv[1:])
