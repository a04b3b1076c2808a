"""Random sequences of storage calls, the same for the same seed, spoken over HTTPS. foolscap_calls.py speaks them over
Foolscap. A call is a tuple of plain values; its first is its name.

Few indexes, share numbers, offsets and secrets are used, so that calls meet: overlapping and contradicting writes, second
uploads, tests that fail, wrong write enablers, calls for shares of the other kind. Upload secrets are fresh for each
allocation, as clients make them.
"""

import random

import gbs
import gbs_probe

SIZES = {"i0": 1, "i1": 10, "i2": 100, "i3": 5000}  # immutable indexes and the size of their shares
SLOTS = ["m0", "m1", "m2"]
SHARES = range(4)


def secret(letter, number):
    return (letter + str(number)).encode().ljust(32, b".")


class Sequence:
    """Makes calls one after the other; remembers only which upload a write is likely to belong to."""

    def __init__(self, seed, count):
        self.random = random.Random(seed)
        self.uploads, self.allocations = {}, 0
        makers = [self.allocate] * 4 + [self.write] * 9 + [self.read] * 4 + [self.slot] * 9 + [self.read_slot] * 3 + \
                 [self.finish, self.abort, self.list, self.lease, self.corrupt, self.mixed]
        self.calls = [self.random.choice(makers)() for _ in range(count)]

    def some(self, values):
        return tuple(sorted(self.random.sample(list(values), self.random.randint(1, 3))))

    def index(self):
        return self.random.choice(list(SIZES))

    def data(self, index, share, offset, length):
        """The share's own bytes, or one time in ten others."""
        whole = random.Random(f"{index}/{share}").randbytes(SIZES[index] + 20)[offset:offset + length]
        return whole if self.random.random() > 0.1 else bytes(length)

    def allocate(self):
        index, shares = self.index(), self.some(SHARES)
        self.allocations += 1
        for share in shares:
            self.uploads.setdefault((index, share), self.allocations)
        return "allocate", index, shares, SIZES[index], self.random.randrange(2), self.allocations

    def write(self):
        if not self.uploads:
            return self.allocate()
        (index, share), upload = self.random.choice(list(self.uploads.items()))
        size = SIZES[index]
        offset = self.random.choice([0, 0, size // 2, size // 3])
        length = self.random.choice([size - offset, size - offset, 1, max(1, size // 4)])
        if self.random.random() < 0.03:
            length = size - offset + self.random.randint(1, 5)
        return "write", index, share, offset, self.data(index, share, offset, length), upload

    def finish(self):
        return "finish", self.index(), self.random.choice(SHARES)

    def abort(self):
        index, share = self.index(), self.random.choice(SHARES)
        return "abort", index, share, self.uploads.pop((index, share), 0)

    def read(self):
        index = self.index()
        return "read", index, self.random.choice(SHARES), self.random.choice([0, 1, 7, SIZES[index]]), \
            self.random.choice([1, 5, 200])

    def list(self):
        return self.random.choice([("list", self.index()), ("list slot", self.random.choice(SLOTS))])

    def lease(self):
        return "lease", self.random.choice([*SIZES, *SLOTS, "unknown"]), self.random.randrange(4)

    def corrupt(self):
        return "corrupt", self.random.choice(["immutable", "mutable"]), \
            self.random.choice([*SIZES, *SLOTS]), self.random.choice(SHARES), "reason"

    def vectors(self):
        r = self.random
        out = {}
        for share in r.sample(list(SHARES), r.randint(0, 2)):
            tests = [r.choice([(0, 1, b""), (0, 1, b"a"), (0, 3, b"abc"), (2, 5, b"cab"), (100, 1, b"")])
                     for _ in range(r.choice([0, 0, 1, 2]))]
            writes = [(r.choice([0, 0, 1, 2, 9, 40]), r.choice([b"abc", b"abcabcabc", b"x", b"", b"b" * 30]))
                      for _ in range(r.choice([0, 1, 1, 2]))]
            out[share] = (tests, writes, r.choice([None, None, None, None, 0, 3, 12, 500]))
        return out

    def reads(self):
        return [(self.random.choice([0, 1, 8, 50]), self.random.choice([0, 1, 10, 100]))
                for _ in range(self.random.randint(0, 3))]

    def slot(self):
        enabler = 0 if self.random.random() > 0.05 else 1
        return "slot", self.random.choice(SLOTS), self.vectors(), self.reads(), enabler, self.random.randrange(2)

    def read_slot(self):
        return "read slot", self.random.choice(SLOTS), self.random.choice(SHARES), self.random.choice([0, 1, 8, 50]), \
            self.random.choice([1, 10, 100])

    def mixed(self):
        """A call for shares of the other kind."""
        return self.random.choice([
            ("allocate other", self.random.choice(SLOTS), (0,), 10, 0, 0),
            ("list other", self.random.choice(SLOTS)),
            ("slot other", self.index(), {0: ([], [(0, b"abc")], None)}, [(0, 9)], 0, 0)])


def over_https(server, prefix, calls):
    """The calls' answers from a gbs.Gbs, each as a line that can be compared. An index is a name below the prefix."""
    return [one_over_https(server, prefix, *call) for call in calls]


def one_over_https(server, prefix, name, *args):
    si = gbs.storage_index(f"{prefix}/{args[1] if name == 'corrupt' else args[0]}")
    match name.removesuffix(" other"):
        case "allocate":
            _, shares, size, lease, upload = args
            answer = server.allocate(si, shares, size, secret("r", lease), secret("c", lease), secret("u", upload))
        case "write":
            _, share, offset, data, upload = args
            answer = server.write(si, share, offset, data, secret("u", upload))
        case "finish":
            return "not over HTTPS, where the last byte finishes a share"
        case "abort":
            answer = server.abort(si, args[1], secret("u", args[2]))
        case "read" | "read slot":
            _, share, offset, length = args
            answer = server.read(si, share, offset, offset + length - 1, "mutable" if name == "read slot" else "immutable")
        case "list" | "list slot":
            answer = server.list(si, "mutable" if name == "list slot" else "immutable")
        case "lease":
            answer = server.add_lease(si, secret("r", args[1]), secret("c", args[1]))
        case "corrupt":
            kind, _, share, reason = args
            answer = server.post_cbor(f"{gbs.PREFIX}{kind}/{si}/{share}/corrupt", {"reason": reason})
        case "slot":
            _, vectors, reads, enabler, lease = args
            answer = server.read_test_write(
                si, {share: gbs.vector(w, t, new) for share, (t, w, new) in vectors.items()},
                [{"offset": o, "size": s} for o, s in reads], secret("w", enabler), secret("r", lease), secret("c", lease))
    return gbs_probe.summary({"read slot": "slot read"}.get(name, name), answer)
