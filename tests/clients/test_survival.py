"""What was acknowledged is there after a crash, at the same addresses."""

import pytest

import tahoe
from conftest import Customer


def content(size, seed):
    return bytes((i * seed + (i >> 8)) & 0xFF for i in range(size))


@pytest.mark.s4_only
def test_a_client_killed_in_mid_upload_stores_the_same_file_within_three_minutes(interrupted_upload):
    # Before the tests that restart the server, which frees what is unfinished.
    assert interrupted_upload.store_again() < 180


def test_everything_survives_kill_and_restart_at_the_same_addresses(server, alice, bob):
    immutable = alice.client.put_file(content(300_000, 3))
    mutable = alice.client.put_file(content(3000, 5), "SDMF")
    mdmf = alice.client.put_file(content(300_000, 7), "MDMF")
    alice.client.overwrite(mutable, content(4000, 9))
    other = bob.client.put_file(content(1000, 11))
    alice.client.cli("create-alias", "kept")
    alice.client.cli("put", "-", "kept:file", stdin=content(2000, 13))

    server.kill()
    server.start()
    for customer in (alice, bob):
        wait_usable(customer)

    assert alice.client.read(immutable) == content(300_000, 3)
    assert alice.client.read(mutable) == content(4000, 9)
    assert alice.client.read(mdmf) == content(300_000, 7)
    assert alice.client.cli("get", "kept:file", "-").stdout == content(2000, 13)
    assert bob.client.read(other) == content(1000, 11)
    alice.client.overwrite(mutable, content(100, 15))
    assert alice.client.read(mutable) == content(100, 15)
    alice.client.overwrite(mdmf, content(50, 17), offset=1000)
    alice.client.cli("put", "-", "kept:another", stdin=content(500, 19))
    assert alice.client.check(immutable, verify=True, add_lease=True)["results"]["healthy"]


def wait_usable(customer):
    """A client notices a lost server within a second, and its return as soon."""
    customer.client.wait_connected()
    tahoe.wait_for("a first request after the restart", lambda: customer.client.put_file(content(100, 21)))


@pytest.mark.s4_only
def test_a_client_made_before_the_restart_starts_after_it(server, alice, workdir):
    cap = alice.client.put_file(content(5000, 23))
    alice.client.stop()
    server.kill()
    server.start()
    alice.client.start().wait_connected()
    assert alice.client.read(cap) == content(5000, 23)


@pytest.mark.s4_only
def test_the_addresses_are_the_same_after_a_restart(server, alice):
    page = server.page(alice.grid)
    before = [page.ids["introducer-furl"], page.ids["storage-furl"], *page.classes["nurl"], server.gate]
    server.kill()
    server.start()
    wait_usable(alice)
    page = server.page(alice.grid)
    assert [page.ids["introducer-furl"], page.ids["storage-furl"], *page.classes["nurl"], server.gate] == before


@pytest.mark.s4_only
def test_a_planned_stop_ends_well_and_loses_nothing(fresh_server, tmp_path):
    fresh_server.start()
    customer = Customer(fresh_server, tmp_path, "dave")
    try:
        cap = customer.client.put_file(content(100_000, 25))
        assert fresh_server.stop() == 0
        fresh_server.start()
        wait_usable(customer)
        assert customer.client.read(cap) == content(100_000, 25)
    finally:
        customer.client.stop()
