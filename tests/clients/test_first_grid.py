"""What a customer does with a real client: of every release in use, over every protocol that it speaks. The newest is one
that was made with the page's own commands."""

import hashlib
import json
import re
import urllib.request

import pytest

MB = 1_000_000


def content(size, seed=0):
    """Bytes that do not repeat with any block size, and differ for each seed."""
    blocks = (hashlib.sha256(f"{seed}/{i}".encode()).digest() * 1024 for i in range(size // 32768 + 1))
    return b"".join(blocks)[:size]


@pytest.mark.parametrize("size", [0, 1, 55, 56, 1 * MB, 100 * MB])
def test_a_file_is_stored_and_fetched(anyone, size):
    data = content(size, "immutable")
    cap = anyone.client.put_file(data)
    assert cap.startswith("URI:LIT:" if size <= 55 else "URI:CHK:")
    assert anyone.client.read(cap) == data


def test_a_part_of_a_large_file_is_fetched(anyone):
    data = content(3 * MB, "range")
    cap = anyone.client.put_file(data)
    request = urllib.request.Request(f"{anyone.client.url}uri/{cap}", headers={"Range": "bytes=1500000-1500099"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.read() == data[1500000:1500100]


def test_files_are_put_listed_and_removed_by_the_command_line(anyone, tmp_path):
    source, back = tmp_path / "in", tmp_path / "out"
    source.write_bytes(content(70_000, "cli"))
    anyone.client.cli("create-alias", "files")
    anyone.client.cli("put", source, "files:in")
    anyone.client.cli("mkdir", "files:sub")
    anyone.client.cli("mv", "files:in", "files:sub/moved")
    assert anyone.client.text("ls", "files:sub") == "moved"
    anyone.client.cli("get", "files:sub/moved", back)
    assert back.read_bytes() == source.read_bytes()
    anyone.client.cli("unlink", "files:sub/moved")
    assert anyone.client.text("ls", "files:sub") == ""


def test_two_customers_at_once_keep_their_own_files(alice, bob):
    mine, yours = alice.client.put_file(content(5000, "a")), bob.client.put_file(content(5000, "b"))
    assert alice.client.read(mine) == content(5000, "a")
    assert bob.client.read(yours) == content(5000, "b")


@pytest.mark.parametrize("fmt", ["SDMF", "MDMF"])
@pytest.mark.parametrize("size", [0, 1000, 1 * MB])
def test_a_mutable_file_is_rewritten(anyone, fmt, size):
    cap = anyone.client.put_file(content(size, 1), fmt)
    assert anyone.client.read(cap) == content(size, 1)
    for seed, changed in ((2, size + 5000), (3, size // 2), (4, 0), (5, size)):
        anyone.client.overwrite(cap, content(changed, seed))
        assert anyone.client.read(cap) == content(changed, seed)


def test_the_middle_and_the_end_of_an_mdmf_file_are_changed_in_place(anyone):
    data = bytearray(content(700_000, "mdmf"))
    cap = anyone.client.put_file(bytes(data), "MDMF")
    for offset, length in ((0, 10), (131_072 - 5, 10), (300_000, 200_000), (699_990, 10), (690_000, 60_000)):
        change = content(length, offset)
        anyone.client.overwrite(cap, change, offset=offset)
        data[offset:offset + length] = change
        assert anyone.client.read(cap) == data


def test_a_mutable_file_is_read_by_whoever_has_the_readonly_cap(anyone):
    cap = anyone.client.put_file(content(2000, "ro"), "SDMF")
    readonly = json.loads(anyone.client.get(f"uri/{cap}?t=json"))[1]["ro_uri"]
    assert anyone.client.read(readonly) == content(2000, "ro")


def test_a_tree_is_backed_up_and_restored(anyone, tmp_path):
    tree = tmp_path / "tree"
    for i, name in enumerate(["a.txt", "b/c.txt", "b/empty", "b/d/e.bin", "with space/ü.txt"]):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content([0, 30, 400, 50_000, 2 * MB][(i + 2) % 5], name))
    anyone.client.cli("create-alias", "backups")
    anyone.client.cli("backup", tree, "backups:tree")
    (tree / "a.txt").write_bytes(b"changed")
    anyone.client.cli("backup", tree, "backups:tree")
    anyone.client.cli("cp", "-r", "backups:tree/Latest", tmp_path / "restored")
    root = next((tmp_path / "restored").rglob("a.txt")).parent
    want = {p.relative_to(tree): p.read_bytes() for p in tree.rglob("*") if p.is_file()}
    assert {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()} == want
    assert len(anyone.client.text("ls", "backups:tree/Archives").splitlines()) == 2


@pytest.mark.parametrize("fmt", ["CHK", "SDMF", "MDMF"])
def test_a_file_is_verified_and_its_lease_renewed(anyone, fmt):
    cap = anyone.client.put_file(content(200_000, fmt), fmt)
    out = json.loads(anyone.client.text("check", "--raw", "--verify", "--add-lease", cap))
    assert out["results"]["healthy"], out
    assert out["results"]["count-shares-good"] == 1
    assert out["results"]["count-corrupt-shares"] == 0


def test_a_tree_is_checked_deeply(anyone):
    anyone.client.cli("create-alias", "deep")
    for name in ("deep:one", "deep:x/two", "deep:x/y/three"):
        anyone.client.cli("put", "-", name, stdin=content(3000, name))
    report = anyone.client.text("deep-check", "--verify", "--add-lease", "deep:")
    assert "6 objects checked" in report or "done: 6 objects checked" in report, report
    assert "6 healthy, 0 unhealthy" in report, report


def test_a_file_stored_twice_is_not_sent_twice(anyone):
    data = content(40_000, "twice")
    assert anyone.client.put_file(data) == anyone.client.put_file(data)


def test_the_welcome_page_shows_the_server_and_its_space(anyone):
    (shown,) = anyone.client.status()["servers"]
    # The two texts tell the protocols apart.
    assert shown["connection_status"].startswith("connected" if anyone.transport == "gbs" else "Connected to tcp:")
    assert shown["available_space"] is not None and shown["available_space"] > 0


@pytest.mark.s4_only
def test_the_pages_first_commands_store_a_file(server, alice):
    home = alice.client.computer.home
    for name in re.findall(r"~/(\S+)", " ".join(server.page(alice.grid).commands("first"))):
        if not (home / name).exists() and "s4" not in name:
            (home / name).write_bytes(content(5000, "first"))
    listing = alice.client.computer.shell("\n".join(server.page(alice.grid).commands("first")))
    assert "some-file" in listing
