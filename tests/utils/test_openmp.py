"""The scripts let idle OpenMP threads sleep, unless the user decides otherwise."""

import os
import re
import subprocess
import sys

import pytest

from tests.helpers.scripts import ROOT


@pytest.mark.parametrize(
    ("script", "setting", "spins"),
    [
        ("train.py", {}, False),
        ("train.py", {"OMP_WAIT_POLICY": "ACTIVE"}, True),
        ("val_tvface.py", {}, False),
        ("detect.py", {"GOMP_SPINCOUNT": "5000"}, True),
    ],
)
def test_idle_threads_sleep_by_default_and_spin_if_the_user_says_so(script, setting, spins):
    environment = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", **setting}
    run = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\w+)'", run.stderr)
    if found is None:
        pytest.skip("PyTorch was not built with GNU OpenMP")
    assert (found[1] != "0") == spins
