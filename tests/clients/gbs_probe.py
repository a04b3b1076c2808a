"""More than a hundred requests, good and bad, of which each has its place in a fixed order. Sent to Tahoe's own server
and to S4, their answers must be the same, but for what docs/differences.md lists.

A step is (label, request). Steps see the effects of earlier ones, so a list is always run whole, from the first step on.
"""

import base64
import struct

import cbor2

import gbs
from gbs import PREFIX, CBOR, secrets, secret_header, vector

R, C, U, W = b"r" * 32, b"c" * 32, b"u" * 20, b"w" * 32
LEASE = secrets(R, C)
UPLOAD = secrets(R, C, U)
MUTABLE = secrets(R, C, enabler=W)
TYPED = [("Content-Type", CBOR)]


class Probe:
    """Collects (label, Answer) while the steps run. Storage indexes come from `seed`, so that runs do not meet."""

    def __init__(self, server, seed):
        self.server, self.seed, self.answers = server, seed, []

    def si(self, name):
        return gbs.storage_index(f"{self.seed}/{name}")

    def send(self, label, method, path, headers=(), body=None, **kwargs):
        try:
            answer = self.server.request(method, path, headers, body, **kwargs)
        except (EOFError, ConnectionError) as e:
            answer = gbs.Answer(0, [], b"", repr(e).encode())
        assert label not in dict(self.answers), f"two steps are called {label!r}"
        self.answers.append((label, answer))

    def cbor(self, label, path, value, headers, **kwargs):
        body = value if isinstance(value, bytes) else cbor2.dumps(value)
        self.send(label, "POST", path, [*headers, *TYPED], body, **kwargs)


def routing(p):
    version, swissnum = PREFIX + "version", p.server.swissnum
    encoded = base64.b64encode(swissnum.encode()).decode()
    p.send("version", "GET", version)
    p.send("version, HEAD", "HEAD", version)
    p.send("version without Authorization", "GET", version, authorization=False)
    p.send("version, wrong swissnum", "GET", version, authorization="Tahoe-LAFS " + base64.b64encode(b"x" * 32).decode())
    p.send("version, part of the swissnum", "GET", version,
           authorization="Tahoe-LAFS " + base64.b64encode(swissnum[:-1].encode()).decode())
    p.send("version, lower-case scheme", "GET", version, authorization="tahoe-lafs " + encoded)
    p.send("version, two spaces after the scheme", "GET", version, authorization="Tahoe-LAFS  " + encoded)
    p.send("version, no scheme", "GET", version, authorization=encoded)
    p.send("version, swissnum not in base64", "GET", version, authorization="Tahoe-LAFS " + swissnum)
    p.send("version without Accept", "GET", version, accept=None)
    p.send("version, Accept */*", "GET", version, accept="*/*")
    p.send("version, Accept text/html", "GET", version, accept="text/html")
    p.send("version, Accept of two types", "GET", version, accept="text/html, application/cbor")
    p.send("version, surplus secret", "GET", version, secrets(upload=U))
    p.send("version, POST", "POST", version, body=b"")
    p.send("version, PUT", "PUT", version, body=b"")
    p.send("version with a query", "GET", version + "?a=b")
    p.send("version with a slash at the end", "GET", version + "/")
    p.send("root path", "GET", "/")
    p.send("unknown path", "GET", PREFIX + "nope")
    p.send("unknown path without Authorization", "GET", PREFIX + "nope", authorization=False)
    p.send("storage index too short", "GET", PREFIX + "immutable/short/shares")
    p.send("storage index in upper case", "GET", f"{PREFIX}immutable/{p.si('i').upper()}/shares")
    p.send("storage index with a digit 1", "GET", f"{PREFIX}immutable/{'1' * 26}/shares")
    p.send("share number with a letter", "GET", f"{PREFIX}immutable/{p.si('i')}/0x")
    p.send("share number negative", "GET", f"{PREFIX}immutable/{p.si('i')}/-1")
    p.send("shares, DELETE", "DELETE", f"{PREFIX}immutable/{p.si('i')}/shares")


