"""The HTTPS storage protocol (GBS) spoken by hand: one request, one TLS connection, exactly the bytes that a test wants.

It checks nothing and adds only what it is told to, so that it can also say what no real client would.
"""

import base64
import dataclasses
import hashlib
import re
import socket
import ssl

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PREFIX = "/storage/v1/"
CBOR = "application/cbor"


@dataclasses.dataclass
class Nurl:
    """pb://SPKI-HASH@HOST:PORT/SWISSNUM#v=1"""
    spki: str
    host: str
    port: int
    swissnum: str

    @classmethod
    def parse(cls, text):
        match = re.fullmatch(r"pb://([A-Za-z0-9_-]{43})@([^:/]+):(\d+)/([a-z2-7]+)#v=1", text)
        assert match, f"not a NURL: {text}"
        return cls(match[1], match[2], int(match[3]), match[4])


@dataclasses.dataclass
class Answer:
    status: int
    headers: list  # of (lower-case name, value)
    body: bytes
    raw: bytes

    def header(self, name):
        return next((v for n, v in self.headers if n == name), None)

    def cbor(self):
        return cbor2.loads(self.body)


def tls_connect(host, port, timeout=20):
    """A TLS connection that trusts anyone; peer_spki() says whom it reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((host, port), timeout))


def peer_spki(tls):
    """The key hash of a NURL, of the certificate that the other side showed."""
    certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True))
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def read_answer(sock, head_only=False):
    """One HTTP response from a socket: until it is complete, or the other side closes."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise EOFError(f"closed after {data!r}")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = [(n.strip().lower(), v.strip()) for n, _, v in (l.partition(":") for l in lines[1:])]
    fields = dict(headers)
    status = int(lines[0].split(" ")[1])

    def need(count):
        nonlocal rest
        while len(rest) < count:
            more = sock.recv(1 << 18)
            if not more:
                raise EOFError(f"closed within a body after {head!r}")
            rest += more

    def line():
        nonlocal rest
        while b"\r\n" not in rest:
            need(len(rest) + 1)
        out, _, rest = rest.partition(b"\r\n")
        return out

    body = b""
    if head_only or status in (204, 304):
        pass
    elif fields.get("transfer-encoding", "").lower() == "chunked":
        while size := int(line(), 16):
            need(size + 2)
            body += rest[:size]
            rest = rest[size + 2:]
        line()
    elif "content-length" in fields:
        need(int(fields["content-length"]))
        body = rest[:int(fields["content-length"])]
    else:
        while more := sock.recv(65536):
            rest += more
        body = rest
    return Answer(status, headers, body, data)


def secret_header(name, value):
    return ("X-Tahoe-Authorization", f"{name} {base64.b64encode(value).decode()}")


def secrets(renew=None, cancel=None, upload=None, enabler=None):
    named = {"lease-renew-secret": renew, "lease-cancel-secret": cancel, "upload-secret": upload,
             "write-enabler": enabler}
    return [secret_header(n, v) for n, v in named.items() if v is not None]


class Gbs:
    """Requests to one server. `swissnum` may be a wrong one; None leaves the Authorization header out."""

    def __init__(self, host, port, swissnum, spki=None):
        self.host, self.port, self.swissnum, self.spki = host, port, swissnum, spki

    @classmethod
    def of(cls, nurl):
        n = Nurl.parse(nurl)
        return cls(n.host, n.port, n.swissnum, n.spki)

    def as_stranger(self, swissnum):
        return Gbs(self.host, self.port, swissnum, self.spki)

    def authorization(self):
        return ("Authorization", "Tahoe-LAFS " + base64.b64encode(self.swissnum.encode()).decode())

    def connect(self):
        tls = tls_connect(self.host, self.port)
        if self.spki:
            assert peer_spki(tls) == self.spki, "the server's key is not the one that the NURL pins"
        return tls

    def bytes_of(self, method, path, headers=(), body=None, accept=CBOR, authorization=True, close=True):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        if authorization is True and self.swissnum is not None:
            lines.append(": ".join(self.authorization()))
        elif isinstance(authorization, str):
            lines.append("Authorization: " + authorization)
        if accept:
            lines.append("Accept: " + accept)
        lines += [f"{n}: {v}" for n, v in headers]
        if body is not None and not any(n.lower() in ("content-length", "transfer-encoding") for n, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        if close:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")

    def request(self, method, path, headers=(), body=None, **kwargs):
        with self.connect() as tls:
            tls.sendall(self.bytes_of(method, path, headers, body, **kwargs))
            return read_answer(tls, head_only=method == "HEAD")

    # --- the calls of the protocol

    def post_cbor(self, path, value, headers=(), **kwargs):
        return self.request("POST", path, [*headers, ("Content-Type", CBOR)], cbor2.dumps(value), **kwargs)

    def version(self):
        return self.request("GET", PREFIX + "version")

    def allocate(self, si, shares, size, renew=b"r" * 32, cancel=b"c" * 32, upload=b"u" * 20):
        return self.post_cbor(f"{PREFIX}immutable/{si}", {"share-numbers": set(shares), "allocated-size": size},
                              secrets(renew, cancel, upload))

    def write(self, si, share, offset, data, upload=b"u" * 20):
        return self.request("PATCH", f"{PREFIX}immutable/{si}/{share}",
                            [*secrets(upload=upload), ("Content-Range", f"bytes {offset}-{offset + len(data) - 1}/*")],
                            data)

    def abort(self, si, share, upload=b"u" * 20):
        return self.request("PUT", f"{PREFIX}immutable/{si}/{share}/abort", secrets(upload=upload), b"")

    def list(self, si, kind="immutable"):
        return self.request("GET", f"{PREFIX}{kind}/{si}/shares")

    def read(self, si, share, first=None, last=None, kind="immutable"):
        headers = [] if first is None else [("Range", f"bytes={first}-{last}")]
        return self.request("GET", f"{PREFIX}{kind}/{si}/{share}", headers)

    def add_lease(self, si, renew=b"r" * 32, cancel=b"c" * 32):
        return self.request("PUT", f"{PREFIX}lease/{si}", secrets(renew, cancel), b"")

    def read_test_write(self, si, vectors, read=(), enabler=b"w" * 32, renew=b"r" * 32, cancel=b"c" * 32):
        return self.post_cbor(f"{PREFIX}mutable/{si}/read-test-write",
                              {"test-write-vectors": vectors, "read-vector": list(read)},
                              secrets(renew, cancel, enabler=enabler))


def vector(write=(), test=(), new_length=None):
    """One entry of test-write-vectors; write: [(offset, data)], test: [(offset, size, specimen)]."""
    return {"test": [{"offset": o, "size": s, "specimen": b} for o, s, b in test],
            "write": [{"offset": o, "data": d} for o, d in write], "new-length": new_length}


def storage_index(seed):
    """26 characters of base32, different for each seed (text or number)."""
    digest = hashlib.sha256(str(seed).encode()).digest()[:16]
    return base64.b32encode(digest).decode().lower().rstrip("=")
