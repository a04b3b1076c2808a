"""Writes src/tahoe/testdata: share files as Tahoe-LAFS 1.20's own storage code writes them, of both kinds and both versions.

Run by hand, in the environment of tests/venv: PYTHON share_files.py. The files are committed; the secrets in them are made up.
"""

import pathlib

from allmydata.storage import immutable_schema, mutable_schema
from allmydata.storage.immutable import ShareFile
from allmydata.storage.lease import LeaseInfo
from allmydata.storage.mutable import MutableShareFile

OUT = pathlib.Path(__file__).resolve().parents[2] / "src/tahoe/testdata"
NODE = bytes(range(20))
ENABLER = bytes([0x77] * 32)


def lease(n):
    return LeaseInfo(1, bytes([n] * 32), bytes([0x80 + n] * 32), 1_700_000_000 + n, NODE)


def immutable(version, data, leases):
    path = OUT / f"immutable-v{version}-{leases}"
    path.unlink(missing_ok=True)
    schema = immutable_schema.schema_from_version(version)
    share = ShareFile(str(path), max_size=len(data), create=True, schema=schema)
    share.write_share_data(0, data)
    for n in range(1, leases + 1):
        share.add_lease(lease(n))


def mutable(version, data, leases, shrunk_to=None):
    path = OUT / f"mutable-v{version}-{leases}{'-shrunk' if shrunk_to is not None else ''}"
    path.unlink(missing_ok=True)
    (schema,) = [s for s in mutable_schema.ALL_SCHEMAS if s.version == version]
    share = MutableShareFile(str(path), schema=schema)
    share.create(NODE, ENABLER)
    share.writev([(0, data)], shrunk_to)
    for n in range(1, leases + 1):
        share.add_lease(10**6, lease(n))


OUT.mkdir(exist_ok=True)
for version in (1, 2):
    immutable(version, b"immutable data", 2)
    mutable(version, b"mutable data", 2)
    mutable(version, b"mutable data", 6)
immutable(2, b"", 0)
mutable(2, b"mutable data that is cut to less", 5, shrunk_to=12)
