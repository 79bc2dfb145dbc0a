"""What the tests share: the reference material, small images, and running a script as a user would."""

import runpy
import sys
from pathlib import Path

import cv2
import pytest
import torch

from models.detector import Detector
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from tests.helpers.detections import DETECT_FLAGS
from tests.helpers.images import draw_image
from tests.helpers.scripts import ROOT, SHARED, Outcome
from tools.sample.folder import make_sample
from utils.checkpoint import save_state_dict


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference numbers, images and weights that lies beside the project."""
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
    """A dataset of six images with a face or two; returns its label.txt."""
    lines = []
    for i in range(6):
        boxes = [(10 + 8 * i, 20, 30, 36)] + ([(80, 40, 24, 30)] if i % 2 else [])
        draw_image(tmp_path / "faces" / "images" / f"{i}.jpg", boxes, seed=i)
        lines += [f"# {i}.jpg", *(" ".join(map(str, box)) for box in boxes)]
    label = tmp_path / "faces" / "label.txt"
    label.write_text("\n".join(lines) + "\n")
    return label


@pytest.fixture(scope="session")
def drawn_sample(tmp_path_factory) -> Path:
    """A drawn dataset in the layout of TV Face, in which nothing is wrong; it belongs to all tests."""
    folder = tmp_path_factory.mktemp("sample") / "tvface"
    make_sample(folder, {"train": 60, "val": 4, "test": 4}, (640, 360))
    return folder


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory) -> dict[str, Path]:
    """Weights of the two published networks, untrained, by the value of --network."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {}
    for network in ("mobile0.25", "resnet50"):
        torch.manual_seed(0)
        paths[network] = folder / f"{network}.pth"
        save_state_dict(RetinaFace(NETWORKS[network].cfg), paths[network])
    return paths


@pytest.fixture
def detect(script, random_weights, tmp_path):
    """Run detect.py with random weights: detect(source, ...) -> Outcome; it writes to tmp_path / "out"."""
    flags = ("-m", random_weights["mobile0.25"], *DETECT_FLAGS, "--save_folder", tmp_path / "out")
    return lambda *arguments: script("detect.py", *flags, *arguments)


@pytest.fixture
def show(script, tmp_path):
    """Run the command: show(label, ...) -> its outcome and the sheet, None where there is none."""

    def call(label, *flags):
        out = tmp_path / "out" / "sheet.png"
        outcome = script("tools/show/__main__.py", label, "--out", out, *flags)
        return outcome, cv2.imread(str(out))

    return call


@pytest.fixture
def detector(random_weights) -> Detector:
    return Detector.load(random_weights["mobile0.25"], "mobile0.25", "cpu", keep_top_k=4, confidence_threshold=0.3)
