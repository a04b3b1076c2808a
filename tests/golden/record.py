"""Records the golden conversations: real 1.20 clients do ordinary things, taps on the listening sides write down the bytes.

    tests/golden/record [NAME ...]        all, or those whose name (gbs/sdmf, foolscap/introducer-master) is given
"""

import importlib.metadata
import pathlib
import shutil
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import foolscap_peer
import gbs
import gbs_probe
import handmade
import notation
import tahoe
from foolscap.api import Tub

PROGRAMS = ("tahoe-lafs", "foolscap", "Twisted", "klein", "cryptography", "pyOpenSSL")


def versions():
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in PROGRAMS) + f", Python {sys.version.split()[0]}"


def write(name, kind, about, facts, lines):
    path = HERE / f"{name}.golden"
    head = ["golden 1", f"kind {kind}", f"about {about}", f"with {versions()}"]
    head += [f"fact {k} {v}" for k, v in facts.items()]
    path.write_text("\n".join([*head, "", *lines]) + "\n")
    print(f"{name}: {len(lines)} lines, {path.stat().st_size} bytes")


def text(size, seed=0):
    """Plain data of a size, different for each seed."""
    return bytes((i * 7 + (i >> 8) * 3 + seed) & 0xFF for i in range(size))


def swissnum(furl):
    return furl.rsplit("/", 1)[1]


def tub_id(furl):
    return furl[5:37]


class Grid:
    """An introducer, a storage node and a client on loopback. `order` names the tubs by rising tub id, because the higher
    of two decides ("is the master"); `tapped` says whose listening side is recorded."""

    def __init__(self, base, tapped, order=None, force_foolscap=False):
        self.base = pathlib.Path(base)
        self.log = self.base / "tap.log"
        self.log.touch()
        launch = lambda name: ([sys.executable, str(HERE / "tap.py"), str(self.log)] if name == tapped else None)
        certificates = self.certificates(order)
        for name in ("introducer", "storage", "client"):
            if name == "introducer":
                node = tahoe.Node.create_introducer(self.base / name, launcher=launch(name))
            elif name == "storage":
                node = tahoe.Node.create_storage(self.base / name, self.introducer.furl(), launcher=launch(name))
                if force_foolscap:
                    node.set_config("storage", "force_foolscap", "true")
            else:
                node = tahoe.Node.create_client(self.base / name, self.introducer.furl(), launcher=launch(name))
            setattr(self, name, node)
            if name in certificates:
                shutil.copy(certificates[name], node.dir / "private" / "node.pem")
            if name != "client":
                node.start()

    def certificates(self, order):
        """Fresh tub certificates, such that the tub ids rise in the given order."""
        if not order:
            return {}
        made = []
        for i in range(len(order)):
            path = self.base / f"tub{i}.pem"
            made.append((Tub(certFile=str(path)).tubID, path))
        return {name: path for name, (_, path) in zip(order, sorted(made))}

    def mark(self):
        return len(self.log.read_text().splitlines())

    def settle(self):
        """Waits until nothing but version polls was tapped for a while: answers and closings are then in the log."""
        def quiet():
            events = notation.load(self.log)
            real = [e for e in events if e["event"] != "data" or b"/storage/v1/version" not in e["bytes"]
                    and b"application-version" not in e["bytes"]]
            return not real or time.time() - real[-1]["at"] > 1.5
        tahoe.wait_for("the recorded program to fall silent", quiet)

    def stop(self):
        for node in (self.client, self.storage, self.introducer):
            node.stop()


# --- GBS: each scenario is a function (client) -> facts, done on one grid that they share

def immutable_small(client):
    """Files of 56 and 1000 bytes: put, get, put again, check, check --verify --add-lease."""
    for size in (56, 1000):
        cap = client.put_file(text(size))
        assert client.read(cap) == text(size)
        assert client.put_file(text(size)) == cap
        client.check(cap)
        client.check(cap, verify=True, add_lease=True)


def immutable_segments(client):
    """A file of 2.5 MB, which is three segments: put, get, verify, read of a range. Share content is replaced by a pattern."""
    data = text(2_500_000)
    cap = client.put_file(data)
    assert client.read(cap) == data
    client.check(cap, verify=True)