def secrets_of_requests(p):
    lease = f"{PREFIX}lease/{p.si('i')}"
    raw = lambda value: [("X-Tahoe-Authorization", value)]
    p.send("lease of unknown index", "PUT", lease, LEASE, b"")
    p.send("lease without secrets", "PUT", lease, (), b"")
    p.send("lease without cancel secret", "PUT", lease, secrets(renew=R), b"")
    p.send("lease, short secret", "PUT", lease, secrets(b"x", C), b"")
    p.send("lease, long secret", "PUT", lease, secrets(R + b"x", C), b"")
    p.send("lease, surplus secret", "PUT", lease, secrets(R, C, U), b"")
    p.send("lease, unknown secret name", "PUT", lease, [*secrets(renew=R), secret_header("lease-x-secret", C)], b"")
    p.send("lease, secret that is not base64", "PUT", lease, [*secrets(renew=R), *raw("lease-cancel-secret ***")], b"")
    p.send("lease, empty secret", "PUT", lease, [*secrets(renew=R), *raw("lease-cancel-secret ")], b"")
    p.send("lease, secret without a name", "PUT", lease, [*secrets(renew=R), *raw(base64.b64encode(C).decode())], b"")
    p.send("lease, same secret twice", "PUT", lease, [*LEASE, *secrets(renew=R)], b"")
    p.send("lease, POST", "POST", lease, LEASE, b"")
    p.send("lease without Authorization and secrets", "PUT", lease, (), b"", authorization=False)


def allocation(p):
    path, other = f"{PREFIX}immutable/{p.si('i')}", f"{PREFIX}immutable/{p.si('other')}"
    body = {"share-numbers": {0, 1, 2}, "allocated-size": 10}
    one = {"share-numbers": {0}, "allocated-size": 10}
    p.send("allocate, no Content-Type", "POST", path, UPLOAD, cbor2.dumps(body))
    p.cbor("allocate again, other upload secret", path, body, secrets(R, C, b"v" * 20))
    p.cbor("allocate again, same upload secret", path, body, UPLOAD)
    p.send("allocate, wrong Content-Type", "POST", other, [*UPLOAD, ("Content-Type", "text/plain")], cbor2.dumps(one))
    p.cbor("allocate, Accept text/html", other, one, UPLOAD, accept="text/html")
    p.cbor("allocate without upload secret", other, one, LEASE)
    p.cbor("allocate, list in place of a set", other, {"share-numbers": [0], "allocated-size": 10}, UPLOAD)
    p.cbor("allocate, unknown key", other, {**one, "x": 1}, UPLOAD)
    p.cbor("allocate without size", other, {"share-numbers": {0}}, UPLOAD)
    p.cbor("allocate, byte keys", other, {b"share-numbers": {0}, b"allocated-size": 10}, UPLOAD)
    p.cbor("allocate, negative size", other, {"share-numbers": {0}, "allocated-size": -1}, UPLOAD)
    p.cbor("allocate, float for a size", other, {"share-numbers": {0}, "allocated-size": 10.0}, UPLOAD)
    p.cbor("allocate, negative share number", other, {"share-numbers": {-1}, "allocated-size": 10}, UPLOAD)
    p.cbor("allocate, 257 shares", other, {"share-numbers": set(range(257)), "allocated-size": 10}, UPLOAD)
    p.cbor("allocate, not CBOR", other, b"\xff\xff", UPLOAD)
    p.cbor("allocate, half a CBOR body", other, cbor2.dumps(one)[:-3], UPLOAD)
    p.cbor("allocate, empty body", other, b"", UPLOAD)
    p.cbor("allocate, self-described CBOR", other, b"\xd9\xd9\xf7" + cbor2.dumps(one), UPLOAD)
    p.cbor("allocate, body of 9000 bytes", other, b"\x00" * 9000, UPLOAD)
    p.cbor("allocate, no shares", f"{PREFIX}immutable/{p.si('none')}", {"share-numbers": set(), "allocated-size": 10},
           UPLOAD)
    p.cbor("allocate, share 300", f"{PREFIX}immutable/{p.si('300')}", {"share-numbers": {300}, "allocated-size": 10}, UPLOAD)
    p.cbor("allocate, 2^60 bytes", f"{PREFIX}immutable/{p.si('huge')}", {"share-numbers": {0}, "allocated-size": 2**60},
           UPLOAD)
    p.cbor("allocate, trailing bytes", f"{PREFIX}immutable/{p.si('trail')}", cbor2.dumps(one) + b"\x00", UPLOAD)
    p.cbor("allocate, indefinite lengths", f"{PREFIX}immutable/{p.si('indef')}", indefinite(), UPLOAD)
    p.cbor("allocate, wide integers", f"{PREFIX}immutable/{p.si('wide')}", wide(), UPLOAD)
    p.cbor("allocate, same number twice in the set", f"{PREFIX}immutable/{p.si('twice')}",
           cbor2.dumps(one).replace(b"\x81\x00", b"\x82\x00\x00"), UPLOAD)
    p.cbor("allocate, short upload secret", f"{PREFIX}immutable/{p.si('short')}", one, secrets(R, C, b"u"))


