"""A customer's grid may hold storage servers of their own beside S4's, and the introducer remembers them."""

import pytest

import tahoe
from conftest import make_client


@pytest.fixture
def grid_with_own_server(fresh_server, tmp_path):
    server = fresh_server.start()
    grid = server.create_subscription("erin@example.org")
    own = tahoe.Node.create_storage(tmp_path / "own", grid.introducer_furl).start()
    client = make_client(server, grid, tmp_path / "erin").start()
    yield server, grid, own, client
    client.stop()
    own.stop()


def test_a_storage_node_of_the_customers_own_is_announced_to_their_client(grid_with_own_server):
    _, _, own, client = grid_with_own_server
    client.wait_connected(servers=2)
    own.wait_connected(servers=2)
    names = {s["nickname"] for s in client.status()["servers"]}
    assert "storage" in names and len(client.status()["servers"]) == 2


@pytest.mark.s4_only
def test_announcements_outlive_the_publisher_and_a_restart(grid_with_own_server, tmp_path):
    server, grid, own, client = grid_with_own_server
    client.wait_connected(servers=2)
    client.stop()
    own.kill()
    server.kill()
    server.start()
    late = make_client(server, grid, tmp_path / "late").start()
    try:
        tahoe.wait_for("both announcements", lambda: len(late.status()["servers"]) == 2)
        late.wait_connected(servers=1)
        own.start()
        late.wait_connected(servers=2)
    finally:
        late.stop()


@pytest.mark.s4_only
def test_a_client_of_another_grid_learns_nothing_of_it(grid_with_own_server, tmp_path):
    server, _, _, client = grid_with_own_server
    client.wait_connected(servers=2)
    stranger = make_client(server, server.create_subscription("frank@example.org"), tmp_path / "frank").start()
    try:
        stranger.wait_connected(servers=1)
        assert len(stranger.status()["servers"]) == 1
    finally:
        stranger.stop()


@pytest.mark.s4_only
def test_a_gate_that_moved_is_announced_where_it_is_now(fresh_server, tmp_path):
    server = fresh_server.start()
    grid = server.create_subscription("grace@example.org")
    host, port = server.gate
    client = make_client(server, grid, tmp_path / "grace").start()
    try:
        client.wait_connected(servers=1)
        assert f"@tcp:{host}:{port}/" in grid.storage_furl
        server.stop()
        server.flags = (*server.flags, "--gate-public", f"localhost:{port}")
        server.start()
        moved = grid.storage_furl.replace(f"@tcp:{host}:{port}/", f"@tcp:localhost:{port}/")
        tahoe.wait_for("the announcement of the new address", lambda: moved in told_to(client), 60)
        client.wait_connected(servers=1)
    finally:
        client.stop()


def told_to(client):
    """What the client has written down of its introducer's announcements."""
    return "".join(p.read_text() for p in (client.dir / "private").glob("introducer_*cache.yaml"))