def directory(client):
    """A directory of SDMF kind: made, filled, listed, an entry renamed and removed, checked deeply."""
    client.cli("create-alias", "home")
    client.cli("put", "-", "home:one", stdin=text(10))
    client.cli("put", "-", "home:two", stdin=text(900, 1))
    client.cli("mkdir", "home:sub")
    client.cli("mv", "home:two", "home:sub/three")
    assert client.text("ls", "home:sub") == "three"
    client.cli("unlink", "home:one")
    client.cli("deep-check", "--verify", "--add-lease", "home:")


def sdmf(client):
    """A mutable file of SDMF kind: created with 1000 bytes, rewritten longer, rewritten shorter, read, checked."""
    cap = client.put_file(text(1000), "SDMF")
    assert client.read(cap) == text(1000)
    client.overwrite(cap, text(3000, 1))
    assert client.read(cap) == text(3000, 1)
    client.overwrite(cap, text(10, 2))
    assert client.read(cap) == text(10, 2)
    client.check(cap, verify=True, add_lease=True)


def mdmf(client):
    """A mutable file of MDMF kind, 140,000 bytes in two segments: created, read, 500 bytes in its middle changed, read."""
    data = bytearray(text(140_000))
    cap = client.put_file(bytes(data), "MDMF")
    assert client.read(cap) == data
    data[70_000:70_500] = text(500, 9)
    client.overwrite(cap, text(500, 9), offset=70_000)
    assert client.read(cap) == data


def backup(client):
    """`tahoe backup` of a small tree, again without change, again after a change, and the tree copied back."""
    tree = client.dir / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "a.txt").write_bytes(text(200))
    (tree / "deep" / "b.txt").write_bytes(text(2000, 1))
    (tree / "deep" / "er" / "empty").write_bytes(b"")
    client.cli("create-alias", "backups")
    client.cli("backup", tree, "backups:tree")
    client.cli("backup", tree, "backups:tree")
    (tree / "a.txt").write_bytes(text(300, 5))
    client.cli("backup", tree, "backups:tree")
    client.cli("cp", "-r", "backups:tree/Latest", client.dir / "restored")
    restored = next((client.dir / "restored").rglob("b.txt"))
    assert restored.read_bytes() == text(2000, 1)


GBS = [immutable_small, immutable_segments, directory, sdmf, mdmf, backup]


def record_gbs(base, wanted):
    scenarios = [s for s in GBS if wanted(gbs_name(s))]
    if not scenarios and not wanted("gbs/first-contact"):
        return
    grid = Grid(base, tapped="storage")
    try:
        facts = {"swissnum": swissnum(grid.storage.furl())}
        grid.settle()
        start = grid.mark()
        grid.client.start().wait_connected()
        polls = lambda: len(notation.gbs_exchanges(notation.load(grid.log, start), keep_polls=True)) >= 8
        tahoe.wait_for("some version polls", polls)
        if wanted("gbs/first-contact"):
            exchanges = notation.gbs_exchanges(notation.load(grid.log, start), keep_polls=True)
            write("gbs/first-contact", "gbs", "Client and storage node meet the server; both then ask for the version every "
                  "second.", facts, notation.gbs_lines(exchanges[:8]))
        for scenario in scenarios:
            grid.settle()
            start = grid.mark()
            scenario(grid.client)
            grid.settle()
            exchanges = notation.gbs_exchanges(notation.load(grid.log, start))
            write(gbs_name(scenario), "gbs", " ".join(scenario.__doc__.split()), facts,
                  notation.gbs_lines(exchanges, patterned=scenario is immutable_segments))
    finally:
        grid.stop()


def record_probe(base, wanted):
    """The probe's requests with the real server's answers. Their secrets and indexes are the same each time."""
    if not wanted("gbs/probe"):
        return
    grid = Grid(base, tapped="storage")
    try:
        furl = foolscap_peer.Furl(grid.storage.furl())
        grid.settle()
        start = grid.mark()
        answers = gbs_probe.run(gbs.Gbs(furl.host, furl.port, furl.name), "golden")
        grid.settle()
        exchanges = notation.gbs_exchanges(notation.load(grid.log, start), keep_polls=True)
        exchanges = [e for e in exchanges if notation.field(e["request"][0], b"user-agent") is None
                     and notation.field(e["request"][0], b"accept-encoding") is None]
        assert len(exchanges) == len(answers)
        lines = []
        for (label, _), exchange in zip(answers, exchanges):
            lines += [f"# {label}", *notation.gbs_lines([exchange])]
        write("gbs/probe", "gbs", "Requests written by hand, good and bad, on a connection each. Errors of 500 are the real "
              "server's own, not to be copied; docs/differences.md says what S4 answers.", {"swissnum": furl.name}, lines)
    finally:
        grid.stop()


