"""Clients that load a server: each a thread with indexes of its own, a connection of each protocol, and a model of what it
was told. A client ends when its server does."""

import base64
import random
import threading

import cbor2
import gbs

from calls import Connection, Refused
from model import Index, lease_hash

WRITE_ENABLER = b"w" * 32
SLOTS_EACH = 3
KEPT_OPEN = 12  # immutable indexes that are used again


class Unexpected(Exception):
    """An answer that a right request to a healthy server does not get."""


GONE = (OSError, EOFError)


class Https:
    def __init__(self, nurl):
        self.gbs = gbs.Gbs.of(nurl)
        self.tls = self.gbs.connect()

    def close(self):
        self.tls.close()

    def ask(self, method, path, headers=(), body=None, expect=(200,)):
        self.tls.sendall(self.gbs.bytes_of(method, gbs.PREFIX + path, headers, body, close=False))
        answer = gbs.read_answer(self.tls)
        if answer.status not in expect:
            raise Unexpected(f"{method} {path.split('/')[0]}: {answer.status} {answer.body[:200]!r}")
        return answer

    def post(self, path, value, headers, expect=(200,)):
        return self.ask("POST", path, [*headers, ("Content-Type", gbs.CBOR)], cbor2.dumps(value), expect).cbor()

    def upload(self, si, number, content, renew, upload, pieces):
        """True once the last byte is acknowledged."""
        allocated = self.post(f"immutable/{si}", {"share-numbers": {number}, "allocated-size": len(content)},
                              gbs.secrets(renew, b"c" * 32, upload))
        if number not in allocated["allocated"]:
            return False
        for first, piece in pieces:
            done = self.ask("PATCH", f"immutable/{si}/{number}", [*gbs.secrets(upload=upload), (
                "Content-Range", f"bytes {first}-{first + len(piece) - 1}/*")], piece, (200, 201))
        return done.status == 201

    def write_slot(self, si, writes, renew):
        done = self.post(f"mutable/{si}/read-test-write", {
            "test-write-vectors": {n: gbs.vector(write=w, new_length=l) for n, (w, l) in writes.items()},
            "read-vector": []}, gbs.secrets(renew, b"c" * 32, enabler=WRITE_ENABLER))
        return done["success"]

    def add_lease(self, si, renew):
        self.ask("PUT", f"lease/{si}", gbs.secrets(renew, b"c" * 32), b"", (204,))

    def read(self, index):
        kind = "mutable" if index.is_slot else "immutable"
        numbers = self.ask("GET", f"{kind}/{index.si}/shares").cbor()
        out = {}
        for number in numbers:
            answer = self.ask("GET", f"{kind}/{index.si}/{number}", expect=(200, 204))
            out[number] = answer.body
        return out


class Foolscap:
    def __init__(self, furl):
        self.connection = Connection(furl)

    def close(self):
        self.connection.close()

    def call(self, method, si, *arguments):
        try:
            return self.connection.call(self.connection.server, method, raw(si), *arguments)
        except Refused as e:
            raise Unexpected(f"{method}: {e}") from e

    def upload(self, si, number, content, renew, upload, pieces):
        """All writes and the close are sent at once."""
        _, writers = self.call("allocate_buckets", si, renew, b"c" * 32, {number}, len(content),
                               self.connection.canary())
        if number not in writers:
            return False
        sent = [self.connection.send(writers[number], "write", first, piece) for first, piece in pieces]
        sent.append(self.connection.send(writers[number], "close"))
        try:
            for request in sent:
                self.connection.answer(request)
        except Refused as e:
            raise Unexpected(f"an upload: {e}") from e
        return True

    def write_slot(self, si, writes, renew):
        vectors = {n: ([], list(w), l) for n, (w, l) in writes.items()}
        return self.call("slot_testv_and_readv_and_writev", si, (WRITE_ENABLER, renew, b"c" * 32), vectors, [])[0]

    def add_lease(self, si, renew):
        self.call("add_lease", si, renew, b"c" * 32)

    def read(self, index):
        if index.is_slot:
            return {n: parts[0] for n, parts in self.call("slot_readv", index.si, [], [(0, 1 << 22)]).items()}
        readers = self.call("get_buckets", index.si)
        return {n: self.connection.call(reader, "read", 0, 1 << 22) for n, reader in readers.items()}


def raw(si):
    return base64.b32decode(si.upper() + "======")


