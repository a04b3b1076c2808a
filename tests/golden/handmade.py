"""What no real client says on purpose: Foolscap conversations written by hand, against the real introducer.

Each function plays one file's worth of connections with the listener at `furl`, waiting for the listener's last word on
each before the next begins.
"""

import contextlib

from foolscap_peer import (ABORT, CALL, ERROR, INT, LONGINT, NEG, OPEN, PING, STRING, VOCAB, Identity, Peer, Sequences,
                           decision, hello, string, token)


def ping_pong(peer, number=7):
    """Returns when the peer has answered everything that was sent before; false if it closed instead."""
    try:
        peer.send(token(PING, number))
    except OSError:
        return False
    while True:
        kind, value, _ = peer.read_token()
        if kind is None:
            return False
        if kind == 0x8F and value == number:
            return True


def duplicates_master(furl):
    """The listener is master: each row of the table of duplicate connections, from one tub whose live connection stays
    open in between."""
    me = Identity.below(furl.tub_id)
    live = []

    def offer(incarnation, last, **changes):
        peer = Peer(furl.host, furl.port)
        _, answer = peer.negotiate(furl, me, offer=hello(me, incarnation, last, **changes))
        if "error" in answer:
            peer.read_until_closed()
            peer.close()
            return answer
        assert ping_pong(peer)
        while live:
            old = live.pop()
            old.read_until_closed()
            old.close()
        live.append(peer)
        return answer["current-connection"]

    one, two = "1111111111111111", "2222222222222222"
    master, seqnum = offer(one, "none 0").split()
    assert seqnum == "1"
    offer(one, "none 0")
    assert offer(one, f"{master} 1") == f"{master} 2"
    offer(one, f"{master} 1")
    offer(one, f"{master} 7")
    assert offer(one, "3333333333333333 2") == f"{master} 3"
    offer(one, None)
    offer(None, "none 0")
    assert offer(two, "none 0") == f"{master} 4"
    offer(two, f"{master} 3")
    assert offer(two, f"{master} 4") == f"{master} 5"
    live.pop().close()


def duplicates_slave(furl):
    """The listener is slave: a second connection of the same tub is taken without a look at it, and the first one goes."""
    me = Identity.above(furl.tub_id)
    old = None
    for seqnum, last in ((1, "none 0"), (2, "none 0"), (1, "4444444444444444 1")):
        peer = Peer(furl.host, furl.port)
        peer.negotiate(furl, me, last=last)
        peer.send_block(decision(seqnum=seqnum))
        assert ping_pong(peer)
        if old:
            old.read_until_closed()
            old.close()
        old = peer
    old.close()


def refusals_plain(furl):
    """Before TLS: unknown tub, no tub, wrong path, wrong method, no HTTP, header too long, a connection without Upgrade."""
    def say(data):
        with Peer(furl.host, furl.port) as peer:
            peer.send(data)
            peer.read_until_closed()

    other = Identity().tub_id
    end = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"
    for target in (f"/id/{other}", "/id/", f"/id/{furl.tub_id}x", f"/ID/{furl.tub_id}", "/"):
        say(b"GET " + target.encode() + end)
    say(b"POST /id/" + furl.tub_id.encode() + end)
    say(b"GET /id/" + furl.tub_id.encode() + b"\r\n\r\n")
    say(b"GET /id/" + furl.tub_id.encode() + b" HTTP/1.1\r\n" + b"X: " + b"x" * 5000)
    with Peer(furl.host, furl.port) as peer:
        peer.send(b"GET /id/" + furl.tub_id.encode() + b" HTTP/1.1\r\n\r\n")
        assert b"101" in peer.read_block_bytes()


