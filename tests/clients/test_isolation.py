"""Neither customer reads, lists or writes the other's shares, with whatever names they know or guess."""

import base64
import random

import pytest
from allmydata import uri

import foolscap_peer
import gbs
from foolscap_peer import STRING, Identity, Peer, Sequences, string
from gbs import Gbs

DATA = b"alice's secret bytes " * 100


def storage_index(cap):
    return uri.from_string(cap.encode()).get_storage_index()


@pytest.fixture(scope="module")
def stored(alice):
    """Alice's immutable and mutable file: {kind: storage index}, and her own requests."""
    text = lambda cap: base64.b32encode(storage_index(cap)).decode().lower().rstrip("=")
    return {"immutable": text(alice.client.put_file(DATA)), "mutable": text(alice.client.put_file(DATA, "SDMF"))}


@pytest.fixture
def hers(alice):
    return Gbs.of(alice.grid.nurls[0])


@pytest.fixture
def his(bob):
    return Gbs.of(bob.grid.nurls[0])


@pytest.mark.parametrize("kind", ["immutable", "mutable"])
def test_the_owner_sees_her_share(hers, stored, kind):
    assert hers.list(stored[kind], kind).cbor() == {0}
    assert hers.read(stored[kind], 0, 0, 9, kind).status == 206


@pytest.mark.parametrize("kind", ["immutable", "mutable"])
def test_another_customer_neither_lists_nor_reads_them(his, stored, kind):
    assert his.list(stored[kind], kind).cbor() == set()
    assert his.read(stored[kind], 0, 0, 9, kind).status == 404
    assert his.read(stored[kind], 0, kind=kind).status == 404
    assert his.add_lease(stored[kind]).status == 404


def test_another_customer_does_not_see_a_slot_in_a_read_test_write(his, stored):
    answer = his.read_test_write(stored["mutable"], {}, [{"offset": 0, "size": 10}])
    assert answer.status == 200
    assert answer.cbor() == {"success": True, "data": {}}


def test_what_another_customer_writes_to_the_same_index_stays_theirs(hers, his, alice, stored):
    for kind in ("immutable", "mutable"):
        before = hers.read(stored[kind], 0, kind=kind).body
        if kind == "immutable":
            assert his.allocate(stored[kind], {0}, 4).cbor()["allocated"] == {0}
            assert his.write(stored[kind], 0, 0, b"evil").status == 201
        else:
            assert his.read_test_write(stored[kind], {0: gbs.vector([(0, b"evil")])}).cbor()["success"]
        assert hers.read(stored[kind], 0, kind=kind).body == before
        assert his.read(stored[kind], 0, kind=kind).body == b"evil"
    assert his.read_test_write(stored["mutable"], {0: gbs.vector(new_length=0)}).cbor()["success"]
    assert hers.list(stored["mutable"], "mutable").cbor() == {0}


def test_an_upload_under_way_is_not_seen_touched_or_ended_by_another(hers, his):
    si = gbs.storage_index("under way")
    assert hers.allocate(si, {0}, 8).cbor()["allocated"] == {0}
    assert hers.write(si, 0, 0, b"half").status == 200
    assert his.write(si, 0, 4, b"evil").status == 404
    assert his.abort(si, 0).status == 404
    assert hers.write(si, 0, 4, b"done").status == 201
    assert hers.read(si, 0).body == b"halfdone"
    assert his.list(si).cbor() == set()


def guesses(right, *others):
    """Names that are near the right one, or plausible, or long."""
    chance = random.Random(4)
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    changed = [right[:i] + chance.choice(alphabet.replace(c, "")) + right[i + 1:] for i, c in enumerate(right)]
    return [*others, *changed, right[:-1], right + "a", right.upper(), right[::-1], "", " " + right, right + " ", right + "\0",
            "*", "%", "'", "a" * 32, "a" * 5000, *("".join(chance.choices(alphabet, k=32)) for _ in range(50))]


def test_guessed_swissnums_open_nothing(alice, hers, stored):
    introducer = foolscap_peer.Furl(alice.grid.introducer_furl).name
    for guess in guesses(hers.swissnum, introducer):
        answer = hers.as_stranger(guess).list(stored["immutable"])
        assert answer.status == 401 or (len(guess) > 4000 and answer.status in (400, 431)), guess
        assert b"alice" not in answer.body


def test_a_swissnum_does_not_open_another_customers_tub(alice, bob):
    """Foolscap: each tub knows only its own names."""
    for whose, name in ((bob.grid.introducer_furl, alice.grid.introducer_furl),
                        (alice.grid.introducer_furl, alice.grid.introducer_furl[:-1] + "2")):
        furl, foreign = foolscap_peer.Furl(whose), foolscap_peer.Furl(name).name
        with Peer(furl.host, furl.port) as peer:
            peer.negotiate(furl, Identity.below(furl.tub_id))
            peer.send(Sequences().call(1, 0, b"getReferenceByName", name=string(foreign.encode())))
            answer = peer.read_message()
            words = [body for kind, _, body in answer if kind == STRING]
            assert b"builtins.KeyError" in words, answer


def test_the_two_customers_have_nothing_in_common_but_the_service(alice, bob):
    a, b = (foolscap_peer.Furl(g.grid.introducer_furl) for g in (alice, bob))
    c, d = (foolscap_peer.Furl(g.grid.storage_furl) for g in (alice, bob))
    assert len({a.tub_id, b.tub_id, c.tub_id, d.tub_id}) == 4
    assert len({a.name, b.name, c.name, d.name}) == 4
    assert alice.grid.nurls != bob.grid.nurls
