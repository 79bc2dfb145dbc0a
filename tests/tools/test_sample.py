"""The drawn sample: its layout, its labels, and that the same seed always writes the same bytes."""

import hashlib
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.helpers.scripts import ROOT
from tools.sample import make_sample
from tools.sample.sample_cli import main
from tools.sample.image import draw_image
from utils.errors import UserError, run

SIZE = (320, 180)
COUNTS = {"train": 5, "val": 3, "test": 2}
LISTS = {"train": "label.txt", "val": "tvval_label.txt", "test": "tvtest_label.txt"}


def files(folder):
    """{relative path: digest} of every file under a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def labels(folder, split):
    """{image name: (N, 4) boxes} of one split, read by the book: a '# name' line, then 'x y w h' lines."""
    faces = {}
    for line in (folder / split / LISTS[split]).read_text().splitlines():
        if line.startswith("# "):
            name = line[2:]
            assert name not in faces
            faces[name] = []
        else:
            assert re.fullmatch(r"\d+ \d+ \d+ \d+", line)
            faces[name].append([int(value) for value in line.split()])
    return {name: np.array(boxes).reshape(-1, 4) for name, boxes in faces.items()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "tv"
    make_sample(folder, COUNTS, SIZE, seed=3)
    return folder


def test_every_listed_image_opens_with_the_right_size(sample):
    for split, count in COUNTS.items():
        names = list(labels(sample, split))
        assert len(names) == count
        assert sorted(names) == sorted(path.name for path in (sample / split / "images").iterdir())
        for name in names:
            assert cv2.imread(str(sample / split / "images" / name)).shape == (SIZE[1], SIZE[0], 3)
        if split != "train":
            assert (sample / split / f"tv{split}_list.txt").read_text().splitlines() == names


def test_boxes_are_positive_and_inside(sample):
    for split in COUNTS:
        for boxes in labels(sample, split).values():
            assert len(boxes) >= 1
            assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] > 0).all()
            assert (boxes[:, :2] + boxes[:, 2:] <= SIZE).all()
            assert boxes[:, 3].max() >= 12


def test_same_seed_same_bytes_whatever_the_counts(sample, tmp_path):
    make_sample(tmp_path / "again", COUNTS, SIZE, seed=3)
    assert files(tmp_path / "again") == files(sample)
    make_sample(tmp_path / "fewer", {"train": 2, "val": 1, "test": 1}, SIZE, seed=3)
    whole = files(sample)
    fewer = {name: digest for name, digest in files(tmp_path / "fewer").items() if name.endswith(".jpg")}
    assert len(fewer) == 4
    assert all(whole[name] == digest for name, digest in fewer.items())


def test_splits_and_seeds_share_no_image(sample, tmp_path):
    make_sample(tmp_path / "other", COUNTS, SIZE, seed=4)
    images = [
        digest
        for folder in (sample, tmp_path / "other")
        for name, digest in files(folder).items()
        if name.endswith(".jpg")
    ]
    assert len(set(images)) == len(images) == 2 * sum(COUNTS.values())


def test_small_and_odd_sizes_hold_faces():
    for size in ((160, 90), (333, 187), (200, 200)):
        for index in range(4):
            image, boxes = draw_image(np.random.default_rng(index), size)
            assert image.shape == (size[1], size[0], 3) and image.dtype == np.uint8
            assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= size).all()
            assert boxes[:, 2].min() > 0 and boxes[:, 3].min() >= 12


def test_a_sample_is_replaced(tmp_path):
    tiny = {"train": 1, "val": 1, "test": 1}
    make_sample(tmp_path / "tv", {**tiny, "train": 2}, SIZE)
    make_sample(tmp_path / "tv", tiny, SIZE)
    assert len(labels(tmp_path / "tv", "train")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tv"]  # no temporary folder is left


@pytest.mark.parametrize("made_before", [False, True])
def test_foreign_files_are_left_alone(tmp_path, made_before):
    folder = tmp_path / "tv"
    if made_before:
        make_sample(folder, {"train": 1, "val": 1, "test": 1}, SIZE)
    (folder / "train").mkdir(parents=True, exist_ok=True)
    (folder / "train" / "mine.jpg").write_bytes(b"an image of mine")
    before = files(folder)
    with pytest.raises(UserError, match="move it away or give another folder"):
        make_sample(folder, COUNTS, SIZE)
    assert files(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tv"]


def test_a_stopped_run_keeps_the_earlier_sample(tmp_path, monkeypatch):
    folder = tmp_path / "tv"
    make_sample(folder, {"train": 1, "val": 1, "test": 1}, SIZE)
    before = files(folder)

    def stop(rng, size):
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.sample.folder.draw_image", stop)
    with pytest.raises(KeyboardInterrupt):
        make_sample(folder, COUNTS, SIZE)
    assert files(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tv"]


@pytest.mark.parametrize("wrong", [{"counts": {"train": 0, "val": 1, "test": 1}}, {"size": (64, 36)}, {"seed": -1}])
def test_senseless_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(UserError):
        make_sample(tmp_path / "tv", **wrong)
    assert not (tmp_path / "tv").exists()


def test_command_line(tmp_path):
    flags = ["--train", "1", "--val", "1", "--test", "1", "--width", "320", "--height", "180", "--seed", "3"]
    command = [sys.executable, "-m", "tools.sample", "--out", str(tmp_path / "tv"), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress bar where nobody watches
    note = (tmp_path / "tv" / "README.txt").read_text()
    assert note.startswith("Drawn by `python -m tools.sample` --seed 3 --train 1 --val 1 --test 1 --width 320")


def test_command_line_refuses_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["tools.sample", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as exit_:
        run(main)
    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {tmp_path}: holds something") and shown.count("\n") == 1
    assert files(tmp_path).keys() == {"notes.txt"}
