"""S4 as a subprocess, driven only by what any script may use: its command line, DIR/addresses.json and its ports."""

import dataclasses
import html.parser
import json
import os
import pathlib
import shlex
import signal
import sqlite3
import subprocess
import urllib.request

import tahoe

BINARY = pathlib.Path(os.environ.get("S4_BIN", pathlib.Path(__file__).resolve().parents[2] / "build/s4"))


def clean_environment(**more):
    """The environment without the S4_ names of the tests' own scripts, which the program would take for settings."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith("S4_")}, **more}


@dataclasses.dataclass
class Grid:
    """What a customer is given."""
    introducer_furl: str
    storage_furl: str
    nurls: list
    page: str
    subscription: str


def run(*args, check=True, timeout=60, env=None):
    """One call of the program; returns its CompletedProcess (text)."""
    done = subprocess.run([str(BINARY), *map(str, args)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=clean_environment(**(env or {})))
    if check and done.returncode != 0:
        raise tahoe.Failure(f"s4 {shlex.join(map(str, args))} -> {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Server:
    """`s4 serve` on one state directory. May be stopped, killed and started again; its ports stay the same."""

    def __init__(self, state, *flags, gate="127.0.0.1:0"):
        self.state = pathlib.Path(state)
        self.flags = flags
        self.gate_flag = gate
        self.environment = {}
        self.process = None

    @property
    def log_path(self):
        return self.state.parent / (self.state.name + ".log")

    def launch(self):
        """A process that is starting, for a caller who does not wait until it is ready."""
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                [str(BINARY), "serve", "--state", str(self.state), "--web", "127.0.0.1:0", "--gate", self.gate_flag,
                 "--admin", "127.0.0.1:0", *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(**self.environment))

    def start(self, seconds=60):
        assert self.process is None
        addresses = self.state / "addresses.json"
        addresses.unlink(missing_ok=True)
        self.process = self.launch()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"s4 serve ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            return addresses.exists()
        tahoe.wait_for("s4 serve to be ready", ready, seconds)
        self.addresses = json.loads(addresses.read_text())
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, seconds=40):
        """A planned stop; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def close(self):
        if self.process:
            self.kill()

    def command(self, *args, **kwargs):
        """A subcommand beside this server; the words before --state may be two."""
        return run(*args, "--state", self.state, **kwargs)

    def create_subscription(self, email, plan=None):
        of_plan = ("--plan", plan) if plan else ()
        made = json.loads(self.command("subscription", "create", "--email", email, *of_plan, "--json").stdout)
        return Grid(made["introducer_furl"], made["storage_furl"], made["nurls"], made["page"], made["subscription"])

    def _endpoint(self, name):
        text = self.addresses[name]
        host, port = text.split("//")[-1].rstrip("/").rsplit(":", 1)
        return host, int(port)

    @property
    def gate(self):
        return self._endpoint("gate")

    def web_url(self):
        return "http://%s:%d" % self._endpoint("web")

    def admin_url(self):
        return "http://%s:%d" % self._endpoint("admin")

    def page_url(self, grid):
        """Where the customer's page is; the program may print it whole or from the host on."""
        return grid.page if grid.page.startswith("http") else self.web_url() + grid.page

    def page(self, grid):
        with urllib.request.urlopen(self.page_url(grid), timeout=30) as answer:
            return Page(answer.read().decode(), answer.headers)

    def status_kb(self, field):
        """A figure of /proc/PID/status, such as VmRSS or VmHWM, in kB."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def database(self):
        """The path of the server's SQLite file."""
        for path in sorted(self.state.rglob("*")):
            if path.is_file() and path.open("rb").read(16) == b"SQLite format 3\0":
                return path
        raise tahoe.Failure(f"no database below {self.state}")

    def edit_database(self, sql, *values):
        assert self.process is None
        with sqlite3.connect(self.database()) as db:
            db.execute(sql, values)


class Page(html.parser.HTMLParser):
    """A served page: the text of each element that has an id, and of each that has a class."""

    VOID = {"meta", "link", "input", "br", "img", "hr", "path", "rect", "circle"}

    def __init__(self, text, headers):
        super().__init__()
        self.text, self.headers = text, headers
        self.ids, self.classes, self.links = {}, {}, []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [v for k, v in attributes.items() if k in ("href", "src", "action") and v]
        if tag not in self.VOID:
            self.open.append((tag, attributes.get("id"), (attributes.get("class") or "").split(), []))

    def handle_endtag(self, tag):
        while self.open:
            name, id_, classes, texts = self.open.pop()
            text = "".join(texts)
            if id_:
                self.ids[id_] = text
            for c in classes:
                self.classes.setdefault(c, []).append(text)
            if name == tag:
                return

    def handle_data(self, data):
        for element in self.open:
            element[3].append(data)

    def commands(self, name):
        """The command lines of one of the guide's steps: install, create, run, first."""
        lines = self.ids[name].replace("\\\n", " ").splitlines()
        return [l.strip() for l in lines if l.strip() and not l.strip().startswith("#")]
