"""What the tests share: the reference material, small pictures, and running a script as a user would."""

import json
import os
import runpy
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data import kernel
from data.config import NETWORKS
from data.sample.files import make_sample
from models.detector import Detector
from models.retinaface import RetinaFace
from utils import compiled
from utils.checkpoint import save_state_dict

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
DETECT_FLAGS = ("--network", "mobile0.25", "--cpu", "--keep_top_k", 4, "--confidence_threshold", 0.3)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference numbers, pictures and weights that lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference material in {SHARED}")
    return SHARED


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    def refuses(self, *parts: str) -> None:
        """Assert a user's error: status 2 and one line on stderr that has all the parts."""
        assert self.status == 2, self.err
        assert len(self.err.strip().splitlines()) == 1, self.err
        assert self.err.startswith("error: ")
        for part in parts:
            assert str(part) in self.err


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


def shown_in_terminal(columns: int, script: str, *arguments) -> str:
    """Return what a script shows in a terminal of so many columns; one of 0 does not know its size."""
    import fcntl  # here, since not every system has terminals of this kind
    import pty
    import termios

    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    command = [sys.executable, script, *map(str, arguments)]
    run = subprocess.Popen(command, cwd=ROOT, stdin=end, stdout=end, stderr=end)
    os.close(end)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
    os.close(terminal)
    assert run.wait() == 0, shown
    return shown.decode()


@contextmanager
def without_compiled(*modules: str) -> Iterator[None]:
    """Make compiled modules impossible to import within the block, as where they are not built."""
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setitem(sys.modules, module, None)
        compiled.load_compiled.cache_clear()
        compiled._warn.cache_clear()
        yield
    compiled.load_compiled.cache_clear()


@pytest.fixture(params=["compiled", "opencv"])
def either_way(request) -> Iterator[None]:
    """Run the test twice: with the extension and without."""
    if request.param == "compiled":
        assert kernel._compiled(), "build the extension first: python setup.py build_ext --inplace"
        yield
    else:
        with without_compiled("data._kernel"):
            yield


def draw_picture(path: Path, boxes: list[tuple[int, int, int, int]], size=(96, 128), seed: int = 0) -> None:
    """Write a noisy picture of (height, width) with a bright ellipse in each x y w h box."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 80, (*size, 3), dtype=np.uint8)
    for x, y, w, h in boxes:
        cv2.ellipse(image, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, (150, 180, 220), cv2.FILLED)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def dataset(tmp_path) -> Path:
    """A dataset of six pictures with a face or two; returns its label.txt."""
    lines = []
    for i in range(6):
        boxes = [(10 + 8 * i, 20, 30, 36)] + ([(80, 40, 24, 30)] if i % 2 else [])
        draw_picture(tmp_path / "faces" / "images" / f"{i}.jpg", boxes, seed=i)
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
    """Checkpoints of untrained networks, by the name of --network."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {}
    for network, cfg in NETWORKS.items():
        torch.manual_seed(0)
        paths[network] = folder / f"{network}.pth"
        save_state_dict(RetinaFace(cfg), paths[network])
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
        outcome = script("data/show/__main__.py", label, "--out", out, *flags)
        return outcome, cv2.imread(str(out))

    return call


@pytest.fixture
def detector(random_weights) -> Detector:
    return Detector.load(random_weights["mobile0.25"], "mobile0.25", "cpu", keep_top_k=4, confidence_threshold=0.3)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_faces(found: list[dict], image: np.ndarray, detector: Detector) -> None:
    """Assert that JSON has what the detector finds in a picture."""
    expected = detector(image)
    assert len(found) == len(expected.scores) > 0
    np.testing.assert_allclose([face["box"] for face in found], expected.boxes, atol=0.02)
    np.testing.assert_allclose([face["score"] for face in found], expected.scores, atol=1e-3)
