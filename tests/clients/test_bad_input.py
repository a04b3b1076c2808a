"""What strangers and broken clients send: a clear answer or a closed connection, bounded memory, and the service goes on."""

import contextlib
import os
import pathlib
import random
import socket
import ssl
import time
import sys

import pytest

import foolscap_peer
import gbs
import s4
from conftest import make_server
from foolscap_peer import CALL, OPEN, STRING, VOCAB, Identity, Peer, header, string, token
from gbs import PREFIX, Gbs, secrets

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import handmade

MIB = 1 << 20


class Target:
    """A server of this file's own, with one grid."""

    def __init__(self, server, grid):
        self.server, self.grid = server, grid
        self.gbs = Gbs.of(grid.nurls[0])
        self.introducer = foolscap_peer.Furl(grid.introducer_furl)
        self.address = (self.gbs.host, self.gbs.port)

    def rss(self):
        return self.server.status_kb("VmRSS") * 1024 if isinstance(self.server, s4.Server) else 0

    def assert_well(self):
        assert self.gbs.version().status == 200
        if isinstance(self.server, s4.Server):
            assert self.server.process.poll() is None, self.server.log()[-3000:]


@pytest.fixture(scope="module")
def battered(tmp_path_factory):
    server = make_server(tmp_path_factory.mktemp("battered") / "state").start()
    yield Target(server, server.create_subscription("battered@example.org"))
    server.close()


@pytest.fixture
def target(battered):
    """After each test the server still answers, and is the same process."""
    yield battered
    battered.assert_well()


def until_closed(sock, limit=1 << 16):
    """What the other side still says before it closes; fails if it does not close."""
    data = b""
    try:
        while (more := sock.recv(65536)) and len(data) < limit:
            data += more
    except (ConnectionError, ssl.SSLError):
        pass
    return data


def plain(target, data):
    with socket.create_connection(target.address, 40) as sock:
        sock.sendall(data)
        return until_closed(sock)


@pytest.mark.parametrize("seed", range(5))
def test_garbage_is_closed(target, seed):
    data = random.Random(seed).randbytes(2000)
    assert len(plain(target, data)) < 200


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 100,
                                  b"\x16\x03\x01\xff\xff" + b"\x01" * 70000])
def test_other_protocols_are_closed(target, data):
    assert b"200 OK" not in plain(target, data)


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


def test_half_a_tls_hello_holds_nobody_up(target):
    hello = client_hello()
    halves = [socket.create_connection(target.address) for _ in range(200)]
    for i, sock in enumerate(halves):
        with contextlib.suppress(ConnectionError):  # the oldest may have had to make room
            sock.sendall(hello[:1 + i % len(hello)])
    assert target.gbs.version().status == 200
    for sock in halves[-100:]:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):  # still open, and nothing was said
            sock.recv(1)
    for sock in halves:
        sock.close()


