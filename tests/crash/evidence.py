"""What lies on the disk of a dead server: a copy of its database is opened, so that nothing of the original is changed."""

import pathlib
import shutil
import sqlite3
import tempfile

from clients import raw
from model import OVERHEAD


class Evidence:
    def __init__(self, database):
        self.folder = tempfile.TemporaryDirectory()
        database = pathlib.Path(database)
        for path in database.parent.glob(database.name + "*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, self.folder.name)
        self.db = sqlite3.connect(pathlib.Path(self.folder.name) / database.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.db.close()
        self.folder.cleanup()

    def usage(self):
        """Sentences about grids whose counted usage is not what their shares sum up to."""
        counted = {g: (s, d) for g, s, d in self.db.execute("SELECT grid, shares, data_bytes FROM storage_usage")}
        summed = {g: (s, d) for g, s, d in self.db.execute(
            "SELECT grid, COUNT(*), SUM(length) FROM storage_share GROUP BY grid")}
        return [f"grid {g}: (shares, bytes) counted {counted.get(g, (0, 0))}, there are {summed.get(g, (0, 0))}"
                for g in sorted({*counted, *summed}) if counted.get(g, (0, 0)) != summed.get(g, (0, 0))]

    def used(self):
        shares, data = self.db.execute("SELECT COALESCE(SUM(shares), 0), COALESCE(SUM(data_bytes), 0) "
                                       "FROM storage_usage").fetchone()
        return data + shares * OVERHEAD

    def leases(self, index):
        """number: set of hashes, for each share of the index that is there."""
        out = {n: set() for n, in self.db.execute("SELECT share FROM storage_share WHERE si = ?", (raw(index.si),))}
        for number, hashed in self.db.execute("SELECT share, renew_hash FROM storage_lease WHERE si = ?",
                                              (raw(index.si),)):
            out.setdefault(number, set()).add(bytes(hashed))
        return out
