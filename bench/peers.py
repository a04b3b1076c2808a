"""The servers that are measured, behind one face: an address, what authorizes a request, and the processes that work."""

import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/clients"))

import gbs
import reference
import s4
import tahoe
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

MB = 1_000_000
# One grid stands for all customers here, so its plan must not be what is measured.
BENCH_PLAN = {"id": "bench", "name": "Bench", "quota_bytes": 10**12, "price_cents": 0, "currency": "EUR", "period": "month",
              "connections": 10_000, "unfinished_uploads": 1000}
# What the standard plans grant one grid, for what the grids do to each other.
SOLD_PLAN = {"id": "sold", "name": "Sold", "quota_bytes": 10**12, "price_cents": 0, "currency": "EUR", "period": "month",
             "bytes_per_second": 50_000_000}
NGINX_FILES = {"4k": 4096, "1MB": MB, "16MB": 16 * MB, "100MB": 100 * MB}


def cpu_s(pids):
    """CPU seconds that these processes and their threads have used, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_kb(pids, field="Pss"):
    """Proportional (or other) memory of processes by smaps_rollup, in kB."""
    total = 0
    for pid in pids:
        for line in open(f"/proc/{pid}/smaps_rollup"):
            if line.startswith(field + ":"):
                total += int(line.split()[1])
    return total


def forget_peaks(pids):
    for pid in pids:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kb(pids):
    """Most memory that was resident since forget_peaks(), in kB."""
    return sum(int(line.split()[1]) for pid in pids for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM:"))


@dataclasses.dataclass
class Peer:
    name: str
    host: str
    port: int
    authorization: str  # the header's value, or ""

    def pids(self):
        raise NotImplementedError


class TahoePeer(Peer):
    def __init__(self, base):
        self.server = reference.Server(base)
        self.grid = self.server.create_subscription("bench")
        fill(self, "tahoe", self.grid)

    def pids(self):
        return [self.server.nodes[1].process.pid]

    def introducer_pids(self):
        return [self.server.nodes[0].process.pid]

    def stop(self):
        self.server.stop()


class S4Peer(Peer):
    def __init__(self, base):
        base.parent.mkdir(parents=True, exist_ok=True)
        plans = base.parent / "plans.json"
        plans.write_text(json.dumps([BENCH_PLAN, SOLD_PLAN]))
        self.server = s4.Server(base, "--plans", plans).start()
        self.grid = self.server.create_subscription("bench@example.org")
        fill(self, "s4", self.grid)

    def pids(self):
        return [self.server.process.pid]

    introducer_pids = pids

    def stop(self):
        self.server.stop()


def fill(peer, name, grid):
    mine = gbs.Gbs.of(grid.nurls[0])
    Peer.__init__(peer, name, mine.host, mine.port, mine.authorization()[1])
    peer.gbs = mine


class NginxPeer(Peer):
    """One worker with a P-256 key and static files of the sizes that shares have in the other measurements."""

    CONFIG = """
daemon off; pid {base}/pid; error_log {base}/error.log; worker_processes 1; user {user};
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000; client_body_temp_path {base}/t1; proxy_temp_path {base}/t2;
  fastcgi_temp_path {base}/t3; uwsgi_temp_path {base}/t4; scgi_temp_path {base}/t5; ssl_session_cache off; ssl_session_tickets off;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.3; ssl_certificate {base}/cert.pem; ssl_certificate_key {base}/key.pem;
    default_type application/octet-stream; root {base}/files;
    location = /empty {{ return 200; }}
  }}
}}
"""

    def __init__(self, base):
        base = pathlib.Path(base)
        (base / "files").mkdir(parents=True)
        for name, size in NGINX_FILES.items():
            with open(base / "files" / name, "wb") as file:
                for _ in range(size // 4096 + 1):
                    file.write(os.urandom(4096)[:size - file.tell()])
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                       .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9))
                       .sign(key, hashes.SHA256()))
        (base / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (base / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        port = tahoe.free_port()
        user = "root" if os.getuid() == 0 else "nobody"
        (base / "nginx.conf").write_text(self.CONFIG.format(base=base, port=port, user=user))
        log = open(base / "output.log", "wb")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(base / "nginx.conf"), "-p", str(base)],
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        super().__init__("nginx", "127.0.0.1", port, "")
        tahoe.wait_for("nginx", lambda: gbs.Gbs("127.0.0.1", port, None).request("GET", "/empty").status == 200, 20)

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(c) for c in children]

    def stop(self):
        self.process.terminate()
        self.process.wait()
