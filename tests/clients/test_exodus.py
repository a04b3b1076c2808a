"""The way out and the way in: a grid on S4 becomes two stock Tahoe nodes and comes back, and a stock node's own directory
moves in. Real clients read and write throughout, with the capabilities that they had before."""

import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess

import pytest
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.util import base32

import s4
import tahoe
from test_first_grid import content

pytestmark = pytest.mark.s4_only


class Belongings:
    """What a customer has stored; everything in it can be read, and the mutable things written."""

    def __init__(self, client):
        self.data = {"small": content(3000, "small"), "large": content(1_500_000, "large"),
                     "SDMF": content(4000, "sdmf"), "MDMF": content(400_000, "mdmf")}
        self.caps = {"small": client.put_file(self.data["small"]), "large": client.put_file(self.data["large"]),
                     "SDMF": client.put_file(self.data["SDMF"], "SDMF"), "MDMF": client.put_file(self.data["MDMF"], "MDMF")}
        client.cli("create-alias", "home")
        client.cli("put", "-", "home:sub/one", stdin=b"one in a directory" * 10)
        self.names = {"one"}

    def check(self, client):
        for name, cap in self.caps.items():
            assert client.read(cap) == self.data[name], name
            assert client.check(cap, verify=True, add_lease=True)["results"]["healthy"], name
        assert set(client.text("ls", "home:sub").splitlines()) == self.names
        assert client.cli("get", "home:sub/one").stdout == b"one in a directory" * 10

    def change(self, client, seed):
        """Rewrites both mutable files, MDMF in its middle too, and adds to the directory and to the grid."""
        for name, size in (("SDMF", 9000), ("MDMF", 500_000)):
            self.data[name] = content(size, seed + name)
            client.overwrite(self.caps[name], self.data[name])
        piece = content(50_000, seed)
        client.overwrite(self.caps["MDMF"], piece, offset=200_000)
        self.data["MDMF"] = self.data["MDMF"][:200_000] + piece + self.data["MDMF"][250_000:]
        client.cli("put", "-", f"home:sub/{seed}", stdin=piece)
        self.names.add(seed)
        self.data[seed] = content(100_000, seed + "new")
        self.caps[seed] = client.put_file(self.data[seed])


@pytest.fixture
def processes():
    """Whatever is put into the list is stopped at the end, the newest first."""
    running = []
    yield running
    for process in reversed(running):
        process.close() if isinstance(process, s4.Server) else process.stop()


def storage_command(server, *args, **kwargs):
    return json.loads(server.command("storage", *args, "--json", timeout=300, **kwargs).stdout)


def shown(server, subscription):
    return json.loads(server.command("subscription", "show", subscription, "--json").stdout)


def object_of(furl):
    """A FURL without its location: what capabilities and secrets depend on."""
    return furl.split("@")[0], furl.rsplit("/", 1)[1]


def stock_nodes(directory):
    """An exported directory's two nodes, not yet started."""
    nodes = [tahoe.Node(directory / "introducer"), tahoe.Node(directory)]
    for node in nodes:
        (line,) = [l for l in (node.dir / "tahoe.cfg").read_text().splitlines() if l.startswith("tub.port")]
        node.set_config("node", "tub.port", line.split("=")[1].strip() + ":interface=127.0.0.1")
    nodes[1].set_config("storage", "reserved_space", "0")
    return nodes


def restart(client):
    client.stop()
    return client.start().wait_connected()