def indefinite():
    """{"share-numbers": {0}, "allocated-size": 10} with a map and an array of indefinite length."""
    return (b"\xbf" + cbor2.dumps("share-numbers") + b"\xd9\x01\x02\x9f\x00\xff" + cbor2.dumps("allocated-size") + b"\x0a\xff")


def wide():
    """The same with integers in more bytes than they need."""
    return (b"\xb8\x02" + cbor2.dumps("share-numbers") + b"\xd9\x01\x02\x99\x00\x01\x18\x00" + cbor2.dumps("allocated-size")
            + b"\x1b" + struct.pack(">Q", 10))


def uploading(p):
    path, mine = f"{PREFIX}immutable/{p.si('i')}", secrets(upload=U)
    piece = lambda text: [*mine, ("Content-Range", text)]
    p.send("write 0-3", "PATCH", path + "/0", piece("bytes 0-3/*"), b"abcd")
    p.send("write 0-3 again", "PATCH", path + "/0", piece("bytes 0-3/*"), b"abcd")
    p.send("write 2-5, overlapping and equal", "PATCH", path + "/0", piece("bytes 2-5/*"), b"cdef")
    p.send("write 0-3, different bytes", "PATCH", path + "/0", piece("bytes 0-3/*"), b"abcX")
    p.send("write 4-7, partly different", "PATCH", path + "/0", piece("bytes 4-7/*"), b"eXgh")
    p.send("write with a total", "PATCH", path + "/0", piece("bytes 0-3/10"), b"abcd")
    p.send("write with a wrong total", "PATCH", path + "/0", piece("bytes 0-3/99"), b"abcd")
    p.send("write without Content-Range", "PATCH", path + "/0", mine, b"abcd")
    p.send("write, unit items", "PATCH", path + "/0", piece("items 0-3/*"), b"abcd")
    p.send("write, reversed range", "PATCH", path + "/0", piece("bytes 3-0/*"), b"abcd")
    p.send("write, garbage for a range", "PATCH", path + "/0", piece("bytes many"), b"abcd")
    p.send("write, range */10", "PATCH", path + "/0", piece("bytes */10"), b"abcd")
    p.send("write, body shorter than the range", "PATCH", path + "/0", piece("bytes 6-9/*"), b"gh")
    p.send("write, body longer than the range", "PATCH", path + "/0", piece("bytes 6-7/*"), b"ghij")
    p.send("write, wrong upload secret", "PATCH", path + "/0", [*secrets(upload=b"z" * 20), ("Content-Range", "bytes 0-3/*")],
           b"abcd")
    p.send("write without upload secret", "PATCH", path + "/0", [("Content-Range", "bytes 0-3/*")], b"abcd")
    p.send("write to a share not allocated", "PATCH", path + "/7", piece("bytes 0-3/*"), b"abcd")
    p.send("write beyond the size", "PATCH", path + "/1", piece("bytes 5-14/*"), b"a" * 10)
    p.send("write far beyond the size", "PATCH", path + "/1", piece(f"bytes {2**62}-{2**62 + 3}/*"), b"abcd")
    p.send("write, Content-Type text", "PATCH", path + "/0", [*piece("bytes 0-3/*"), ("Content-Type", "text/plain")], b"abcd")
    p.send("list during the upload", "GET", path + "/shares")
    p.send("read during the upload", "GET", path + "/0", [("Range", "bytes=0-3")])
    p.send("write 8-9 before what is missing", "PATCH", path + "/2", piece("bytes 8-9/*"), b"ij")
    p.send("write 0-1 of the same", "PATCH", path + "/2", piece("bytes 0-1/*"), b"ab")
    p.send("write 2-7, the rest", "PATCH", path + "/2", piece("bytes 2-7/*"), b"cdefgh")
    p.send("write 8-9, finishing", "PATCH", path + "/0", piece("bytes 8-9/*"), b"ij")
    p.send("write after the finish", "PATCH", path + "/0", piece("bytes 8-9/*"), b"ij")
    p.send("abort a finished share", "PUT", path + "/0/abort", mine, b"")
    p.send("abort with a wrong secret", "PUT", path + "/1/abort", secrets(upload=b"z" * 20), b"")
    p.send("abort", "PUT", path + "/1/abort", mine, b"")
    p.send("abort again", "PUT", path + "/1/abort", mine, b"")
    p.send("abort of an unknown share", "PUT", path + "/9/abort", mine, b"")
    p.send("write after abort", "PATCH", path + "/1", piece("bytes 0-3/*"), b"abcd")
    p.cbor("allocate after abort", path, {"share-numbers": {1}, "allocated-size": 4}, UPLOAD)
    p.send("write all of it", "PATCH", path + "/1", piece("bytes 0-3/*"), b"wxyz")


