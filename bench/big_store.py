"""A store with many shares: what a start with it costs, and how fast it is checked and collected. S4 alone."""

import base64
import contextlib
import json
import os
import random
import shutil
import sqlite3
import statistics
import time

import fairness
import gbs
import load
import many_grids
import peers
import rows

GRIDS = 1000           # among which the shares of a start are dealt out
SMALL_BYTES = 300
LARGE_BYTES = 100_000  # more than what the database keeps
LARGE_EVERY = 10       # of a start's shares, one in ten is a blob's
STARTS = 3
READS = 1000
CHECKED_SMALL, CHECKED_LARGE = 100, 2000  # of a start's shares, one in so many is made for the check and the collection
UPLOADS_AT_ONCE = 64
DAY_S = 24 * 3600
# What fills one grid (docs/formats/storage-tables.md), from a table `number` that counts its shares. All in the order of the keys.
FILL = (
    f"""WITH made AS MATERIALIZED (SELECT randomblob(16) AS si, i FROM number)
        INSERT INTO storage_share SELECT :grid, si, 0, 0, i % {LARGE_EVERY} = 0,
               CASE WHEN i % {LARGE_EVERY} THEN {SMALL_BYTES} ELSE {LARGE_BYTES} END, :now_s * 1000000, :now_s, :now_s,
               CASE WHEN i % {LARGE_EVERY} THEN :first_id + i END, CASE WHEN i % {LARGE_EVERY} = 0 THEN randomblob(16) END
        FROM made ORDER BY si""",
    f"""INSERT INTO storage_small (id, data, crc32c) SELECT :first_id + i, :small, :crc32c FROM number WHERE i % {LARGE_EVERY}""",
    f"""INSERT INTO storage_lease (grid, si, renew_hash, share, cancel_hash, expires_s)
        SELECT grid, si, randomblob(32), 0, randomblob(32), :now_s + {31 * DAY_S} FROM storage_share
        WHERE grid = :grid ORDER BY si""",
    # A new grid has such a row: the service has looked at it as a client would.
    """INSERT INTO storage_usage SELECT :grid, count(*), sum(length), 1 FROM storage_share WHERE grid = :grid
       ON CONFLICT (grid) DO UPDATE SET shares = excluded.shares, data_bytes = excluded.data_bytes, changes = changes + 1""",
)
GRIDS_AT_ONCE = 20


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fill(path, grids, count):
    """Writes `count` shares' rows into a stopped server's database, in the order of their keys, and returns the small ones'
    indexes in the last grid. The large ones' blobs do not exist: no start looks at them; the scrub would, a minute later."""
    small, each = os.urandom(SMALL_BYTES), count // len(grids)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        # Nothing here needs to outlive a crash. The server turns its own log on again.
        for setting in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
            db.execute("PRAGMA " + setting)
        db.execute("CREATE TEMP TABLE number (i INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO number VALUES (?)", ((i,) for i in range(each)))
        first_id = db.execute("SELECT coalesce(max(id), 0) + 1 FROM storage_small").fetchone()[0]
        wanted = dict(now_s=int(time.time()), small=small, crc32c=crc32c(small))
        for begin in range(0, len(grids), GRIDS_AT_ONCE):
            db.execute("BEGIN")
            for i, grid in enumerate(grids[begin:begin + GRIDS_AT_ONCE], begin):
                for statement in FILL:
                    db.execute(statement, dict(wanted, grid=grid, first_id=first_id + i * each))
            db.execute("COMMIT")
        return [si for si, in db.execute("SELECT si FROM storage_share WHERE grid = ? AND length = ?", (grids[-1], SMALL_BYTES))]


def read(tls, mine, index):
    name = base64.b32encode(index).decode().lower().rstrip("=")
    tls.sendall(mine.bytes_of("GET", f"{gbs.PREFIX}immutable/{name}/0", [("Range", f"bytes=0-{SMALL_BYTES - 1}")], close=False))
    answer = gbs.read_answer(tls)
    assert (answer.status, len(answer.body)) == (206, SMALL_BYTES), answer


def reads(store, grid, indexes):
    """What the first read of all costs, and each of the next, no share twice."""
    mine = gbs.Gbs.of(grid.nurls[0])
    with mine.connect() as tls:
        tls.sendall(mine.bytes_of("GET", gbs.PREFIX + "version", close=False))
        assert gbs.read_answer(tls).status == 200
        begun, spent = time.monotonic(), load.Spent(store)
        read(tls, mine, indexes[0])
        first, took, spent = spent.figures()["cpu_s"], time.monotonic() - begun, load.Spent(store)
        others = random.sample(indexes[1:], min(READS, len(indexes) - 1))
        for index in others:
            read(tls, mine, index)
        return {"first read, ms": took * 1e3, "first read, ms CPU": first * 1e3,
                "reads after it, ms CPU": spent.figures()["cpu_s"] / len(others) * 1e3}