def record_handmade(base, wanted):
    for conversation in handmade.CONVERSATIONS:
        name = "foolscap/" + conversation.__name__.replace("_", "-")
        if not wanted(name):
            continue
        part = base / conversation.__name__
        part.mkdir()
        log = part / "tap.log"
        node = tahoe.Node.create_introducer(part / "introducer",
                                            launcher=[sys.executable, str(HERE / "tap.py"), str(log)]).start()
        try:
            furl = tahoe.wait_for("the FURL", lambda: foolscap_peer.Furl(node.furl()))
            conversation(furl)
            tahoe.wait_for("the log to end", lambda: time.time() - notation.load(log)[-1]["at"] > 1)
        finally:
            node.stop()
        facts = {"listener-tub": furl.tub_id, "swissnum": furl.name}
        write(name, "foolscap", " ".join(conversation.__doc__.split()), facts, notation.foolscap_lines(notation.load(log)))


def gbs_name(scenario):
    return "gbs/" + scenario.__name__.replace("_", "-")


# --- Foolscap

def introducer_conversation(base, master):
    order = ["storage", "client", "introducer"] if master else ["introducer", "client", "storage"]
    grid = Grid(base, tapped="introducer", order=order)
    try:
        grid.settle()
        grid.client.start().wait_connected()
        grid.settle()
        grid.client.stop()
        grid.settle()
        grid.storage.stop()
        grid.client.start()
        grid.settle()
    finally:
        grid.stop()
    furl = grid.introducer.furl()
    return {"listener-tub": tub_id(furl), "swissnum": swissnum(furl)}, notation.foolscap_lines(notation.load(grid.log))


def storage_conversation(base, master):
    order = ["client", "introducer", "storage"] if master else ["storage", "client", "introducer"]
    grid = Grid(base, tapped="storage", order=order, force_foolscap=True)
    try:
        grid.settle()
        client = grid.client.start().wait_connected()
        cap = client.put_file(text(3000))
        assert client.read(cap) == text(3000)
        assert client.put_file(text(3000)) == cap
        client.check(cap, verify=True, add_lease=True)
        cap = client.put_file(text(500), "SDMF")
        client.overwrite(cap, text(900, 1))
        assert client.read(cap) == text(900, 1)
        cap = client.put_file(text(2000), "MDMF")
        client.overwrite(cap, text(50, 2), offset=1000)
        grid.settle()
        client.stop()
        grid.settle()
    finally:
        grid.stop()
    furl = grid.storage.furl()
    return {"listener-tub": tub_id(furl), "swissnum": swissnum(furl)}, notation.foolscap_lines(notation.load(grid.log))


def record_foolscap(base, wanted):
    about = {
        "introducer": "A storage node publishes and subscribes, a client subscribes and is told, goes and comes back",
        "storage": "A storage node's own client and a client meet the storage server; the client stores, reads and checks an "
                   "immutable file of 3000 bytes, then an SDMF and an MDMF file",
    }
    for service, conversation in (("introducer", introducer_conversation), ("storage", storage_conversation)):
        for master in (True, False):
            name = f"foolscap/{service}-{'master' if master else 'slave'}"
            if wanted(name):
                part = base / name.replace("/", "-")
                part.mkdir()
                facts, lines = conversation(part, master)
                role = "master" if master else "slave"
                write(name, "foolscap", f"{about[service]}. The listener is {role} on every connection.", facts, lines)


def main(names):
    wanted = lambda name: not names or name in names
    for folder in ("gbs", "foolscap"):
        (HERE / folder).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="golden-") as base:
        base = pathlib.Path(base)
        for part in ("gbs", "probe"):
            (base / part).mkdir()
        record_gbs(base / "gbs", wanted)
        record_probe(base / "probe", wanted)
        record_handmade(base, wanted)
        record_foolscap(base, wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