def refusals_hello(furl):
    """Inside TLS, before Banana: no certificate, another's tub id, no or foreign versions, an error, hellos too long."""
    low, high = Identity.below(furl.tub_id), Identity.above(furl.tub_id)
    master_offers = [
        hello(low, my_tub_id=high.tub_id), hello(low, my_tub_id=None), hello(low, banana_negotiation_range=None),
        hello(low, banana_negotiation_range="1 2"), hello(low, banana_negotiation_range="4 9"),
        hello(low, banana_negotiation_range="x y"), hello(low, initial_vocab_table_range="5 9"),
        hello(low, error="I do not want you"), hello(low, negotiation_forced="true"), hello(low, unknown="x" * 5000)]
    for offer in master_offers:
        with Peer(furl.host, furl.port) as peer:
            peer.negotiate(furl, low, offer=offer)
            peer.read_until_closed()
    for offer in (hello(low, initial_vocab_table_range="0 0"), hello(low, initial_vocab_table_range=None),
                  hello(low, banana_negotiation_range="1 9", unknown="ignored")):
        with Peer(furl.host, furl.port) as peer:
            peer.negotiate(furl, low, offer=offer)
            assert ping_pong(peer)
    with Peer(furl.host, furl.port) as peer:
        peer.hello_plain(furl.tub_id)
        peer.start_tls()
        peer.send_block(hello(low))
        ping_pong(peer)
    for wrong in (decision(version="9"), decision(vocab="9 bb33"), decision(vocab="1 0000"), decision(vocab="nonsense"),
                  {"banana-decision-version": "3"}, {"error": "I do not want you"}):
        with Peer(furl.host, furl.port) as peer:
            peer.negotiate(furl, high)
            peer.send_block(wrong)
            ping_pong(peer)


@contextlib.contextmanager
def banana(furl):
    with Peer(furl.host, furl.port) as peer:
        peer.negotiate(furl, Identity.below(furl.tub_id))
        yield peer


def reach(peer, furl, sequences):
    peer.send(sequences.call(1, 0, b"getReferenceByName", name=string(furl.name.encode())))
    return peer.read_message()


def banana_errors(furl):
    """Tokens that end the connection: one connection each."""
    opened = token(OPEN, 0)
    for data in (token(INT, 5), token(STRING, body=b"hello"), opened + opened, b"\x01" * 65 + bytes([INT]), b"\x01\x80",
                 b"\x90", token(ERROR, body=b"good bye"), opened + token(VOCAB, CALL) + token(0x89, 3),
                 opened + token(VOCAB, 99), b"\xff\xff\xff\xff"):
        with banana(furl) as peer:
            peer.send(data)
            peer.read_until_closed()


def banana_calls(furl):
    """Calls that fail without harm to the connection: one connection, every answer awaited, and a good call at the end."""
    with banana(furl) as peer:
        s = Sequences()
        reach(peer, furl, s)

        def ask(*args, **kwargs):
            peer.send(s.call(*args, **kwargs))
            return peer.read_message()

        def send(data):
            peer.send(data)
            assert ping_pong(peer)

        ask(2, 0, b"getReferenceByName", name=string(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
        ask(3, 0, b"getReferenceByName", string(furl.name.encode()))
        ask(4, 99, b"get_version")
        ask(5, 1, b"no_such_method")
        ask(6, 1, b"get_version", token(INT, 1))
        ask(7, 1, b"get_version", surplus=token(INT, 1))
        ask(8, 1, b"subscribe_v2", token(INT, 1))
        ask(9, 1, b"publish_v2", lambda: s.sequence(5, string(b"{}"), string(b"v0-a"), string(b"v0-b")),
            lambda: s.sequence(15, token(INT, 1), string(b"")))
        ask(10, 1, b"publish_v2", lambda: s.sequence(5, string(b"{}"), lambda: s.sequence(0), lambda: s.sequence(0)),
            lambda: s.sequence(15, token(INT, 1)))
        ask(11, 0, b"decref", clid=token(INT, 1), count=token(INT, 1))
        ask(12, 0, b"decref", clid=token(INT, 77), count=token(INT, 1))
        ask(13, 1, b"get_version")
        send(s.call(0, 1, b"get_version"))
        send(s.sequence(b"no-such-opentype", token(INT, 1), lambda: s.sequence(4, token(INT, 2))))
        send(s.sequence(13, token(INT, 99), token(INT, 1)))
        n = s.count
        s.count += 1
        send(token(OPEN, n) + token(VOCAB, CALL) + token(INT, 14) + token(INT, 1) + token(ABORT, n) + token(0x89, n))
        send(token(PING, 7) + token(PING, 0) + token(PING, 2**31 - 1))
        ask(15, 1, b"get_version", *[token(LONGINT, body=b"\x01\x00\x00\x00\x00"), token(NEG, 5)])
        ask(16, 0, b"getReferenceByName", name=string(furl.name.encode()))
        ask(17, 2, b"get_version")


CONVERSATIONS = [duplicates_master, duplicates_slave, refusals_plain, refusals_hello, banana_errors, banana_calls]