def reading(p):
    path = f"{PREFIX}immutable/{p.si('i')}"
    for text in ("bytes=0-3", "bytes=9-9", "bytes=8-20", "bytes=10-20", "bytes=100-200", "bytes=5-", "bytes=-3",
                 "bytes=0-1,3-4", "bytes=5-2", "bytes=0-18446744073709551615", "items=0-3", "garbage", "bytes=a-b"):
        p.send("read, Range " + text, "GET", path + "/0", [("Range", text)])
    p.send("read whole", "GET", path + "/0")
    p.send("read, HEAD", "HEAD", path + "/0")
    p.send("read, Accept text/html", "GET", path + "/0", accept="text/html")
    p.send("read of an unknown share", "GET", path + "/8", [("Range", "bytes=0-3")])
    p.send("read of an unknown index", "GET", f"{PREFIX}immutable/{p.si('unknown')}/0", [("Range", "bytes=0-3")])
    p.send("read of a share number of 30 digits", "GET", path + "/" + "9" * 30, [("Range", "bytes=0-3")])
    p.send("list", "GET", path + "/shares")
    p.send("list, Accept text/html", "GET", path + "/shares", accept="text/html")
    p.send("list of an unknown index", "GET", f"{PREFIX}immutable/{p.si('unknown')}/shares")
    p.cbor("allocate when others exist", path, {"share-numbers": {0, 5}, "allocated-size": 10}, UPLOAD)
    p.send("lease", "PUT", f"{PREFIX}lease/{p.si('i')}", LEASE, b"")
    p.send("lease with other secrets", "PUT", f"{PREFIX}lease/{p.si('i')}", secrets(b"R" * 32, b"C" * 32), b"")


