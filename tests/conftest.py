"""Fixtures of all tests: reference material, small datasets, weights, and scripts run in this process."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from models.detector import Detector
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from tests.helpers.detections import DETECT_FLAGS
from tests.helpers.images import write_dataset
from tests.helpers.scripts import ROOT, SHARED, Outcome
from utils.checkpoint import save_state_dict


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference numbers, images, and weights beside the project; without it, the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference material in {SHARED}")
    return SHARED


@pytest.fixture
def script(monkeypatch, capfd):
    """Run a script of the repository from its root: script("train.py", "--epochs", 1) -> Outcome."""

    def call(name: str, *arguments) -> Outcome:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setattr(sys, "path", sys.path.copy())  # eval.py adds to it
        monkeypatch.chdir(ROOT)
        capfd.readouterr()
        status = 0
        try:
            runpy.run_path(str(ROOT / name), run_name="__main__")
        except SystemExit as stop:
            status = stop.code or 0
        captured = capfd.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Label file of six images with one or two faces."""
    boxes = {i: [(10 + 8 * i, 20, 30, 36), *[(80, 40, 24, 30)] * (i % 2)] for i in range(6)}
    return write_dataset(tmp_path / "faces", boxes)


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory) -> dict[str, Path]:
    """Files of random weights of the two published networks, by the value of --network."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {}
    for network in ("mobile0.25", "resnet50"):
        torch.manual_seed(0)
        paths[network] = folder / f"{network}.pth"
        save_state_dict(RetinaFace(NETWORKS[network].cfg), paths[network])
    return paths


@pytest.fixture
def detect(script, random_weights, tmp_path):
    """Run detect.py with random weights: detect(source, ...) -> Outcome; the output is in tmp_path / "out"."""
    flags = ("-m", random_weights["mobile0.25"], *DETECT_FLAGS, "--save_folder", tmp_path / "out")
    return lambda *arguments: script("detect.py", *flags, *arguments)


@pytest.fixture
def detector(random_weights) -> Detector:
    """The detector of the `detect` fixture."""
    return Detector.load(random_weights["mobile0.25"], "mobile0.25", "cpu", keep_top_k=4, confidence_threshold=0.3)
