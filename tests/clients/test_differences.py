"""The same requests to Tahoe's own storage server and to S4: the answers are the same, but for docs/differences.md. And
whatever S4 answers in CBOR passes the schemas that Tahoe's client checks it with."""

import pathlib

import pytest
from allmydata.storage.http_client import _SCHEMAS

import gbs
import gbs_probe
import reference

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/differences.md"


def table(first):
    """The rows of the document's table whose heading begins with that word: tuples, of which the last says why."""
    lines = iter(DOCUMENT.read_text().splitlines())
    heading = next(l for l in lines if l.startswith(f"| {first} | "))
    width = len(heading.strip("| ").split(" | "))
    assert next(lines) == "|---" * width + "|"
    rows = []
    for line in lines:
        if not line.startswith("| "):
            break
        rows.append(tuple(line.removeprefix("| ").removesuffix(" |").split(" | ")))
    assert all(len(r) == width and all(r) for r in rows), "each row has what was asked, two answers and a reason"
    return rows


def listed():
    """{label: (Tahoe's answer, S4's)} of the document's table."""
    return {label: (theirs, ours) for label, theirs, ours, _ in table("request")}


@pytest.fixture(scope="module")
def tahoe_answers(tmp_path_factory):
    real = reference.Server(tmp_path_factory.mktemp("reference") / "state")
    try:
        grid = real.create_subscription("reference")
        return gbs_probe.run(gbs.Gbs.of(grid.nurls[0]), "differences")
    finally:
        real.close()


@pytest.fixture(scope="module")
def our_answers(server):
    grid = server.create_subscription("differences@example.org")
    return gbs_probe.run(gbs.Gbs.of(grid.nurls[0]), "differences")


@pytest.mark.s4_only
def test_answers_are_tahoes_but_for_the_listed_differences(tahoe_answers, our_answers):
    found = {}
    for (label, theirs), (_, ours) in zip(tahoe_answers, our_answers, strict=True):
        pair = gbs_probe.summary(label, theirs), gbs_probe.summary(label, ours)
        if pair[0] != pair[1]:
            found[label] = pair
    known = listed()
    rows = [f"| {label} | {theirs} | {ours} | ... |" for label, (theirs, ours) in found.items()
            if known.get(label) != (theirs, ours)]
    gone = [label for label in known if label not in found]
    assert not rows and not gone, "not in docs/differences.md:\n" + "\n".join(rows) + f"\nno longer different: {gone}"


def schema_of(label):
    if label.startswith("version"):
        return "get_version"
    if label.startswith("allocate"):
        return "allocate_buckets"
    if label.startswith("write"):
        return "immutable_write_share_chunk"
    if label.startswith(("slot list",)):
        return "mutable_list_shares"
    if label.startswith(("list", "immutable list")):
        return "list_shares"
    if label.startswith("slot"):
        return "mutable_read_test_write"
    return None


def test_every_cbor_answer_passes_the_clients_schema(our_answers):
    checked = 0
    for label, answer in our_answers:
        if answer.header("content-type") == gbs.CBOR and answer.body and answer.status < 300:
            _SCHEMAS[schema_of(label)].validate_cbor(answer.body)
            checked += 1
    assert checked > 50


@pytest.mark.s4_only
def test_answers_are_framed_so_that_the_client_keeps_its_connection(our_answers):
    """Content-Length on everything, also on what is empty: Tahoe's client leaks a connection otherwise."""
    for label, answer in our_answers:
        if answer.status not in (0, 204):
            assert answer.header("content-length") is not None, label
            assert answer.header("transfer-encoding") is None, label


def test_error_bodies_are_short_enough_for_the_client(our_answers):
    for label, answer in our_answers:
        assert answer.status < 400 or len(answer.body) < 10_000, label


@pytest.mark.s4_only
def test_no_answer_is_an_accident(our_answers):
    assert [label for label, a in our_answers if a.status >= 500 or a.status == 0] == []
