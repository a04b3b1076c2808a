"""A customer's computer: a home directory in which the commands of the subscription's page are run as they stand.

Only two things differ from a customer's: the page's install command is not run, since the pinned Tahoe-LAFS is there
already (it is linked to where the command would have put it), and the client's own web page gets a free port.
"""

import pathlib
import re
import shlex
import subprocess

import s4
import tahoe

VENV = tahoe.BIN.parent


class Computer:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True)

    def environment(self):
        return s4.clean_environment(HOME=str(self.home), PATH=f"{tahoe.BIN}:/usr/bin:/bin")

    def shell(self, command, timeout=120):
        done = subprocess.run(["bash", "-euc", command], cwd=self.home, env=self.environment(), capture_output=True,
                              text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise tahoe.Failure(f"{command}\n-> {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, commands):
        """Puts the pinned client where the page's install commands would put one."""
        text = "\n".join(commands)
        assert re.search(r"\btahoe-lafs\b", text), f"the page's commands do not install Tahoe-LAFS: {text}"
        made = re.search(r"-m venv (\S+)", text)
        if made:
            folder = made[1].strip("\"'").replace("$HOME", "~")
            path = self.home / folder.removeprefix("~/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(VENV)

    def follow(self, page):
        """Install and create, as the page says. Returns the client, not yet started, as a Node that runs the page's
        start command."""
        self.install(page.commands("install"))
        self.shell("\n".join(page.commands("create")))
        configs = [p for p in self.home.rglob("tahoe.cfg") if VENV not in p.resolve().parents]
        assert len(configs) == 1, f"the page's commands made {configs}"
        node = Client(configs[0].parent, self, page.commands("run"))
        node.set_config("node", "web.port", f"tcp:{tahoe.free_port()}:interface=127.0.0.1")
        return node


class Client(tahoe.Node):
    """A client that is started by the page's own command."""

    def __init__(self, basedir, computer, commands):
        super().__init__(basedir)
        self.computer = computer
        self.commands = commands

    def start(self, seconds=90):
        (self.dir / "node.url").unlink(missing_ok=True)
        with open(self.dir / "output.log", "ab") as log:
            self.process = subprocess.Popen(["bash", "-euc", "\n".join([*self.commands[:-1], "exec " + self.commands[-1]])],
                                            cwd=self.computer.home, env=self.computer.environment(), stdout=log, stderr=log,
                                            stdin=subprocess.PIPE)
        tahoe.wait_for(f"{shlex.join(self.commands)} to start a client", self.is_up, seconds)
        return self