def start(peer, wish, base):
    """Until a server with many shares is ready, what it takes then, and what the first reads cost."""
    if peer.name == "tahoe":
        return None
    store = peers.S4Peer(base / "big")
    try:
        many_grids.create(store.server, GRIDS - 1, "big")
        last = store.server.create_subscription("last@example.org")
        store.server.stop()
        database = store.server.database()
        with contextlib.closing(sqlite3.connect(database)) as db:
            grids = [id_ for id_, in db.execute("SELECT id FROM grids ORDER BY id")][-GRIDS:]
        begun = time.monotonic()
        indexes = fill(database, grids, wish.shares)
        print(f"{wish.shares:,} shares in {time.monotonic() - begun:.0f} s, {database.stat().st_size:,} bytes", flush=True)
        times, cpu = [], []
        for turn in range(STARTS + 1):
            begun = time.monotonic()
            store.server.start()
            if turn:  # the first one comes upon what the filling left in memory and unwritten
                times.append(time.monotonic() - begun)
                cpu.append(peers.cpu_s(store.pids()))
            if turn < STARTS:
                store.server.stop()
        resident = peers.memory_kb(store.pids(), "Rss")
        return {"start to ready, ms": statistics.median(times) * 1e3, "start, ms CPU": statistics.median(cpu) * 1e3,
                "MiB resident after the start": resident / 1024,
                "bytes on disk a share": database.stat().st_size / wish.shares, **reads(store, last, indexes)}
    finally:
        store.server.close()
        shutil.rmtree(store.server.state, ignore_errors=True)


def named(what, figures):
    return {f"{what}, {name}": value for name, value in figures.items()}


class Timed:
    """One command of the operator beside the server, and what the server spent."""

    def __init__(self, store, *words):
        begun, spent = time.monotonic(), load.Spent(store)
        done = store.server.command("storage", *words, "--json", timeout=600)
        self.said, self.seconds = json.loads(done.stdout), time.monotonic() - begun
        self.spent = spent.figures()

    def per_share(self, shares):
        return {"shares a second": shares / self.seconds, "us CPU a share": self.spent["cpu_s"] / shares * 1e6}


def count(store, table):
    with contextlib.closing(sqlite3.connect(store.server.database())) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def upload(store, shares, size):
    load.measure(store, "upload", UPLOADS_AT_ONCE, 0, operations=shares, bytes=size, seed=rows.next_seed())


def restart_later(store, days):
    assert store.server.stop() == 0
    store.server.environment = {"S4_TEST_CLOCK_OFFSET_S": str(days * DAY_S)}
    store.server.start()


def order_expiry(store, grids):
    """What the customers' pages write when expiry is switched on; the server does not run."""
    with contextlib.closing(sqlite3.connect(store.server.database())) as db, db:
        for grid in grids:
            db.execute("INSERT INTO storage_collection (grid, kind, before_s, asked_by, asked_s, marked_s, ended_by, ended_s, "
                       "swept, shares, data_bytes) VALUES (?, 0, 0, 'customer', ?, 0, '', 0, 0, 0, 0)",
                       (int(grid.subscription), int(time.time())))


def checks(store, small, large):
    """Both grids, one after the other."""
    few, many = Timed(store, "check", large.subscription), Timed(store, "check", small.subscription)
    for check in (few, many):
        assert check.said["problems"] == 0, check.said
    return {**named("check, small shares", many.per_share(many.said["shares"])),
            **named("check, shares of 100 kB", few.per_share(few.said["shares"])),
            "check, shares of 100 kB, MB a second": few.said["bytes"] / few.seconds / 1e6,
            "check, shares of 100 kB, s CPU a GB": few.spent["cpu_s"] / few.said["bytes"] * 1e9}


def collection(store):
    """Both passes. The service does some steps by itself beside the command: what is counted is what was done meanwhile."""
    restart_later(store, 32)
    before = count(store, "storage_mark")
    marking = Timed(store, "collect", "--confirm-clock")
    marked = count(store, "storage_mark") - before
    assert count(store, "storage_mark") == count(store, "storage_share")
    restart_later(store, 34)
    before = count(store, "storage_share")
    deleting = Timed(store, "collect")
    assert count(store, "storage_share") == 0, deleting.said
    return {**named("collection, marking", marking.per_share(marked)), **named("collection, deleting", deleting.per_share(before)),
            "collection, MiB more at its peak": max(p.spent["peak_growth_mib"] for p in (marking, deleting))}


def care(peer, wish, base):
    """Checks many small and some large shares; 32 days later marks all of them as not renewed, and then deletes them."""
    if peer.name == "tahoe":
        return None
    store = peers.S4Peer(base / "care")
    try:
        large = store.server.create_subscription("large@example.org")
        upload(store, wish.shares // CHECKED_SMALL, SMALL_BYTES)
        upload(fairness.view_of(store, large), wish.shares // CHECKED_LARGE, LARGE_BYTES)
        out = checks(store, store.grid, large)
        assert store.server.stop() == 0
        order_expiry(store, (store.grid, large))
        store.server.start()
        return out | collection(store)
    finally:
        store.server.close()
        shutil.rmtree(store.server.state, ignore_errors=True)
