"""The real Tahoe-LAFS introducer and storage node behind the same face as s4.Server.

Where S4 makes a grid in its one process, this starts two more. The tests of clients run against it with
S4_TEST_SERVER=tahoe: what fails there is wrong in the test, not in S4.
"""

import pathlib

import foolscap_peer
import s4
import tahoe
from allmydata.storage.http_common import get_spki_hash
from cryptography import x509


def nurl_of(node):
    """The NURL of a real storage node, from its certificate and its FURL."""
    certificate = x509.load_pem_x509_certificate((node.dir / "private/node.pem").read_bytes())
    furl = foolscap_peer.Furl(node.furl())
    return f"pb://{get_spki_hash(certificate).decode()}@{furl.host}:{furl.port}/{furl.name}#v=1"


class Server:
    """Grids of real Tahoe nodes below one directory."""

    def __init__(self, state):
        self.state = pathlib.Path(state)
        self.state.mkdir(parents=True)
        self.nodes = []

    def start(self):
        for node in self.nodes:
            node.start()
        return self

    def create_subscription(self, email):
        base = self.state / email
        base.mkdir()
        introducer = tahoe.Node.create_introducer(base / "introducer").start()
        storage = tahoe.Node.create_storage(base / "storage", introducer.furl()).start()
        self.nodes += [introducer, storage]
        return s4.Grid(introducer.furl(), storage.furl(), [nurl_of(storage)], None, email)

    def stop(self):
        for node in self.nodes:
            node.stop()
        return 0

    def kill(self):
        for node in self.nodes:
            node.kill()

    close = kill
