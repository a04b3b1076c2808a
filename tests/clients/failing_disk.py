"""A disk that fails when told to: failing_disk.cc, preloaded into a server."""

import pathlib
import struct
import subprocess

WELL, FULL, IO_ERRORS, HANGING = range(4)
ALL = 1_000_000


class FailingDisk:
    """For servers started with environment(); the files whose path begins with `within`, or all."""

    def __init__(self, folder, within=None):
        self.control = folder / "disk"
        self.within = within
        self.set(WELL)
        self.preloaded = folder / "failing_disk.so"
        source = pathlib.Path(__file__).resolve().with_suffix(".cc")
        subprocess.run(["clang++-19", "-std=c++20", "-O1", "-shared", "-fPIC", "-o", self.preloaded, source], check=True)

    def set(self, how, per_million=ALL):
        with open(self.control, "r+b" if self.control.exists() else "wb") as file:
            file.write(struct.pack("<II", how, per_million))

    def environment(self):
        return {"LD_PRELOAD": str(self.preloaded), "S4DISK_CONTROL": str(self.control),
                **({"S4DISK_WITHIN": str(self.within)} if self.within else {})}
