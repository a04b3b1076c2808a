"""The runbook of docs/recovery.md, played with the program: damage found and repaired, a lost database brought back."""

import json
import os

import pytest

import gbs
import s4

pytestmark = pytest.mark.s4_only


def store(mine, name, data):
    si = gbs.storage_index(name)
    mine.allocate(si, {0}, len(data))
    for offset in range(0, len(data), 1 << 20):
        assert mine.write(si, 0, offset, data[offset:offset + (1 << 20)]).status in (200, 201)
    return si


def blobs(state):
    return sorted(path for path in (state / "blobs").rglob("*") if path.is_file())


def check(server, *flags):
    done = server.command("storage", "check", "--json", *flags, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_damaged_share_is_found_put_aside_and_uploaded_anew(fresh_server):
    fresh_server.start()
    mine = gbs.Gbs.of(fresh_server.create_subscription("damage@example.org").nurls[0])
    big = os.urandom(300_000)
    si = store(mine, "damaged", big)
    assert check(fresh_server) == (0, {"shares": 1, "bytes": pytest.approx(300_000, abs=1000), "blobs": 1, "grids": 1,
                                       "problems": 0, "findings": []})
    [blob] = blobs(fresh_server.state)
    with open(blob, "r+b") as file:
        file.seek(70_000)
        byte = file.read(1)
        file.seek(70_000)
        file.write(bytes([byte[0] ^ 1]))

    status, found = check(fresh_server)
    assert status == 1 and [f["problem"] for f in found["findings"]] == ["damaged_share"]
    assert mine.list(si).cbor() == {0}, "a check alone changes nothing"
    status, found = check(fresh_server, "--repair")
    assert status == 1 and found["findings"][0]["repaired"]
    assert mine.list(si).cbor() == set()
    store(mine, "damaged", big)
    assert mine.read(si, 0).body == big
    assert check(fresh_server)[0] == 0
    assert "1 damaged ones in quarantine; 1 advisories" in fresh_server.command("storage", "status").stdout


def test_a_database_of_yesterday_learns_of_todays_large_shares(fresh_server, tmp_path):
    fresh_server.start()
    mine = gbs.Gbs.of(fresh_server.create_subscription("recovery@example.org").nurls[0])
    slot = gbs.storage_index("a slot")
    first, second = os.urandom(2_000_000), os.urandom(1_500_000)
    before = store(mine, "before the backup", first)
    mine.read_test_write(slot, {0: gbs.vector([(0, first)])})
    fresh_server.command("backup", tmp_path / "copy")
    after = store(mine, "after the backup", second)
    mine.read_test_write(slot, {0: gbs.vector([(1_000_000, second)])})
    lost = gbs.Gbs.of(fresh_server.create_subscription("late@example.org").nurls[0])
    store(lost, "of a grid that the backup does not know", first)
    refused = fresh_server.command("storage", "rebuild-index", check=False)
    assert refused.returncode == 1 and "stop it" in refused.stderr
    port = fresh_server.gate[1]
    fresh_server.kill()

    for name in ("s4.sqlite", "s4.sqlite-wal", "s4.sqlite-shm"):
        (fresh_server.state / name).unlink(missing_ok=True)
    for command in (("serve", "--gate", "127.0.0.1:0", "--web", "127.0.0.1:0", "--admin", "127.0.0.1:0"), ("storage", "rebuild-index")):
        refused = s4.run(*command, "--state", fresh_server.state, check=False)
        assert refused.returncode == 1 and "bring back the newest copy" in refused.stderr
    (fresh_server.state / "s4.sqlite").write_bytes((tmp_path / "copy" / "s4.sqlite").read_bytes())
    rebuilt = s4.run("storage", "rebuild-index", "--state", fresh_server.state, check=False)
    assert "1 shares added, 1 brought to a newer version" in rebuilt.stdout
    assert rebuilt.returncode == 1 and "1 grids are not in the database" in rebuilt.stdout
    again = s4.Server(fresh_server.state, gate=f"127.0.0.1:{port}").start()
    try:
        assert mine.read(before, 0).body == first
        assert mine.read(after, 0).body == second
        assert mine.read(slot, 0, kind="mutable").body == first[:1_000_000] + second
        status, found = check(again)
        assert status == 1 and [f["problem"] for f in found["findings"]] == ["lost_grid"], found
        new = gbs.Gbs.of(again.create_subscription("new@example.org").nurls[0])
        store(new, "the new grid's own", second)
        assert {blob.relative_to(again.state).parts[1] for blob in blobs(again.state)} == {"1", "2", "3"}, "no number twice"
    finally:
        again.close()
