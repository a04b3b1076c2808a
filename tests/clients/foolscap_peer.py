"""A Foolscap peer played by hand: the negotiation's blocks and Banana's tokens are written as a test wants them.

It opens a connection, shows a certificate of its own, and then sends and reads exactly what it is told. It is no Foolscap
implementation: for whole calls the tests use the real one.
"""

import base64
import datetime
import hashlib
import socket
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

OPEN, CLOSE, INT, STRING, NEG, FLOAT, LONGINT, LONGNEG, VOCAB = 0x88, 0x89, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
ABORT, ERROR, PING, PONG = 0x8A, 0x8D, 0x8E, 0x8F
CALL, ARGUMENTS = 11, 12
TIMEOUT_S = 20


class Identity:
    """A tub's certificate and key, and the tub id that follows from them."""

    def __init__(self):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                       .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
                       .not_valid_after(now + datetime.timedelta(days=365)).sign(key, hashes.SHA256()))
        self.tub_id = base64.b32encode(hashlib.sha1(certificate.public_bytes(Encoding.DER)).digest()).decode().lower()
        self.pem = certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8,
                                                                              NoEncryption())

    @classmethod
    def below(cls, tub_id):
        """An identity whose tub id is lower than the given one, so that the other side decides."""
        while (made := cls()).tub_id > tub_id:
            pass
        return made

    @classmethod
    def above(cls, tub_id):
        while (made := cls()).tub_id < tub_id:
            pass
        return made


class Furl:
    def __init__(self, text):
        head, self.name = text[5:].rsplit("/", 1)
        self.tub_id, hints = head.split("@")
        _, self.host, port = hints.split(",")[0].split(":")
        self.port = int(port)


class Peer:
    """One connection. Blocks are dicts or raw bytes; read_block() gives a dict, read_tokens() a list of token tuples."""

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), TIMEOUT_S)
        self.data = b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        """Reads what comes next; false at the end of the connection."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        self.data += data
        return bool(data)

    def read_until_closed(self):
        while self.more():
            pass
        return self.data

    # --- negotiation

    def hello_plain(self, tub_id):
        self.send(f"GET /id/{tub_id} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n".encode())
        return self.read_block_bytes()

    def start_tls(self, identity=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if identity:
            with tempfile.NamedTemporaryFile(suffix=".pem") as file:
                file.write(identity.pem)
                file.flush()
                context.load_cert_chain(file.name)
        self.sock = context.wrap_socket(self.sock)

    def send_block(self, block):
        self.send(b"".join(f"{k}: {v}\r\n".encode() for k, v in block.items()) + b"\r\n")

    def read_block_bytes(self):
        """The next block up to its empty line, or all that came before the connection's end."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                out, self.data = self.data, b""
                return out
        out, _, self.data = self.data.partition(b"\r\n\r\n")
        return out

    def read_block(self):
        lines = self.read_block_bytes().decode().split("\r\n")
        return {k: v.strip() for k, _, v in (l.partition(":") for l in lines) if k}

    def negotiate(self, furl, identity, offer=None, incarnation="0123456789abcdef", last="none 0"):
        """Everything up to and with the decision. Returns (peer's hello, decision), the latter {} when we are master."""
        assert b"101" in self.hello_plain(furl.tub_id)
        self.start_tls(identity)
        offer = hello(identity, incarnation, last) if offer is None else offer
        self.send_block(offer)
        theirs = self.read_block()
        if identity.tub_id < furl.tub_id:
            return theirs, self.read_block()
        return theirs, {}

    # --- Banana

    def read_token(self):
        """(type byte, number, body); (None, 0, b"") at the connection's end."""
        while True:
            end = next((i for i, b in enumerate(self.data) if b >= 0x80), None)
            if end is not None:
                kind, number = self.data[end], sum(b << 7 * i for i, b in enumerate(self.data[:end]))
                length = number if kind in (STRING, LONGINT, LONGNEG, ERROR) else 8 if kind == FLOAT else 0
                if len(self.data) >= end + 1 + length:
                    body = self.data[end + 1:end + 1 + length]
                    self.data = self.data[end + 1 + length:]
                    return kind, number, body
            if not self.more():
                return None, 0, b""

    def read_message(self):
        """The tokens of the next top-level sequence, or a single token that stands alone."""
        tokens, depth = [], 0
        while True:
            token = self.read_token()
            tokens.append(token)
            depth += {OPEN: 1, CLOSE: -1}.get(token[0], 0)
            if depth == 0 or token[0] is None:
                return tokens


def hello(identity, incarnation="0123456789abcdef", last="none 0", **changes):
    """The block that a connector sends inside TLS; a change of None leaves a line out."""
    block = {"banana-negotiation-range": "3 3", "initial-vocab-table-range": "0 1", "last-connection": last,
             "my-incarnation": incarnation, "my-tub-id": identity.tub_id}
    block.update({k.replace("_", "-"): v for k, v in changes.items()})
    return {k: v for k, v in block.items() if v is not None}


def decision(incarnation="0123456789abcdef", seqnum=1, version="3", vocab="1 bb33"):
    return {"banana-decision-version": version, "current-connection": f"{incarnation} {seqnum}",
            "initial-vocab-table-index": vocab}


def header(number):
    out = bytearray([number & 0x7F])
    while number := number >> 7:
        out.append(number & 0x7F)
    return bytes(out)


def token(kind, number=0, body=b""):
    if kind in (STRING, LONGINT, LONGNEG, ERROR):
        number = len(body)
    bare = kind == FLOAT or (kind in (PING, PONG) and number == 0)
    return (b"" if bare else header(number)) + bytes([kind]) + body


def string(data):
    return token(STRING, body=data)


class Sequences:
    """Writes sequences with running OPEN counts, as a sender does."""

    def __init__(self):
        self.count = 0

    def sequence(self, opentype, *children):
        """OPEN, the opentype (a vocab index or a name), the children, CLOSE. Children are bytes or functions giving them."""
        n = self.count
        self.count += 1
        kind = token(VOCAB, opentype) if isinstance(opentype, int) else string(opentype)
        body = b"".join(c() if callable(c) else c for c in children)
        return token(OPEN, n) + kind + body + token(CLOSE, n)

    def call(self, request, clid, method, /, *positional, **named):
        arguments = [token(INT, len(positional)), *positional]
        for name in sorted(named):
            arguments += [string(name.encode()), named[name]]
        return self.sequence(CALL, token(INT, request), token(INT, clid), string(method),
                             lambda: self.sequence(ARGUMENTS, *arguments))
