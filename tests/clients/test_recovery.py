"""The runbook of docs/recovery.md, played with the program: damage found and repaired, a lost database brought back."""

import json
import os
import threading
import time

import pytest

import failing_disk
import gbs
import s4
import tahoe

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


NOWHERE = ("--gate", "127.0.0.1:0", "--web", "127.0.0.1:0", "--admin", "127.0.0.1:0")
WINDOW_S = 5  # docs/recovery.md says a second; a loaded machine gets some more


def write_until_killed(mine, small, big, started):
    """Small shares, and now and then a large one; notes what was acknowledged, and when."""
    for number in range(100_000):
        data = os.urandom(200_000 if number % 10 == 9 else 1000)
        try:
            si = store(mine, f"share {number}", data)
        except Exception:  # whatever a killed server looks like
            return
        (big if len(data) > 32_768 else small).append((time.monotonic(), si, data))
        started.set()


def status_of_log(server):
    [line] = [l for l in server.command("storage", "status").stdout.splitlines() if l.startswith("Shipped log")]
    return line


def seconds_behind(server):
    return float(status_of_log(server).split(": ", 1)[1].split()[0])


def test_a_lost_database_comes_back_from_its_shipped_log(fresh_server, tmp_path):
    log = tmp_path / "log"
    fresh_server.flags = ("--ship-log", log)
    fresh_server.start()
    grid = fresh_server.create_subscription("log@example.org")
    mine = gbs.Gbs.of(grid.nurls[0])
    small, big, started = [], [], threading.Event()
    load = threading.Thread(target=write_until_killed, args=(mine, small, big, started))
    load.start()
    assert started.wait(30)
    tahoe.wait_for("a snapshot", lambda: list(log.glob("generation-*[0-9a-f]/snapshot.seal")), 30)
    time.sleep(WINDOW_S + 3)  # what is written from now on is not in the snapshot but in the log
    assert "no snapshot" not in status_of_log(fresh_server) and "FAILS" not in status_of_log(fresh_server)
    port = fresh_server.gate[1]
    killed = time.monotonic()
    fresh_server.kill()
    load.join()

    refused = s4.run("restore", "--log", log, "--state", fresh_server.state, check=False)
    assert refused.returncode == 1 and "holds a database already" in refused.stderr
    (fresh_server.state / "s4.sqlite").unlink()
    refused = s4.run("restore", "--log", log, "--state", fresh_server.state, check=False)
    assert refused.returncode == 1 and "s4.sqlite-wal" in refused.stderr
    for name in ("s4.sqlite-wal", "s4.sqlite-shm"):
        (fresh_server.state / name).unlink(missing_ok=True)
    refused = s4.run("restore", "--log", log, "--state", tmp_path / "elsewhere", check=False)
    assert refused.returncode == 1 and "master.key" in refused.stderr
    other = tmp_path / "other"
    refused = s4.run("serve", "--state", other, *NOWHERE, "--ship-log", log, check=False)
    assert refused.returncode == 1 and "the log of another database" in refused.stderr
    for name in ("s4.sqlite", "s4.sqlite-wal", "s4.sqlite-shm"):
        (other / name).unlink(missing_ok=True)
    refused = s4.run("restore", "--log", log, "--state", other, check=False)
    assert refused.returncode == 1 and "another master.key" in refused.stderr
    out = s4.run("restore", "--log", log, "--state", fresh_server.state).stdout
    assert "as it was at 20" in out and "transactions after it" in out
    s4.run("storage", "rebuild-index", "--state", fresh_server.state, check=False)

    again = s4.Server(fresh_server.state, "--ship-log", log, gate=f"127.0.0.1:{port}").start()
    try:
        shown = json.loads(again.command("subscription", "show", grid.subscription, "--json").stdout)
        assert (shown["introducer_furl"], shown["storage_furl"]) == (grid.introducer_furl, grid.storage_furl)
        kept = [entry for entry in small if entry[0] < killed - WINDOW_S]
        assert len(kept) > 5 and len(big) > 0
        for _, si, data in kept + big:
            assert mine.read(si, 0).body == data
    finally:
        again.close()


def test_a_shipped_log_that_cannot_be_is_told_at_start(fresh_server, tmp_path):
    (tmp_path / "file").write_text("")
    for place, says in ((fresh_server.state / "log", "lies in the state directory"), (tmp_path / "file", "--ship-log")):
        done = s4.run("serve", "--state", fresh_server.state, *NOWHERE, "--ship-log", place, check=False)
        assert done.returncode == 1 and says in done.stderr


def test_a_full_or_hanging_log_directory_holds_up_nobody_and_is_caught_up_with(fresh_server, tmp_path):
    log = tmp_path / "log"
    disk = failing_disk.FailingDisk(tmp_path, within=f"{log}/")
    fresh_server.environment, fresh_server.flags = disk.environment(), ("--ship-log", log)
    fresh_server.start()

    def ships():
        return not any(words in status_of_log(fresh_server) for words in ("no snapshot", "FAILS"))

    tahoe.wait_for("a snapshot", ships, 60)
    mine = gbs.Gbs.of(fresh_server.create_subscription("full@example.org").nurls[0])
    stored = {}
    troubles = {failing_disk.FULL: lambda: "FAILS" in status_of_log(fresh_server),
                failing_disk.HANGING: lambda: seconds_behind(fresh_server) > WINDOW_S}
    for how, shows in troubles.items():
        disk.set(how)
        for number in range(20):
            data = f"{how} {number}".encode()
            stored[store(mine, data.decode(), data)] = data
        tahoe.wait_for("the trouble to be shown", shows, 60)
        disk.set(failing_disk.WELL)
        tahoe.wait_for("the log to be shipped again", ships, 120)
    store(mine, "last", b"last")
    time.sleep(WINDOW_S)
    fresh_server.kill()
    for name in ("s4.sqlite", "s4.sqlite-wal", "s4.sqlite-shm"):
        (fresh_server.state / name).unlink(missing_ok=True)
    s4.run("restore", "--log", log, "--state", fresh_server.state)
    fresh_server.start()
    for si, data in stored.items():
        assert mine.read(si, 0).body == data
