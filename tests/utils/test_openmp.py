"""The scripts let idle OpenMP threads sleep after a short spin, unless the user has set how they wait."""

import os
import re
import subprocess
import sys

import pytest

from tests.helpers.scripts import ROOT


@pytest.mark.parametrize(
    ("script", "setting", "spin_count"),
    [
        ("train.py", {}, "1000"),
        ("train.py", {"OMP_WAIT_POLICY": "PASSIVE"}, "0"),
        ("val_tvface.py", {}, "1000"),
        ("detect.py", {"GOMP_SPINCOUNT": "5000"}, "5000"),
    ],
)
def test_threads_spin_briefly_unless_the_user_sets_how_they_wait(script, setting, spin_count):
    environment = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", **setting}
    run = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\w+)'", run.stderr)
    if found is None:
        pytest.skip("PyTorch was not built with GNU OpenMP")
    assert found[1] == spin_count