def corruption(p):
    path = f"{PREFIX}immutable/{p.si('i')}"
    p.cbor("corrupt", path + "/0/corrupt", {"reason": "block hash"}, [])
    p.cbor("corrupt, unknown share", path + "/6/corrupt", {"reason": "x"}, [])
    p.cbor("corrupt, empty reason", path + "/0/corrupt", {"reason": ""}, [])
    p.cbor("corrupt, bytes for a reason", path + "/0/corrupt", {"reason": b"x"}, [])
    p.cbor("corrupt, reason of 32765 letters", path + "/0/corrupt", {"reason": "x" * 32765}, [])
    p.cbor("corrupt, reason of 32766 letters", path + "/0/corrupt", {"reason": "x" * 32766}, [])
    p.cbor("corrupt, surplus secret", path + "/0/corrupt", {"reason": "x"}, secrets(upload=U))


def mutables(p):
    path = f"{PREFIX}mutable/{p.si('m')}"

    def rtw(label, vectors, read=(), headers=MUTABLE, at=path):
        p.cbor(label, at + "/read-test-write",
               {"test-write-vectors": vectors, "read-vector": [{"offset": o, "size": s} for o, s in read]}, headers)

    rtw("slot, nothing asked of an unknown index", {})
    rtw("slot, create", {0: vector([(0, b"hello")], [(0, 1, b"")])}, [(0, 10)])
    rtw("slot, create where it exists", {0: vector([(0, b"HELLO")], [(0, 1, b"")])}, [(0, 10)])
    rtw("slot, one share's test fails of two", {0: vector([(0, b"HELLO")]), 1: vector([(0, b"x")], [(0, 5, b"hello")])}, [(0, 9)])
    rtw("slot, right test", {0: vector([(0, b"J")], [(0, 5, b"hello")])}, [(0, 10)])
    rtw("slot, test past the end", {0: vector([], [(3, 10, b"lo")])}, [(0, 10)])
    rtw("slot, test with a shorter specimen", {0: vector([], [(0, 5, b"Jell")])}, [])
    rtw("slot, hole and a larger new-length", {0: vector([(8, b"x")], new_length=20)}, [(0, 30)])
    rtw("slot, read after the hole", {}, [(0, 30), (4, 2), (40, 5), (0, 0)])
    rtw("slot, truncate, and a share by length alone", {0: vector(new_length=3), 1: vector(new_length=5)}, [(0, 30)])
    rtw("slot, read after the truncation", {}, [(0, 30)])
    rtw("slot, longer again", {0: vector([(6, b"!")])}, [])
    rtw("slot, what was truncated reads as zeros", {}, [(0, 30)])
    rtw("slot, overlapping writes in order", {0: vector([(0, b"aaaa"), (2, b"bb"), (1, b"c")])}, [])
    rtw("slot, read of overlapping writes", {}, [(0, 30)])
    rtw("slot, wrong write enabler", {0: vector([(0, b"z")])}, [(0, 9)], secrets(R, C, enabler=b"q" * 32))
    rtw("slot, wrong write enabler and only a read", {}, [(0, 9)], secrets(R, C, enabler=b"q" * 32))
    rtw("slot, short write enabler", {}, [], secrets(R, C, enabler=b"q"))
    rtw("slot without write enabler", {}, [], LEASE)
    p.cbor("slot without new-length", path + "/read-test-write",
           {"test-write-vectors": {0: {"test": [], "write": []}}, "read-vector": []}, MUTABLE)
    p.cbor("slot without read-vector", path + "/read-test-write", {"test-write-vectors": {}}, MUTABLE)
    p.cbor("slot, text for data", path + "/read-test-write",
           {"test-write-vectors": {0: {"test": [], "write": [{"offset": 0, "data": "x"}], "new-length": None}},
            "read-vector": []}, MUTABLE)
    rtw("slot, 30 tests", {0: vector(test=[(0, 1, b"a")] * 30)})
    rtw("slot, 31 tests", {0: vector(test=[(0, 1, b"a")] * 31)})
    rtw("slot, 31 reads", {}, [(0, 1)] * 31)
    rtw("slot, share 300", {300: vector([(0, b"x")])}, at=f"{PREFIX}mutable/{p.si('m300')}")
    p.send("slot list", "GET", path + "/shares")
    p.send("slot list of an unknown index", "GET", f"{PREFIX}mutable/{p.si('unknown')}/shares")
    p.send("slot read whole", "GET", path + "/0")
    p.send("slot read, Range", "GET", path + "/0", [("Range", "bytes=0-99")])
    p.send("slot read past the end", "GET", path + "/0", [("Range", "bytes=50-99")])
    p.send("slot read of an empty share", "GET", path + "/1", [("Range", "bytes=0-9")])
    p.send("slot read of an empty share whole", "GET", path + "/1")
    p.send("slot read of an unknown share", "GET", path + "/4", [("Range", "bytes=0-99")])
    p.send("slot read, open range", "GET", path + "/0", [("Range", "bytes=0-")])
    p.send("lease of a slot", "PUT", f"{PREFIX}lease/{p.si('m')}", LEASE, b"")
    p.cbor("slot corrupt", path + "/0/corrupt", {"reason": "bad"}, [])
    p.cbor("slot corrupt, unknown share", path + "/5/corrupt", {"reason": "bad"}, [])
    p.send("immutable list of a slot", "GET", f"{PREFIX}immutable/{p.si('m')}/shares")
    p.send("immutable read of a slot", "GET", f"{PREFIX}immutable/{p.si('m')}/0", [("Range", "bytes=0-3")])
    p.cbor("allocate on a slot", f"{PREFIX}immutable/{p.si('m')}", {"share-numbers": {7}, "allocated-size": 10}, UPLOAD)
    p.send("slot list of immutable shares", "GET", f"{PREFIX}mutable/{p.si('i')}/shares")
    p.send("slot read of an immutable share", "GET", f"{PREFIX}mutable/{p.si('i')}/0", [("Range", "bytes=0-3")])
    rtw("slot write on an immutable index", {0: vector([(0, b"z")])}, at=f"{PREFIX}mutable/{p.si('i')}")
    rtw("slot, delete with data", {0: vector([(0, b"zz")], new_length=0)}, [(0, 5)])
    rtw("slot, delete the other", {1: vector(new_length=0)})
    p.send("slot list after deletion", "GET", path + "/shares")
    rtw("slot, new enabler after deletion", {0: vector([(0, b"new")])}, [], secrets(R, C, enabler=b"q" * 32))
    rtw("slot, delete of what is not there", {3: vector(new_length=0)}, [], secrets(R, C, enabler=b"q" * 32))


