"""Sign-ups made by a browser: tests/browser/visit.mjs as a function."""

import dataclasses
import json
import os
import pathlib
import subprocess

import s4

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "browser"
SCREENSHOTS = pathlib.Path(__file__).resolve().parents[2] / "build/screenshots"


@dataclasses.dataclass(frozen=True)
class Setting:
    """How somebody looks at the pages."""
    name: str
    width: int
    height: int
    scripts: bool = True
    keyboard: bool = False


WIDE = Setting("wide", 1280, 900)
NARROW_WITHOUT_SCRIPTS = Setting("narrow-without-scripts", 360, 740, scripts=False)
NARROW = Setting("narrow", 360, 740)
WIDE_WITHOUT_SCRIPTS = Setting("wide-without-scripts", 1280, 900, scripts=False)
KEYBOARD = Setting("keyboard", 1024, 768, keyboard=True)


def visit(server, email, setting):
    """One sign-up; returns what visit.mjs printed (see there)."""
    wish = dict(base=server.web_url(), email=email, shots=str(SCREENSHOTS / setting.name), width=setting.width,
                height=setting.height, scripts=setting.scripts, keyboard=setting.keyboard)
    done = subprocess.run(["node", "visit.mjs", json.dumps(wish)], cwd=FOLDER, capture_output=True, text=True, timeout=180,
                          stdin=subprocess.DEVNULL, env=s4.clean_environment(HOME=os.environ.get("HOME", "/tmp")))
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def grid_of(seen):
    """The grid that a visit ended with."""
    return s4.Grid(seen["introducer_furl"], seen["storage_furl"], seen["nurls"], seen["path"], seen["number"])