def test_one_byte_at_a_time_is_understood(target):
    with socket.create_connection((target.introducer.host, target.introducer.port), 20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in f"GET /id/{target.introducer.tub_id} HTTP/1.1\r\n\r\n".encode():
            sock.sendall(bytes([byte]))
        assert sock.recv(1000).startswith(b"HTTP/1.1 101 ")


def test_a_negotiation_header_of_5000_bytes_is_refused(target):
    answer = plain(target, b"GET /id/" + target.introducer.tub_id.encode() + b" HTTP/1.1\r\nX: " + b"x" * 5000)
    assert answer.startswith(b"HTTP/1.1 500 ") or answer == b""


def test_unknown_tubs_are_refused_by_name(target):
    for tub_id in (Identity().tub_id, Identity().tub_id[:-1], "a" * 32, "A" * 32, "../../etc/passwd", "%00", "x" * 3000):
        answer = plain(target, f"GET /id/{tub_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 500 "), answer
    assert f"unknown TubID {'a' * 32}".encode() in plain(target, f"GET /id/{'a' * 32} HTTP/1.1\r\n\r\n".encode())


@pytest.mark.parametrize("conversation", handmade.CONVERSATIONS, ids=lambda c: c.__name__)
def test_foolscap_by_hand_ends_as_with_tahoe(target, conversation):
    conversation(target.introducer)


# --- Banana without bounds

def nested_lists(depth):
    """The start of a call whose argument is lists within lists."""
    yield token(OPEN, 0) + token(VOCAB, CALL) + token(0x81, 1) + token(0x81, 0) + string(b"getReferenceByName")
    yield token(OPEN, 1) + token(VOCAB, 12) + token(0x81, 1)
    piece = b""
    for i in range(depth):
        piece += token(OPEN, i + 2) + token(VOCAB, 4)
        if len(piece) > 60000:
            yield piece
            piece = b""
    yield piece


def send_all_or_be_closed(peer, pieces):
    try:
        for piece in pieces:
            peer.send(piece)
        peer.sock.shutdown(socket.SHUT_WR)
        peer.read_until_closed()
    except (OSError, ssl.SSLError):
        pass


def test_a_million_nested_lists_cost_little(target):
    before = target.rss()
    with Peer(target.introducer.host, target.introducer.port) as peer:
        peer.negotiate(target.introducer, Identity.below(target.introducer.tub_id))
        send_all_or_be_closed(peer, nested_lists(1_000_000))
    assert target.rss() - before < 32 * MIB


@pytest.mark.parametrize("announced", [2**31, 2**40, 2**63, 2**440])
def test_a_string_said_to_be_huge_costs_little(target, announced):
    before = target.rss()
    with Peer(target.introducer.host, target.introducer.port) as peer:
        peer.negotiate(target.introducer, Identity.below(target.introducer.tub_id))
        start = token(OPEN, 0) + token(VOCAB, CALL) + token(0x81, 1) + token(0x81, 0)
        send_all_or_be_closed(peer, [start + header(announced) + bytes([STRING]), *[b"x" * 65536] * 1000])
    assert target.rss() - before < 96 * MIB


def test_a_call_with_a_million_small_arguments_costs_little(target):
    before = target.rss()
    with Peer(target.introducer.host, target.introducer.port) as peer:
        peer.negotiate(target.introducer, Identity.below(target.introducer.tub_id))
        start = token(OPEN, 0) + token(VOCAB, CALL) + token(0x81, 1) + token(0x81, 0) + string(b"getReferenceByName")
        start += token(OPEN, 1) + token(VOCAB, 12) + token(0x81, 2**30)
        send_all_or_be_closed(peer, [start, *[token(0x81, 1) * 30000] * 40])
    assert target.rss() - before < 96 * MIB


# --- HTTP without manners

def raw(target, data):
    """What the server says to raw bytes inside TLS, up to its closing of the connection."""
    with target.gbs.connect() as tls:
        try:
            tls.sendall(data)
            tls.settimeout(20)
            return until_closed(tls)
        except (ConnectionError, ssl.SSLError):
            return b""


def auth(target):
    return (": ".join(target.gbs.authorization()) + "\r\n").encode()


@pytest.mark.parametrize("name,head", [
    ("no version", b"GET /storage/v1/version\r\n\r\n"),
    ("no method", b" /storage/v1/version HTTP/1.1\r\n\r\n"),
    ("version 9", b"GET /storage/v1/version HTTP/9.9\r\n\r\n"),
    ("bare line", b"hello\r\n\r\n"),
    ("binary", bytes(range(128, 256)) * 4 + b"\r\n\r\n"),
    ("header without colon", b"GET /storage/v1/version HTTP/1.1\r\nnonsense\r\n\r\n"),
    ("header with NUL", b"GET /storage/v1/version HTTP/1.1\r\nX: a\0b\r\n\r\n"),
    ("space before colon", b"GET /storage/v1/version HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("length negative", b"POST /storage/v1/version HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
    ("length not a number", b"POST /storage/v1/version HTTP/1.1\r\nContent-Length: ten\r\n\r\n"),
    ("two lengths", b"POST /storage/v1/version HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    ("length and chunks", b"POST /storage/v1/version HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bad chunk", b"POST /storage/v1/version HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ("long path", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"),
    ("long header", b"GET /storage/v1/version HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"),
    ("many headers", b"GET /storage/v1/version HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
])
@pytest.mark.s4_only
def test_broken_http_is_refused_with_a_4xx_or_closed(target, name, head):
    answer = raw(target, head)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), (name, answer[:200])


def test_a_chunked_body_in_single_bytes_is_read_as_a_whole_one(target):
    head = target.gbs.bytes_of("POST", f"{PREFIX}immutable/{gbs.storage_index('chunked')}",
                               [*secrets(b"r" * 32, b"c" * 32, b"u" * 20), ("Content-Type", "application/cbor"),
                                ("Transfer-Encoding", "chunked")])
    with target.gbs.connect() as tls:
        tls.sendall(head)
        for byte in b"0\r\n\r\n":
            time.sleep(0.02)  # else several travel as one
            tls.sendall(bytes([byte]))
        assert until_closed(tls).startswith(b"HTTP/1.1 4")
    assert target.gbs.request("GET", f"{PREFIX}version").status == 200


@pytest.mark.s4_only
def test_a_body_far_too_large_is_refused_before_it_is_sent(target):
    path = f"{PREFIX}immutable/{gbs.storage_index('large')}"
    lines = "".join(f"{n}: {v}\r\n" for n, v in secrets(b"r" * 32, b"c" * 32, b"u" * 20)).encode()
    head = (f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + auth(target) + lines + b"Content-Type: application/cbor\r\n"
            b"Content-Length: 9223372036854775807\r\n\r\n")
    answer = raw(target, head)
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]


def test_a_request_broken_off_in_its_body_stores_nothing(target):
    si = gbs.storage_index("broken off")
    assert target.gbs.allocate(si, {0}, 1000).cbor()["allocated"] == {0}
    head = target.gbs.bytes_of("PATCH", f"{PREFIX}immutable/{si}/0",
                               [*secrets(upload=b"u" * 20), ("Content-Range", "bytes 0-999/*"), ("Content-Length", "1000")])
    with target.gbs.connect() as tls:
        tls.sendall(head + b"x" * 500)
    assert target.gbs.list(si).cbor() == set()
    answer = target.gbs.write(si, 0, 0, b"y" * 1000)
    assert answer.status in (201, 409)
    if answer.status == 201:
        assert target.gbs.read(si, 0).body == b"y" * 1000


def test_deeply_nested_cbor_costs_little(target):
    before = target.rss()
    path = f"{PREFIX}mutable/{gbs.storage_index('nested')}/read-test-write"
    named = [*secrets(b"r" * 32, b"c" * 32, enabler=b"w" * 32), ("Content-Type", gbs.CBOR)]
    for body in (b"\x81" * 1_000_000, b"\xa1\x00" * 500_000, b"\xd9\x01\x02" * 300_000, b"\x9b" + b"\xff" * 8,
                 b"\xbb" + b"\xff" * 8, b"\x5b" + b"\x7f" * 8 + b"x" * 100, b"\xc2" * 100_000):
        answer = target.gbs.request("POST", path, named, body)
        assert answer.status in (400, 413), (body[:10], answer)
    assert target.rss() - before < 64 * MIB


def test_share_bytes_are_never_mixed_by_bad_writes(target):
    si = gbs.storage_index("mixed")
    assert target.gbs.allocate(si, {0}, 20).cbor()["allocated"] == {0}
    assert target.gbs.write(si, 0, 0, b"0123456789").status == 200
    assert target.gbs.write(si, 0, 5, b"56789XXXXX"[:5] + b"abcde").status == 200
    assert target.gbs.write(si, 0, 8, b"??????").status == 409
    assert target.gbs.write(si, 0, 15, b"too long here").status >= 400
    assert target.gbs.write(si, 0, 0, b"evil", upload=b"x" * 20).status == 401
    assert target.gbs.write(si, 0, 15, b"fghij").status == 201
    assert target.gbs.read(si, 0).body == b"0123456789abcdefghij"


def test_slow_readers_do_not_fill_the_memory(target):
    si, size = gbs.storage_index("slow"), 16 * MIB
    assert target.gbs.allocate(si, {0}, size).cbor()["allocated"] == {0}
    for offset in range(0, size, MIB):
        target.gbs.write(si, 0, offset, os.urandom(MIB))
    before = target.rss()
    readers = []
    for _ in range(24):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(target.address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        tls = context.wrap_socket(sock)
        tls.sendall(target.gbs.bytes_of("GET", f"{PREFIX}immutable/{si}/0"))
        assert tls.recv(100).startswith(b"HTTP/1.1 200")
        readers.append(tls)
    assert target.gbs.version().status == 200
    assert target.rss() - before < 24 * 2 * MIB
    for tls in readers:
        tls.close()


def test_many_connections_of_one_grid_leave_the_others_alone(target):
    other = Gbs.of(target.server.create_subscription("other@example.org").nurls[0])
    held = []
    try:
        for _ in range(400):
            held.append(target.gbs.connect())
    except OSError:
        pass
    try:
        assert other.version().status == 200
    finally:
        for tls in held:
            tls.close()