def test_a_grid_leaves_to_stock_nodes_and_comes_back(tmp_path, processes):
    server = s4.Server(tmp_path / "state").start()
    processes.append(server)
    grid = server.create_subscription("leaver@example.org")
    client = tahoe.Node.create_client(tmp_path / "client", grid.introducer_furl).start().wait_connected()
    processes.append(client)
    mine = Belongings(client)
    mine.check(client)

    # Out, and once more after changes: what is right already is left alone.
    out = tmp_path / "out"
    export = ["export-tahoe", grid.subscription, out, "--location", f"127.0.0.1:{tahoe.free_port()}"]
    first = storage_command(server, *export)
    assert first["written"] == first["shares"] > 6 and first["skipped"] == 0
    again = storage_command(server, *export)
    assert (again["written"], again["shares"], again["removed"]) == (0, first["shares"], 0)
    mine.change(client, "on-s4")
    client.cli("unlink", "home:sub/on-s4")
    mine.names.discard("on-s4")
    third = storage_command(server, *export)
    assert 0 < third["written"] < third["shares"]
    _, gate_port = server.gate
    assert server.stop() == 0

    # Stock nodes serve it; the introducer where the gate was.
    nodes = stock_nodes(out)
    for node in nodes:
        processes.append(node.start())
    assert nodes[0].furl() == grid.introducer_furl
    assert object_of(nodes[1].furl()) == object_of(grid.storage_furl)
    restart(client)
    mine.check(client)
    mine.change(client, "on-stock")
    mine.check(client)
    for node in nodes:
        node.stop()

    # Back into another S4, on the same address.
    other = s4.Server(tmp_path / "other", gate=f"127.0.0.1:{gate_port}").start()
    processes.append(other)
    made = storage_command(other, "import-tahoe", out, "--email", "back@example.org")
    assert made["skipped"] == 0 and made["stored"] == made["shares"] > first["shares"]
    assert made["introducer_furl"] == grid.introducer_furl
    assert object_of(made["storage_furl"]) == object_of(grid.storage_furl)
    restart(client)
    mine.check(client)
    mine.change(client, "back-on-s4")
    mine.check(client)
    done = other.command("storage", "import-tahoe", out, "--email", "back@example.org", check=False)
    assert done.returncode == 1 and "nothing is imported twice" in done.stderr


def spoil(storage):
    """Puts into a node's shares what a broken copy leaves there; returns what is to be in the list of skipped files."""
    shares = storage.dir / "storage/shares"
    whole = next(p for p in sorted(shares.glob("??/*/*")) if p.read_bytes()[:4] == b"\0\0\0\2")
    half = whole.with_name("7")
    half.write_bytes(whole.read_bytes()[:-500])
    (whole.parent / "notes.txt").write_text("what was this again?")
    wrong = shares / "aa" / "not-a-storage-index"
    wrong.mkdir(parents=True)
    incoming = shares / "incoming" / "ab" / ("ab" + "a" * 24)
    incoming.mkdir(parents=True)
    (incoming / "0").write_bytes(whole.read_bytes())
    return {str(half): "bytes of data", str(whole.parent / "notes.txt"): "share number", str(wrong): "storage index"}


@pytest.mark.parametrize("into", ["a new subscription", "an empty one"])
def test_a_stock_nodes_own_directory_moves_in(tmp_path, processes, into):
    introducer = tahoe.Node.create_introducer(tmp_path / "introducer").start()
    storage = tahoe.Node.create_storage(tmp_path / "storage", introducer.furl()).start()
    client = tahoe.Node.create_client(tmp_path / "client", introducer.furl()).start().wait_connected()
    processes += [introducer, storage, client]
    mine = Belongings(client)
    for node in (storage, introducer):
        node.stop()
    expected = spoil(storage)

    port = introducer.furl().split(":")[3].split("/")[0]
    server = s4.Server(tmp_path / "state", gate=f"127.0.0.1:{port}").start()
    processes.append(server)
    command = ["import-tahoe", storage.dir, "--introducer", introducer.dir]
    if into == "an empty one":
        command += ["--into", server.create_subscription("mover@example.org").subscription]
    else:
        command += ["--email", "mover@example.org"]
    seen = storage_command(server, *command, "--dry-run")
    made = storage_command(server, *command)
    assert made["stored"] == made["shares"] == seen["shares"] > 6
    skipped = [json.loads(line) for line in pathlib.Path(made["skipped_list"]).read_text().splitlines()]
    assert {s["file"] for s in skipped} == set(expected) and made["skipped"] == seen["skipped"] == len(expected)
    for entry in skipped:
        assert expected[entry["file"]] in entry["reason"], entry
    assert made["introducer_furl"] == introducer.furl()
    assert object_of(made["storage_furl"]) == object_of(storage.furl())
    # The node's page shows the node's addresses, and the node's leases came with its shares.
    assert shown(server, made["subscription"])["introducer_furl"] == introducer.furl()
    restart(client)
    mine.check(client)
    mine.change(client, "moved-in")
    mine.check(client)