class Client:
    """One thread's worth of load; `name` is different for each client of a campaign."""

    def __init__(self, name, grid, report):
        self.name, self.grid, self.report = name, grid, report
        self.slots = [Index(gbs.storage_index(f"{name} slot {i}"), True) for i in range(SLOTS_EACH)]
        self.shares = []
        self.acknowledged = 0
        self.made = 0
        self.tolerant = False  # of refusals: the disk is failing
        self.touched = set()

    def indexes(self):
        return self.slots + self.shares

    def start(self, seed):
        self.dice = random.Random(f"{self.name} {seed}")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def join(self):
        self.thread.join()

    def run(self):
        doors = []
        try:
            doors += [Https(self.grid.nurls[0]), Foolscap(self.grid.storage_furl)]
            while True:
                self.act(self.dice.choice(doors))
        except GONE:
            pass
        except Unexpected as e:
            self.report(f"unexpected answer: {e}")
        except Exception as e:  # a thread's end would go unseen
            self.report(f"a client failed: {e!r}")
        finally:
            for door in doors:
                door.close()

    def act(self, door):
        choice = self.dice.random()
        try:
            if choice < 0.4:
                self.upload(door)
            elif choice < 0.75:
                self.rewrite(door, self.dice.choice(self.slots))
            elif choice < 0.9:
                self.add_lease(door, self.dice.choice(self.indexes()))
            else:
                self.look(door, self.dice.choice(self.indexes()))
        except Unexpected:
            if not self.tolerant:
                raise

    def new_lease(self):
        self.made += 1
        renew = f"{self.name} lease {self.made}".encode().ljust(32, b".")
        return renew, lease_hash(renew)

    def some_bytes(self):
        size = self.dice.choice([self.dice.randrange(1, 3000), self.dice.randrange(1, 100_000),
                                 self.dice.randrange(1, 100_000), self.dice.randrange(1, 700_000)])
        return self.dice.randbytes(size)

    def upload(self, door):
        self.made += 1
        index = Index(gbs.storage_index(f"{self.name} share {self.made}"), False)
        again = [i for i in self.shares[-KEPT_OPEN:] if len(i.shares) < 4]
        if again and self.dice.random() < 0.3:
            index = self.dice.choice(again)
        else:
            self.shares.append(index)
        number = next(n for n in range(5) if n not in index.shares)
        content = self.some_bytes()
        renew, hashed = self.new_lease()
        step = self.dice.randrange(len(content) // 4 + 1, len(content) + 1)
        pieces = [(at, content[at:at + step]) for at in range(0, len(content), step)]
        self.touched.add(index)
        index.maybe.append({number: content})
        for n in (number, *index.shares):  # an allocation leaves its lease on what is there
            index.lease(n).maybe.add(hashed)
        if not door.upload(index.si, number, content, renew, self.dice.randbytes(20), pieces):
            return
        index.maybe.remove({number: content})
        index.shares[number] = content
        index.lease(number).acknowledged.add(hashed)
        self.acknowledged += 1

    def rewrite(self, door, index):
        if index.maybe:
            return  # not known well enough until the next restart's look at it
        writes, after = {}, dict(index.shares)
        for number in self.dice.sample(range(3), self.dice.randrange(1, 4)):
            if number in after and self.dice.random() < 0.1:
                writes[number] = ([], 0)
                del after[number]
                continue
            before = after.get(number, b"")
            data = self.some_bytes()[:150_000]
            offset = self.dice.randrange(len(before) + 1)
            content = before[:offset] + data + before[offset + len(data):]
            length = self.dice.randrange(1, len(content) + 1) if self.dice.random() < 0.2 else None
            writes[number] = ([(offset, data)], length)
            after[number] = content[:length]
        renew, hashed = self.new_lease()
        self.touched.add(index)
        index.maybe.append(after)
        for number in {*index.shares, *after}:
            index.lease(number).maybe.add(hashed)
        for number in set(index.shares) - set(after):  # leases go with a share that may now be deleted
            leases = index.lease(number)
            leases.maybe |= leases.acknowledged
            leases.acknowledged = set()
        if not door.write_slot(index.si, writes, renew):
            raise Unexpected("a write without a test failed")
        index.settle(after)
        for number in writes:
            if number in after and len(index.lease(number).acknowledged) < 60:
                index.lease(number).acknowledged.add(hashed)
        self.acknowledged += 1

    def add_lease(self, door, index):
        if index.maybe or not index.shares or max(len(l.maybe) + len(l.acknowledged)
                                                  for l in index.leases.values()) > 55:
            return
        renew, hashed = self.new_lease()
        self.touched.add(index)
        for number in index.shares:
            index.lease(number).maybe.add(hashed)
        door.add_lease(index.si, renew)
        for number in index.shares:
            index.lease(number).acknowledged.add(hashed)
        self.acknowledged += 1

    def look(self, door, index):
        if why := index.allows(door.read(index)):
            self.report(why)
