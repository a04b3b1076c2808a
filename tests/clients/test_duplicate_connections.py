"""The table of duplicate connections, row by row, by blocks written by hand: what becomes of a second connection of a tub
that has one already, when the server is the master and when it is the slave."""

import foolscap_peer
import pytest
from foolscap_peer import PING, PONG, Identity, Peer, decision, hello, token

OURS = "0123456789abcdef"
OTHER = "fedcba9876543210"


def is_alive(peer):
    peer.send(token(PING, 7))
    return peer.read_token()[:2] == (PONG, 7)


def is_closed(peer):
    """Waits for the end of the connection; whatever the other side still says is read."""
    peer.read_until_closed()
    return True


@pytest.fixture(scope="module")
def furls(server):
    grid = server.create_subscription("duplicates@example.org")
    return {"storage": foolscap_peer.Furl(grid.storage_furl), "introducer": foolscap_peer.Furl(grid.introducer_furl)}


@pytest.fixture(params=["storage", "introducer"])
def furl(request, furls):
    return furls[request.param]


def current(block):
    incarnation, seqnum = block["current-connection"].split()
    return incarnation, int(seqnum)


# Row by row: the second offer, given the master's incarnation and the first connection's number; and the verdict.
MASTER = {
    "an offer without incarnation": (lambda m, n: dict(incarnation=None, last=f"{m} {n}"), False),
    "an offer without last-connection": (lambda m, n: dict(incarnation=OURS, last=None), False),
    "another incarnation: the peer was restarted": (lambda m, n: dict(incarnation=OTHER, last="none 0"), True),
    "another incarnation that knows this connection": (lambda m, n: dict(incarnation=OTHER, last=f"{m} {n}"), True),
    "the peer knows of no connection: parallel hints": (lambda m, n: dict(incarnation=OURS, last="none 0"), False),
    "the peer knows one of a former master": (lambda m, n: dict(incarnation=OURS, last=f"{OTHER} {n}"), True),
    "the peer knows that this one is dead": (lambda m, n: dict(incarnation=OURS, last=f"{m} {n}"), True),
    "the peer knows an older one": (lambda m, n: dict(incarnation=OURS, last=f"{m} {n - 1}"), False),
    "the peer knows a newer one": (lambda m, n: dict(incarnation=OURS, last=f"{m} {n + 1}"), False),
}


@pytest.mark.parametrize("row", MASTER)
def test_the_master_judges_a_second_offer_by_the_table(furl, row):
    make_offer, accepted = MASTER[row]
    identity = Identity.below(furl.tub_id)
    with Peer(furl.host, furl.port) as first, Peer(furl.host, furl.port) as second:
        theirs, decided = first.negotiate(furl, identity)
        master, seqnum = current(decided)
        assert master == theirs["my-incarnation"] and seqnum == 1
        assert "last-connection" not in theirs
        assert is_alive(first)
        changes = make_offer(master, seqnum)
        offer = hello(identity, last=changes["last"], my_incarnation=changes["incarnation"])
        _, verdict = second.negotiate(furl, identity, offer)
        if accepted:
            assert current(verdict) == (master, seqnum + 1)
            assert is_closed(first)
            assert is_alive(second)
        else:
            assert verdict == {"banana-decision-version": "1", "error": "Duplicate connection"}
            assert is_closed(second)
            assert is_alive(first)


def test_the_masters_numbers_rise_from_connection_to_connection(furl):
    identity = Identity.below(furl.tub_id)
    last = "none 0"
    for number in range(1, 5):
        with Peer(furl.host, furl.port) as peer:
            theirs, decided = peer.negotiate(furl, identity, last=last)
            assert current(decided) == (theirs["my-incarnation"], number)
            last = decided["current-connection"]
            assert is_alive(peer)


SLAVE = {
    "the peer knows of no connection": dict(last="none 0"),
    "the peer sends no last-connection": dict(last=None),
    "the peer names a connection that never was": dict(last=f"{OTHER} 77"),
    "another incarnation": dict(last="none 0", my_incarnation=OTHER),
}


@pytest.mark.parametrize("row", SLAVE)
@pytest.mark.parametrize("mark", [(OURS, 2), (OURS, 1), (OTHER, 1)], ids=["next", "same", "restarted"])
def test_the_slave_judges_no_offer_and_follows_the_masters_decision(furl, row, mark):
    identity = Identity.above(furl.tub_id)
    with Peer(furl.host, furl.port) as first, Peer(furl.host, furl.port) as second:
        first.negotiate(furl, identity)
        first.send_block(decision(OURS, 1))
        assert is_alive(first)
        theirs, _ = second.negotiate(furl, identity, hello(identity, **SLAVE[row]))
        assert "error" not in theirs
        # The offer alone changes nothing; the decision does.
        assert is_alive(first)
        second.send_block(decision(*mark))
        assert is_alive(second)
        assert is_closed(first)


def test_the_slave_keeps_its_connection_when_the_master_sends_an_error(furl):
    identity = Identity.above(furl.tub_id)
    with Peer(furl.host, furl.port) as first, Peer(furl.host, furl.port) as second:
        first.negotiate(furl, identity)
        first.send_block(decision(OURS, 1))
        second.negotiate(furl, identity)
        second.send_block({"banana-decision-version": "1", "error": "Duplicate connection"})
        assert is_closed(second)
        assert is_alive(first)
