"""Which protocols a grid announces: the operator's switch, the customer's choice on the page, and the file for Gridsync."""

import json
import re
import urllib.parse
import urllib.request

import pytest
import tahoe
import yaml

pytestmark = pytest.mark.s4_only


def announced(client):
    """The last announcement of the grid's server that the client heard: it keeps them in a file of its own."""
    (kept,) = yaml.safe_load((client.dir / "private/introducer_default_cache.yaml").read_text())
    return kept["ann"]


def status(client):
    (shown,) = client.status()["servers"]
    return shown["connection_status"]


def wait_for_announcement(client, with_nurls):
    def heard():
        return bool(announced(client).get("anonymous-storage-NURLs")) == with_nurls
    tahoe.wait_for("the client to hear of the change", heard)
    start = "connected" if with_nurls else "Connected to tcp:"
    tahoe.wait_for(f"the connection to be \"{start}\"", lambda: status(client).startswith(start))
    return announced(client)


def choose(server, grid, client):
    page = server.page_url(grid)
    with urllib.request.urlopen(page, timeout=30) as answer:
        token = re.search(r'name="token" value="([^"]+)"', answer.read().decode())[1]
    form = urllib.parse.urlencode({"token": token, "client": client}).encode()
    with urllib.request.urlopen(page + "/client", data=form, timeout=30) as answer:
        assert answer.status == 200
        return answer.read().decode()


@pytest.fixture(scope="module")
def switched(server, workdir):
    grid = server.create_subscription("switch@example.org")
    client = tahoe.Node.create_client(workdir / "switch", grid.introducer_furl).start().wait_connected()
    yield grid, client
    client.stop()


def test_a_connected_client_follows_the_operators_switch_and_keeps_its_files(server, switched):
    grid, client = switched
    first = wait_for_announcement(client, with_nurls=True)
    cap = client.put_file(b"stored over HTTPS" * 100)
    mutable = client.put_file(b"one", "SDMF")

    def switch(transports):
        return json.loads(server.command("subscription", "transports", grid.subscription, transports, "--json").stdout)

    assert switch("foolscap")["transports"] == "foolscap"
    second = wait_for_announcement(client, with_nurls=False)
    assert second["seqnum"] > first["seqnum"]
    assert second["anonymous-storage-FURL"] == first["anonymous-storage-FURL"]
    assert client.read(cap) == b"stored over HTTPS" * 100
    client.overwrite(mutable, b"two, over Foolscap")

    assert switch("both")["transports"] == "both"
    assert wait_for_announcement(client, with_nurls=True)["seqnum"] > second["seqnum"]
    assert client.read(mutable) == b"two, over Foolscap"
    # The same again changes nothing, and says nothing anew.
    number = announced(client)["seqnum"]
    switch("both")
    assert announced(client)["seqnum"] == number


def test_gridsyncs_file_makes_a_client_that_is_connected_as_gridsync_counts_it(server, switched, tmp_path):
    grid, _ = switched
    page = choose(server, grid, "gridsync")
    path = urllib.parse.urlsplit(server.page_url(grid)).path
    assert f'href="{path}/gridsync.json"' in page
    with urllib.request.urlopen(server.page_url(grid) + "/gridsync.json", timeout=30) as answer:
        assert answer.headers["Content-Type"] == "application/json"
        settings = json.loads(answer.read())
    assert settings["version"] <= 2 and settings["nickname"]
    client = tahoe.Node.create_client(tmp_path / "gridsync", settings["introducer"])
    for key in ("needed", "happy", "total"):
        client.set_config("client", f"shares.{key}", settings[f"shares-{key}"])
    client.start().wait_connected()
    try:
        assert status(client).startswith("Connected")  # HTTPS is shown as "connected", which Gridsync does not count
        assert client.read(client.put_file(b"x" * 1000)) == b"x" * 1000
    finally:
        client.stop()
    assert "both protocols" in choose(server, grid, "tahoe")


def test_a_wrong_transport_or_subscription_is_named(server, switched):
    grid, _ = switched
    wrong = server.command("subscription", "transports", grid.subscription, "pigeon", check=False)
    assert wrong.returncode != 0 and "foolscap" in wrong.stderr + wrong.stdout
    unknown = server.command("subscription", "transports", "999999", "both", check=False)
    assert unknown.returncode != 0 and "999999" in unknown.stderr
