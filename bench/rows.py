"""The rows that the load generator measures, in the order of the table: what is asked of each server, and S4's aim."""

import dataclasses

import gbs

MB = 1_000_000
READ_INDEX, LIST_INDEX = gbs.storage_index("bench read"), gbs.storage_index("bench list")
_seed = [0]


def next_seed():
    _seed[0] += 1
    return _seed[0]


@dataclasses.dataclass
class Row:
    name: str
    operation: str
    path: str = ""        # of S4 and Tahoe
    nginx: str = ""       # the path that nginx is asked for in comparison; empty: nginx has nothing alike
    range: str = ""
    bytes: int = 0        # of a share
    volume: int = 0       # bytes in one run, for transfers; 0: as many as fit the time
    runs: int = 0         # 0: as many as are asked for
    aim: str = ""

    def applies(self, server):
        return server != "nginx" or bool(self.nginx)

    def operation_of(self, server):
        return self.operation

    def connections(self, wanted):
        """Transfers are measured at one and at eight: more do not fit two cores."""
        return wanted if not self.volume else [n for n in wanted if n <= 8 and n * self.bytes <= 2 * self.volume]

    def operations(self, connections):
        return max(connections, self.volume // self.bytes) if self.volume else 0

    def options(self, peer, turn, connections):
        path, wanted = (self.nginx, "") if peer.name == "nginx" else (self.path, self.range)
        out = dict(path=path, seed=next_seed())
        if wanted:
            out["range"] = wanted
        if self.operation in ("upload", "mutable"):
            out["bytes"] = self.bytes
        return out

    def prepare(self, servers):
        """Shares that reads and renewals need, made once on each server."""
        if self.operation == "get" and self.bytes:
            for peer in servers.values():
                if peer.name != "nginx":
                    store(peer.gbs, self.path.split("/")[4], self.bytes)
        if self.operation == "lease":
            for peer in servers.values():
                if peer.name != "nginx":
                    store(peer.gbs, self.path.split("/")[4], 1024)


def store(server, si, size):
    """One complete share 0; nothing if it is there."""
    if 0 in server.list(si).cbor():
        return
    assert server.allocate(si, {0}, size).cbor()["allocated"] == {0}
    piece = bytes(range(256)) * 4096
    for offset in range(0, size, len(piece)):
        server.write(si, 0, offset, piece[:min(len(piece), size - offset)])
    assert server.list(si).cbor() == {0}


def download(size, label, nginx):
    path = f"/storage/v1/immutable/{gbs.storage_index('download' + nginx)}/0"
    return Row(f"download of {label} shares", "get", path, "/" + nginx, bytes=size, volume=max(200 * MB, size),
               aim="1.1 times nginx's CPU per GB")


def upload(size, label, volume=100 * MB, runs=0):
    return Row(f"upload of {label} shares", "upload", bytes=size, volume=max(volume, size), runs=runs,
               aim="1.5 s CPU per GB, synced; +16 MiB")


ROWS = [
    Row("version", "get", "/storage/v1/version", "/empty", aim="1.2 times nginx's empty answer"),
    Row("read of 4 KiB", "get", f"/storage/v1/immutable/{READ_INDEX}/0", "/4k", range="0-4095", bytes=4096,
        aim="1.2 times nginx's 4 KiB file"),
    Row("list shares", "get", f"/storage/v1/immutable/{LIST_INDEX}/shares", "/4k", bytes=1024,
        aim="1.5 times nginx's 4 KiB file"),
    Row("create a 1 KiB share", "upload", bytes=1024,
        aim="synced; at 64: 0.2 ms CPU and 20 times Tahoe's rate; at 1: 2 times"),
    Row("mutable test-and-write, 1 KiB", "mutable", bytes=1024,
        aim="synced; at 64: 0.12 ms CPU and 10 times Tahoe's rate; at 1: Tahoe's rate"),
    Row("lease renewal", "lease", f"/storage/v1/lease/{LIST_INDEX}", aim="synced; at 64: 0.08 ms CPU"),
    upload(64_000, "64 kB", volume=16 * MB), upload(MB, "1 MB"), upload(16 * MB, "16 MB"), upload(100 * MB, "100 MB"),
    upload(1000 * MB, "1 GB", runs=1),
    download(MB, "1 MB", "1MB"), download(16 * MB, "16 MB", "16MB"), download(100 * MB, "100 MB", "100MB"),
    Row("new connection, one version", "connect", "/storage/v1/version", "/empty", aim="1.1 times nginx's"),
]
