"""Whole calls on remote objects over a Foolscap connection, on top of the hand-played peer of tests/clients."""

import dataclasses

from foolscap_peer import CLOSE, FLOAT, INT, LONGINT, LONGNEG, NEG, OPEN, STRING, Furl, Identity, Peer, hello


@dataclasses.dataclass(frozen=True)
class Remote:
    """An object of the server's."""
    clid: int


@dataclasses.dataclass(frozen=True)
class Ours:
    """An object of ours: a canary, on which nobody calls anything."""
    clid: int


class Refused(Exception):
    """An answer that is a failure; its text is the exception's class and value."""


def header(number):
    out = bytearray()
    while True:
        out.append(number & 0x7F)
        number >>= 7
        if number == 0:
            return bytes(out)


def token(kind, number, body=b""):
    return header(number) + bytes([kind]) + body


def sequence(name, *parts):
    return bytes([OPEN]) + encode(name) + b"".join(parts) + bytes([CLOSE])


def encode(value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return token(STRING, len(value), value)
    if value is None:
        return sequence("none")
    if isinstance(value, bool):
        return sequence("boolean", token(INT, int(value)))
    if isinstance(value, int) and value < 1 << 31:
        return token(INT, value)
    if isinstance(value, int):
        body = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return token(LONGINT, len(body), body)
    if isinstance(value, dict):
        return sequence("dict", *(encode(part) for item in value.items() for part in item))
    if isinstance(value, Ours):
        return sequence("my-reference", encode(value.clid), encode(""))
    return sequence({list: "list", tuple: "tuple", set: "set"}[type(value)], *map(encode, value))


class Connection:
    """A connection to one grid's storage server, with calls that are answered in turn or sent ahead."""

    def __init__(self, furl):
        furl = Furl(furl)
        identity = Identity.below(furl.tub_id)
        self.peer = Peer(furl.host, furl.port)
        try:
            self.peer.negotiate(furl, identity, hello(identity, initial_vocab_table_range="0 0"))
        except AssertionError as e:  # the server died before it had answered
            raise EOFError("no negotiation") from e
        self.requests = 0
        self.canaries = 0
        self.server = self.call(Remote(0), "getReferenceByName", furl.name.encode())

    def close(self):
        self.peer.close()

    def canary(self):
        self.canaries += 1
        return Ours(self.canaries)

    def send(self, target, method, *arguments):
        """Sends a call; returns its number for answer()."""
        self.requests += 1
        self.peer.send(sequence("call", encode(self.requests), encode(target.clid), encode(method),
                                sequence("arguments", encode(len(arguments)), *map(encode, arguments))))
        return self.requests

    def answer(self, request):
        """The value that the next answer brings, which must be to `request`."""
        while True:
            name, parts = self.read()
            if name == b"answer" and parts[0] == request:
                return parts[1]
            if name == b"error" and parts[0] == request:
                raise Refused(str(parts[1])[:300])
            if name != b"call":  # the server gives back what it no longer needs
                raise EOFError(f"unexpected {name!r} {parts!r:.200}")

    def call(self, target, method, *arguments):
        return self.answer(self.send(target, method, *arguments))

    def read(self):
        """The next sequence: (opentype, its parts)."""
        kind, _, _ = self.peer.read_token()
        if kind is None:
            raise EOFError("the connection ended")
        if kind != OPEN:
            raise EOFError(f"unexpected token {kind:#x}")
        return self.read_open()

    def read_open(self):
        name = self.read_value()
        parts = []
        while (part := self.read_value()) is not CLOSE_MARK:
            parts.append(part)
        return name, parts

    def read_value(self):
        kind, number, body = self.peer.read_token()
        if kind is None:
            raise EOFError("the connection ended")
        if kind == CLOSE:
            return CLOSE_MARK
        if kind == STRING:
            return bytes(body)
        if kind in (INT, NEG):
            return number if kind == INT else -number
        if kind in (LONGINT, LONGNEG):
            value = int.from_bytes(body, "big")
            return value if kind == LONGINT else -value
        if kind == OPEN:
            return value_of(*self.read_open())
        assert kind != FLOAT
        raise EOFError(f"unexpected token {kind:#x}")


CLOSE_MARK = object()


def value_of(name, parts):
    if name == b"none":
        return None
    if name == b"boolean":
        return bool(parts[0])
    if name == b"dict":
        return dict(zip(parts[::2], parts[1::2]))
    if name == b"my-reference":
        return Remote(parts[0])
    if name in (b"set", b"immutable-set"):
        return set(parts)
    if name == b"tuple":
        return tuple(parts)
    return parts