def make_node(directory, shares, size):
    """A storage node's directory with many shares, without running it: its keys from a real node, its shares written by
    Tahoe's own code."""
    tahoe.run_tahoe(["create-node", f"--port=tcp:{tahoe.free_port()}:interface=127.0.0.1", "--location=tcp:127.0.0.1:1",
                     "--webport=none", directory])
    node = tahoe.Node(directory).start()
    tahoe.wait_for("the node's identity", (directory / "private/storage.furl").exists)
    node.stop()
    for n in range(shares):
        si = base32.b2a(content(16, n)).decode()
        path = directory / "storage/shares" / si[:2] / si / "0"
        path.parent.mkdir(parents=True)
        share = ShareFile(str(path), max_size=size, create=True)
        share.write_share_data(0, content(size, n))
        share.add_lease(LeaseInfo(1, b"r" * 32, b"c" * 32, 1_900_000_000, b"n" * 20))
    return node


def count(server, what):
    with contextlib.closing(sqlite3.connect(f"file:{server.database()}?mode=ro", uri=True)) as db:
        return db.execute(what).fetchone()[0]


def test_a_killed_import_goes_on_without_duplicates(tmp_path, processes):
    make_node(tmp_path / "node", 1200, 2000)
    server = s4.Server(tmp_path / "state").start()
    processes.append(server)
    command = ["storage", "import-tahoe", tmp_path / "node", "--email", "killed@example.org"]
    running = subprocess.Popen([str(s4.BINARY), *map(str, command), "--state", str(server.state)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=s4.clean_environment())
    tahoe.wait_for("a part to be imported", lambda: count(server, "SELECT count(*) FROM storage_share") > 100)
    server.kill()
    running.wait(30)
    server.start()
    stored = count(server, "SELECT count(*) FROM storage_share")
    assert 100 < stored < 1200, "killed in the middle"
    made = storage_command(server, *command[1:])
    assert made["there_already"] >= stored and made["stored"] + made["there_already"] == 1200
    assert count(server, "SELECT count(*) FROM storage_share") == 1200
    assert count(server, "SELECT count(*) FROM storage_lease") == 1200, "the node's leases, and no others"
    assert count(server, "SELECT count(*) FROM storage_lease WHERE expires_s = 1900000000") == 1200
    listed = json.loads(server.command("subscription", "list", "--json").stdout)
    assert len(listed) == 1 and listed[0]["used_bytes"] == 1200 * (2000 + 512)


def test_a_node_that_does_not_fit_is_refused_before_anything_is_copied(tmp_path, processes):
    make_node(tmp_path / "node", 20, 5000)
    plans = tmp_path / "plans.json"
    plans.write_text(json.dumps([{"id": "tiny", "name": "Tiny", "quota_bytes": 50_000, "price_cents": 100,
                                  "currency": "EUR", "period": "month"}]))
    server = s4.Server(tmp_path / "state", "--plans", str(plans)).start()
    processes.append(server)
    done = server.command("storage", "import-tahoe", tmp_path / "node", "--email", "big@example.org", check=False)
    assert done.returncode == 1
    assert "20 shares" in done.stderr and "the plan allows 50 kB" in done.stderr
    assert json.loads(server.command("subscription", "list", "--json").stdout) == []


def test_wrong_directories_are_told_apart(tmp_path, processes):
    server = s4.Server(tmp_path / "state").start()
    processes.append(server)
    grid = server.create_subscription("careful@example.org")

    def refusal(*args):
        done = server.command("storage", *args, check=False)
        assert done.returncode == 1, done.stdout
        return done.stderr
    assert "private/node.pem" in refusal("import-tahoe", tmp_path, "--email", "a@example.org")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("mine")
    assert "is not empty" in refusal("export-tahoe", grid.subscription, tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.txt"]

    storage_command(server, "export-tahoe", grid.subscription, tmp_path / "out")
    other = server.create_subscription("other@example.org")
    assert "another node's" in refusal("export-tahoe", other.subscription, tmp_path / "out")
    assert "nothing is imported twice" in refusal("import-tahoe", tmp_path / "out", "--email", "a@example.org")
    (tmp_path / "out/my_nodeid").write_text("as a node that ran leaves it")
    assert "has served" in refusal("export-tahoe", grid.subscription, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/private")
    assert "private/node.pem" in refusal("import-tahoe", tmp_path / "out", "--email", "a@example.org")
