"""The table, the curves, and the TensorBoard events of a run."""

import csv
import errno
import os
import shutil
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from engine.train.curves import draw_training_curves
from engine.train.history import FIELDS, write_log
from engine.train.tensorboard import TensorBoard
from tests.helpers.scripts import ROOT
from tests.helpers.training import events, scalars
from utils.errors import UserError

pytest.importorskip("tensorboard")


def epoch(number: int, **changes) -> dict:
    row = {
        "epoch": number,
        "phase": 1,
        "lr": 1e-3,
        "box": 2 / number,
        "class": 3 / number,
        "landmark": 0.0,
        "total": 7 / number,
        "pictures_per_s": 123.456789,
        "data_wait": 0.25,
        "seconds": 60.0,
        "memory_gb": None,
        "unreadable": 0,
        "dev_ap": None,
    }
    return {**row, **changes}


def test_the_table_has_a_row_per_epoch(tmp_path):
    path = tmp_path / "run" / "net_log.csv"
    write_log(path, [epoch(1), epoch(2, phase=2, lr=1e-5, dev_ap=0.87654321, memory_gb=1.5, unreadable=3)])
    with path.open() as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == FIELDS
    assert (first["epoch"], first["lr"], first["pictures_per_s"]) == ("1", "0.001", "123.457")
    assert first["memory_gb"] == first["dev_ap"] == ""
    assert [second[field] for field in ("epoch", "phase", "lr", "class", "dev_ap", "memory_gb", "unreadable")] == [
        "2", "2", "1e-05", "1.5", "0.876543", "1.5", "3"
    ]  # fmt: skip
    write_log(path, [epoch(1)])
    assert len(path.read_text().splitlines()) == 2
    assert [file.name for file in path.parent.iterdir()] == ["net_log.csv"]


def test_a_table_or_curves_that_cannot_be_written_are_an_error(tmp_path):
    (tmp_path / "file").touch()
    for write, name in ((write_log, "net_log.csv"), (draw_training_curves, "net_curves.png")):
        with pytest.raises(UserError, match=name):
            write(tmp_path / "file" / name, [epoch(1)])


def draw(path, history) -> np.ndarray:
    draw_training_curves(path, history)
    return cv2.imread(str(path))


def shade(image: np.ndarray) -> list[int]:
    """Return the columns in which phase two is shaded, #fdf1d3."""
    return sorted(set(np.nonzero((image == (0xD3, 0xF1, 0xFD)).all(axis=2))[1].tolist()))


@pytest.mark.parametrize("epochs", [1, 2, 45])
def test_curves_have_a_panel_for_the_dev_ap_if_it_was_scored(tmp_path, epochs):
    history = [epoch(number) for number in range(1, epochs + 1)]
    bare = draw(tmp_path / "net_curves.png", history)
    history[-1]["dev_ap"] = 0.5
    scored = draw(tmp_path / "net_curves.png", history)
    assert bare.shape[1] == scored.shape[1] == 1200
    assert scored.shape[0] > bare.shape[0] + 200
    assert not shade(scored)
    assert [file.name for file in tmp_path.iterdir()] == ["net_curves.png"]


def test_the_epochs_of_phase_two_are_shaded(tmp_path):
    phase_one = [epoch(number, dev_ap=0.5) for number in range(1, 101)]
    after = shade(draw(tmp_path / "after.png", phase_one + [epoch(n, phase=2) for n in range(101, 111)]))
    overlapping = shade(draw(tmp_path / "overlapping.png", phase_one + [epoch(n, phase=2) for n in range(51, 61)]))
    axes = 1050  # pixels wide: 7 of 8 inches, for 110 epochs and for 100
    assert after[-1] - after[0] == pytest.approx(axes * 10 / 110, abs=3)
    assert overlapping[-1] - overlapping[0] == pytest.approx(axes * 10 / 100, abs=3)
    assert overlapping[0] - 105 == pytest.approx(axes * 50 / 100, abs=3)


def test_curves_of_zeros_with_an_unusual_file_name_are_drawn(tmp_path, capfd):
    zeros = dict.fromkeys(("lr", "box", "class", "total", "dev_ap"), 0.0)
    assert draw(tmp_path / "$x_{\u6587}_curves.png", [epoch(1, **zeros), epoch(2, **zeros)]) is not None
    assert capfd.readouterr() == ("", "")


def test_events_can_be_read_back(tmp_path):
    images = [np.full((40, 60, 3), (255, 0, 0), np.uint8), np.full((90, 30, 3), 200, np.uint8)]
    with TensorBoard(tmp_path / "new" / "runs", None) as board:
        board.scalars({"loss/box": 1.5, "dev_ap": None}, 1)
        board.scalars({"loss/box": 0.5, "dev_ap": 0.75}, 2)
        board.images("samples", images, 2)
        board.images("none", [], 2)
    board.scalars({"loss/box": 0.25}, 3)  # closed
    board.close()
    folder = tmp_path / "new" / "runs"
    assert scalars(folder, "loss/box") == [(1, 1.5), (2, 0.5)]
    assert scalars(folder, "dev_ap") == [(2, 0.75)]
    assert events(folder).Tags()["images"] == ["samples"]
    (shown,) = events(folder).Images("samples")
    image = cv2.imdecode(np.frombuffer(shown.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (shown.height, shown.width, 3) == (320, 640, 3)
    assert image[160, 160].tolist() == [255, 0, 0]  # still blue, after the conversion to RGB


def test_a_resumed_run_hides_earlier_events_after_its_first_step(tmp_path):
    with TensorBoard(tmp_path, None) as board:
        for step in range(1, 6):
            board.scalars({"total": step}, step)
    time.sleep(1.1)  # TensorBoard orders files by the second of their start
    with TensorBoard(tmp_path, 3) as board:
        board.scalars({"total": 40}, 4)
    assert scalars(tmp_path, "total") == [(1, 1), (2, 2), (3, 3), (4, 40)]


def test_tensorboard_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with TensorBoard(None, 3) as board:
        board.scalars({"total": 1.0}, 1)
        board.images("samples", [np.zeros((8, 8, 3), np.uint8)], 1)
    assert not list(tmp_path.iterdir())


def test_a_tensorboard_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "runs"):
        with pytest.raises(UserError, match=f"{folder}: .*cannot be written"):
            TensorBoard(folder)


def test_tensorboard_warns_once_if_its_folder_vanishes(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # prints a traceback, a warning for pytest
    folder = tmp_path / "runs"
    others = set(threading.enumerate())
    with TensorBoard(folder) as board:
        board.scalars({"total": 1.0}, 1)
        board._writer.flush()
        shutil.rmtree(folder)
        folder.touch()
        board.scalars({"total": 1.0, "box": 0.5}, 2)
        for thread in set(threading.enumerate()) - others:
            thread.join(60)
        board.scalars({"total": 1.0}, 3)
        board.scalars({"total": 1.0}, 4)
        board.images("samples", [np.zeros((8, 8, 3), np.uint8)], 4)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"warning: {folder}: ")


def test_tensorboard_finds_a_full_disk_at_the_start(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("engine.train.tensorboard.make_folder", lambda folder: folder)  # needs no free space
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(UserError, match=f"{tmp_path}: .*No space left"):
        TensorBoard(tmp_path)


def test_importing_tensorboard_prints_nothing():
    code = (
        "import engine.train.tensorboard, sys; assert 'tensorboard' not in sys.modules; import torch.utils.tensorboard"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
