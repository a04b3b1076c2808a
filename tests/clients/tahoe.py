"""Real Tahoe-LAFS nodes as subprocesses: introducers, storage nodes and clients.

A Node owns one node directory and at most one process. Nothing here knows who serves the grid: the same class makes the
clients of S4 and the reference servers that S4 is compared with. Ports come from the kernel, and every wait is for a
condition with a deadline.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

BIN = pathlib.Path(sys.executable).parent
LOOPBACK = "127.0.0.1"
PINNED = "1.20.0"  # the release of requirements.txt, which the tests themselves run in


class Failure(Exception):
    """A node or a command did not do what was asked; the text holds what it said."""


def free_port():
    """A port that nobody listens on. Tahoe takes no port zero, so there is a short moment in which another may take it."""
    with socket.socket() as s:
        s.bind((LOOPBACK, 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=60.0):
    """Polls condition() until it returns something true, and returns that; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (OSError, ValueError, KeyError, Failure) as e:
            last = e
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:.0f} s for {what}" + (f"; last: {last!r}" if last else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


class Release:
    """An installed release of Tahoe-LAFS. What an older one needs otherwise than the pinned one lies in a directory that
    its processes see first."""

    def __init__(self, version=PINNED):
        self.version = version
        if version == PINNED:
            self.launcher, self.env = [str(BIN / "tahoe")], None
        else:
            maker = pathlib.Path(__file__).resolve().parents[1] / "venv"
            made = subprocess.run([str(maker), version], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
            self.launcher = [sys.executable, f"{made}/bin/tahoe"]
            self.env = dict(os.environ, PYTHONPATH=made)
        # Releases before 1.19 speak only Foolscap. They do not watch their standard input, and know no option for it.
        self.speaks_gbs = tuple(map(int, version.split("."))) >= (1, 19)
        self.run_options = ["--allow-stdin-close"] if self.speaks_gbs else []

    def run(self, args, stdin=None, timeout=300, check=True, env=None, cwd=None):
        """Runs one `tahoe` command and returns its CompletedProcess (bytes)."""
        done = subprocess.run([*self.launcher, *map(str, args)], input=stdin if stdin is not None else b"",
                              capture_output=True, timeout=timeout, env=env or self.env, cwd=cwd)
        if check and done.returncode != 0:
            raise Failure(f"tahoe {' '.join(map(str, args))} -> {done.returncode}\n"
                          f"{done.stdout[-2000:].decode(errors='replace')}\n"
                          f"{done.stderr[-4000:].decode(errors='replace')}")
        return done


RELEASE = Release()


def run_tahoe(args, **kwargs):
    """Runs one command of the pinned release."""
    return RELEASE.run(args, **kwargs)


class Node:
    """One node directory, and its process while it runs. stop() or kill() ends the process; start() begins it again."""

    def __init__(self, basedir, launcher=None, env=None, release=RELEASE):
        self.dir = pathlib.Path(basedir)
        self.release = release
        self.launcher = launcher or release.launcher
        self.env = dict(release.env or os.environ, **(env or {}))
        self.process = None

    # --- making

    @classmethod
    def create_introducer(cls, basedir, port=None, **kwargs):
        port = port or free_port()
        run_tahoe(["create-introducer", f"--port=tcp:{port}:interface={LOOPBACK}", f"--location=tcp:{LOOPBACK}:{port}",
                   basedir])
        return cls(basedir, **kwargs)

    @classmethod
    def create_storage(cls, basedir, introducer_furl, port=None, **kwargs):
        port = port or free_port()
        run_tahoe(["create-node", f"--port=tcp:{port}:interface={LOOPBACK}", f"--location=tcp:{LOOPBACK}:{port}",
                   f"--webport=tcp:{free_port()}:interface={LOOPBACK}", f"--introducer={introducer_furl}",
                   "--nickname=storage", basedir])
        node = cls(basedir, **kwargs)
        node.set_config("storage", "reserved_space", "0")
        node.set_one_of_one()
        return node

    @classmethod
    def create_client(cls, basedir, introducer_furl, release=RELEASE, **kwargs):
        release.run(["create-client", f"--webport=tcp:{free_port()}:interface={LOOPBACK}",
                     f"--introducer={introducer_furl}", "--nickname=client", basedir])
        node = cls(basedir, release=release, **kwargs)
        node.set_one_of_one()
        return node

    def set_one_of_one(self):
        for key in ("shares.needed", "shares.happy", "shares.total"):
            self.set_config("client", key, "1")

    def set_config(self, section, key, value):
        path = self.dir / "tahoe.cfg"
        lines = path.read_text().splitlines()
        start = lines.index(f"[{section}]")
        end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("[")), len(lines))
        body = [l for l in lines[start + 1:end] if l.split("=")[0].strip().lstrip("#") != key]
        path.write_text("\n".join([*lines[:start + 1], f"{key} = {value}", *body, *lines[end:]]) + "\n")

    # --- running

    def start(self, seconds=90):
        assert self.process is None
        (self.dir / "node.url").unlink(missing_ok=True)
        log = open(self.dir / "output.log", "ab")
        self.process = subprocess.Popen([*self.launcher, "run", *self.release.run_options, str(self.dir)],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        log.close()
        wait_for(f"{self.dir.name} to start", self.is_up, seconds)
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.dir.name} ended at start:\n{self.output()[-4000:]}")
        if "web.port = tcp" in (self.dir / "tahoe.cfg").read_text():
            return (self.dir / "node.url").exists() and self.status() is not None
        port = next(l for l in (self.dir / "tahoe.cfg").read_text().splitlines() if l.startswith("tub.port"))
        with socket.create_connection((LOOPBACK, int(port.split(":")[1])), 1):
            return True

    def output(self):
        return (self.dir / "output.log").read_text(errors="replace")

    def stop(self, seconds=30):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    # --- facts

    @property
    def url(self):
        return (self.dir / "node.url").read_text().strip()

    def furl(self):
        """The FURL of an introducer, or of a storage node's storage server."""
        for name in ("introducer.furl", "storage.furl"):
            path = self.dir / "private" / name
            if path.exists():
                return path.read_text().strip()
        raise Failure(f"{self.dir} has no FURL")

    def status(self):
        return json.loads(self.get("?t=json"))

    def wait_connected(self, servers=1, seconds=60):
        """Waits until this client sees `servers` connected storage servers."""
        def connected():
            seen = [s for s in self.status()["servers"] if s["connection_status"].lower().startswith("connected")]
            return len(seen) >= servers
        wait_for(f"{self.dir.name} to connect to {servers} storage servers", connected, seconds)
        return self

    # --- the web API

    def request(self, method, path, data=None, timeout=300):
        """One request to the node's web API. Data may be bytes or an open file with known size. Returns the body."""
        headers = {"Content-Type": "application/octet-stream"}
        if hasattr(data, "read"):
            headers["Content-Length"] = str(os.fstat(data.fileno()).st_size)
        elif data is not None:
            headers["Content-Length"] = str(len(data))
        req = urllib.request.Request(self.url + path.lstrip("/"), data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(req, timeout=timeout) as answer:
                return answer.read()
        except urllib.error.HTTPError as e:
            raise Failure(f"{method} {path}: {e.code} {e.read()[-3000:].decode(errors='replace')}") from None

    def get(self, path, timeout=300):
        return self.request("GET", path, timeout=timeout)

    def put_file(self, data, fmt="CHK"):
        """Stores data without a directory entry; returns its capability (str)."""
        return self.request("PUT", f"uri?format={fmt}", data).decode().strip()

    def read(self, cap):
        return self.get("uri/" + urllib.parse.quote(cap, safe=""))

    def overwrite(self, cap, data, offset=None):
        suffix = "" if offset is None else f"?offset={offset}"
        return self.request("PUT", "uri/" + urllib.parse.quote(cap, safe="") + suffix, data)

    def check(self, cap, verify=False, add_lease=False):
        query = f"?t=check&output=JSON&verify={str(verify).lower()}&add-lease={str(add_lease).lower()}"
        return json.loads(self.request("POST", "uri/" + urllib.parse.quote(cap, safe="") + query, b""))

    # --- the command line

    def cli(self, *args, stdin=None, check=True, timeout=300):
        return self.release.run(["-d", self.dir, *args], stdin=stdin, check=check, timeout=timeout)

    def text(self, *args, **kwargs):
        return self.cli(*args, **kwargs).stdout.decode().strip()
