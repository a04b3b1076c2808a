"""Two clients of one grid, one over HTTPS and one over Foolscap: both see the same shares, also when they write at once."""

import concurrent.futures
import itertools

import gbs
import pytest
import tahoe
from allmydata import uri
from allmydata.util import hashutil
from conftest import plain_client
from foolscap_peer import Furl
from test_first_grid import content


@pytest.fixture(scope="module", params=["1.20.0", "1.17.1"], ids=lambda v: f"foolscap-{v}")
def pair(request, server, workdir):
    """(over HTTPS, over Foolscap, the grid)."""
    grid = server.create_subscription(f"pair-{request.param}@example.org")
    clients = [plain_client(grid, workdir / f"pair-{request.param}-{transport}", release, transport)
               for transport, release in (("gbs", tahoe.RELEASE), ("foolscap", tahoe.Release(request.param)))]
    for client in clients:
        client.set_config("client", "shares.total", "3")
        client.start().wait_connected()
    yield *clients, grid
    for client in clients:
        client.stop()


@pytest.mark.parametrize("fmt", ["CHK", "SDMF", "MDMF"])
def test_what_one_protocol_wrote_the_other_reads(pair, fmt):
    over_gbs, over_foolscap, _ = pair
    for writer, reader in ((over_gbs, over_foolscap), (over_foolscap, over_gbs)):
        data = content(700_000, writer.dir.name + fmt)
        cap = writer.put_file(data, fmt)
        assert reader.read(cap) == data
        assert reader.check(cap, verify=True, add_lease=True)["results"]["healthy"]


@pytest.mark.parametrize("fmt", ["SDMF", "MDMF"])
def test_a_mutable_file_is_rewritten_by_both_in_turn(pair, fmt):
    over_gbs, over_foolscap, _ = pair
    cap = over_gbs.put_file(b"", fmt)
    for turn, writer, reader in ((1, over_foolscap, over_gbs), (2, over_gbs, over_foolscap), (3, over_foolscap, over_gbs)):
        data = content(100_000 * turn, turn)
        writer.overwrite(cap, data)
        assert reader.read(cap) == data


def test_a_file_stored_over_one_protocol_is_not_sent_again_over_the_other(pair):
    over_gbs, over_foolscap, _ = pair
    # The same convergence secret makes the same capability and the same shares of the same file.
    secret = (over_gbs.dir / "private/convergence").read_bytes()
    over_foolscap.stop()
    (over_foolscap.dir / "private/convergence").write_bytes(secret)
    over_foolscap.start().wait_connected()
    data = content(100_000, "twice")  # within one segment of every release: its size is part of what is hashed
    assert over_gbs.put_file(data) == over_foolscap.put_file(data)
    assert over_foolscap.read(over_gbs.put_file(data)) == data


def test_a_missing_share_of_a_mutable_file_is_found_and_repaired(pair):
    over_gbs, over_foolscap, grid = pair
    raw = gbs.Gbs.of(grid.nurls[0])
    tub_id = Furl(grid.storage_furl).tub_id
    for fmt, client in itertools.product(("SDMF", "MDMF"), (over_gbs, over_foolscap)):
        cap = client.put_file(content(70_000, fmt), fmt)
        parsed = uri.from_string(cap.encode())
        index = parsed.get_storage_index()
        enabler = hashutil.ssk_write_enabler_hash(parsed.writekey, uri.base32.a2b(tub_id.encode()))
        gone = raw.post_cbor(f"{gbs.PREFIX}mutable/{uri.si_b2a(index).decode()}/read-test-write",
                             {"test-write-vectors": {1: {"test": [], "write": [], "new-length": 0}}, "read-vector": []},
                             gbs.secrets(b"r" * 32, b"c" * 32, enabler=enabler))
        assert gone.status == 200 and gone.cbor()["success"]
        assert client.check(cap)["results"]["count-shares-good"] == 2
        said = client.text("check", "--repair", "--add-lease", cap)
        assert "repair successful" in said.lower(), said
        assert client.check(cap, verify=True)["results"]["healthy"]


def test_a_missing_share_of_an_immutable_file_is_found_and_repaired(pair, server, workdir):
    """Two of a file's three shares are copied by hand to another grid, whose client repairs it there."""
    over_gbs, over_foolscap, grid = pair
    raw = gbs.Gbs.of(grid.nurls[0])
    elsewhere = server.create_subscription(f"repair-{over_foolscap.dir.name}@example.org")
    target = gbs.Gbs.of(elsewhere.nurls[0])
    home = workdir / f"repair-{over_foolscap.dir.name}"
    client = plain_client(elsewhere, home, over_foolscap.release, "foolscap").start().wait_connected()
    try:
        data = content(70_000, "repair" + over_foolscap.dir.name)
        cap = over_gbs.put_file(data)
        index = uri.si_b2a(uri.from_string(cap.encode()).get_storage_index()).decode()
        shares = {n: raw.request("GET", f"{gbs.PREFIX}immutable/{index}/{n}").body for n in (0, 1)}
        assert target.allocate(index, shares, len(shares[0])).cbor()["allocated"] == {0, 1}
        for number, share in shares.items():
            assert target.write(index, number, 0, share).status == 201
        assert client.check(cap)["results"]["count-shares-good"] == 2
        said = client.text("check", "--repair", cap)
        assert "repair successful" in said.lower(), said
        assert client.check(cap, verify=True)["results"]["count-shares-good"] == 3
        assert client.read(cap) == data
    finally:
        client.stop()


@pytest.mark.parametrize("fmt", ["SDMF", "MDMF"])
def test_of_writers_that_collide_one_is_told_and_no_file_is_mixed(pair, fmt):
    over_gbs, over_foolscap, _ = pair
    size = 400_000
    cap = over_gbs.put_file(content(size, "start"), fmt)
    told = []

    def write(client, number):
        try:
            client.overwrite(cap, content(size, (client.dir.name, number)))
        except tahoe.Failure as e:
            told.append(str(e))

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for number in range(100):
            list(threads.map(write, (over_gbs, over_foolscap), (number, number)))
            written = [content(size, (c.dir.name, number)) for c in (over_gbs, over_foolscap)]
            seen = over_gbs.read(cap)
            assert over_foolscap.read(cap) == seen
            assert seen in written or told
            if told:
                break
    assert told, "a hundred pairs of writes did not collide once"
    assert all("UncoordinatedWriteError" in t or "NotEnoughSharesError" in t for t in told), told
    # Who tries again succeeds.
    over_foolscap.overwrite(cap, b"again")
    assert over_gbs.read(cap) == b"again"
