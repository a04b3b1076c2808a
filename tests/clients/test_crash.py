"""A hundred kills of the real server under load (tests/crash): nothing that was acknowledged is lost, no share is half there, and
usage is exact; also when the disk was full or failing before."""

import os
import pathlib
import subprocess
import sys

import pytest

CAMPAIGN = pathlib.Path(__file__).resolve().parent.parent / "crash" / "campaign.py"


@pytest.mark.timeout(1500)
@pytest.mark.s4_only
def test_a_hundred_kills_lose_nothing_that_was_acknowledged():
    seed = os.environ.get("CRASH_SEED", "1")
    done = subprocess.run([sys.executable, "-B", CAMPAIGN, "--kills", "100", "--seed", seed], capture_output=True, text=True,
                          timeout=1200)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


@pytest.mark.timeout(1500)
@pytest.mark.s4_only
def test_a_share_that_goes_missing_is_seen(tmp_path):
    """The campaign itself, on a server whose dead database loses a share, a lease, or the count of one."""
    for loss in ("share", "lease", "usage"):
        done = subprocess.run([sys.executable, "-B", CAMPAIGN, "--kills", "4", "--seed", "1", "--plant", loss],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 1, f"{loss}: {done.stdout}{done.stderr}"
        assert " 0 violations" not in done.stdout