def run(server, seed):
    """All steps against one server: [(label, Answer)]."""
    probe = Probe(server, seed)
    for part in (routing, secrets_of_requests, allocation, uploading, reading, corruption, mutables):
        part(probe)
    return probe.answers


def summary(label, answer):
    """What must be the same: the status, and of a success the type, the range and the content. The wording of errors is
    each server's own; but the client looks at the type of a failed download before its status."""
    if answer.status == 0:
        return "connection closed"
    is_read = label.startswith(("read", "slot read"))
    if label.startswith("version") and answer.status == 200 and answer.body:
        return "200 CBOR " + describe(shape(answer.cbor()))
    parts = [str(answer.status)]
    if answer.status < 300:
        content_type = answer.header("content-type")
        if content_type == CBOR:
            parts.append("CBOR")
            if answer.body:
                parts.append(describe(answer.cbor()))
        elif answer.body:
            parts += [content_type or "no type", repr(answer.body)]
        if answer.header("content-range"):
            parts.append(answer.header("content-range"))
    elif is_read:
        parts.append(answer.header("content-type") or "no type")
    if answer.status == 405:
        # A list without an order: Tahoe writes it in the order of a Python set, which changes from run to run.
        parts.append("Allow: " + (", ".join(sorted((answer.header("allow") or "none").split(", ")))))
    return " ".join(parts)


def shape(value):
    """A version with its figures left out: those are each server's own."""
    return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else type(value).__name__


def describe(value):
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(describe(v) for v in sorted(value)) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in sorted(value.items(), key=lambda kv: repr(kv[0]))) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(describe, value)) + "]"
    return repr(value)
