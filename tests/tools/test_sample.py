"""The drawn sample: its layout, its labels, its faces, and that the same seed always writes the same bytes."""

import hashlib
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.helpers.scripts import ROOT
from tools.sample import make_sample
from tools.sample.image import VISIBLE, compose, draw_image
from tools.sample.sample_cli import main
from utils.errors import UserError, run

SIZE = (320, 180)
COUNTS = {"train": 5, "val": 3, "test": 2}
TINY = dict.fromkeys(COUNTS, 1)
LABELS = {"train": "label.txt", "val": "tvval_label.txt", "test": "tvtest_label.txt"}


def digests(folder, suffix=""):
    """Return {relative path: digest} of every file under a folder."""
    paths = (path for path in sorted(folder.rglob(f"*{suffix}")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def read_labels(folder, split):
    """Return {image name: (N, 4) boxes} of a split: a '# name' line, then 'x y w h' lines."""
    faces = {}
    for line in (folder / split / LABELS[split]).read_text().splitlines():
        if line.startswith("# "):
            assert line[2:] not in faces
            boxes = faces[line[2:]] = []
        else:
            assert re.fullmatch(r"\d+ \d+ \d+ \d+", line)
            boxes.append([int(value) for value in line.split()])
    return {name: np.array(boxes).reshape(-1, 4) for name, boxes in faces.items()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample") / "tv"
    make_sample(folder, COUNTS, SIZE, seed=3)
    return folder


def test_every_listed_image_has_the_asked_size_and_faces(sample):
    for split, count in COUNTS.items():
        labels, images = read_labels(sample, split), sample / split / "images"
        assert len(labels) == count and sorted(labels) == sorted(path.name for path in images.iterdir())
        assert split == "train" or (sample / split / f"tv{split}_list.txt").read_text().split() == list(labels)
        for name, boxes in labels.items():
            assert cv2.imread(str(images / name)).shape == (SIZE[1], SIZE[0], 3) and len(boxes) >= 1


def test_one_seed_writes_the_same_bytes_for_any_counts(sample, tmp_path):
    make_sample(tmp_path / "again", COUNTS, SIZE, seed=3)
    assert digests(tmp_path / "again") == digests(sample)
    make_sample(tmp_path / "fewer", TINY, SIZE, seed=3)
    assert digests(tmp_path / "fewer", ".jpg").items() <= digests(sample, ".jpg").items()


def test_splits_and_seeds_share_no_image(sample, tmp_path):
    make_sample(tmp_path, COUNTS, SIZE, seed=4)
    images = [*digests(sample, ".jpg").values(), *digests(tmp_path, ".jpg").values()]
    assert len(set(images)) == len(images) == 2 * sum(COUNTS.values())


@pytest.mark.parametrize("size", [(160, 90), (333, 187), (200, 200)])
def test_small_and_odd_sizes_hold_faces_inside_the_image(size):
    for index in range(4):
        image, boxes = draw_image(np.random.default_rng(index), size)
        assert image.shape == (size[1], size[0], 3) and image.dtype == np.uint8
        assert (boxes[:, :2] >= 0).all() and (boxes[:, :2] + boxes[:, 2:] <= size).all()
        assert boxes[:, 2].min() > 0 and boxes[:, 3].min() >= 12


def test_boxes_are_tight_around_faces_that_can_be_seen():
    for index in range(20):
        _, boxes = draw_image(np.random.default_rng(index), SIZE)
        rng = np.random.default_rng(index)
        while True:
            _, outlines, seen = compose(rng, SIZE)
            if min(seen) >= VISIBLE:
                break
        for outline, (x, y, w, h) in zip(outlines, boxes, strict=True):
            corners = np.concatenate([outline.min(axis=0), outline.max(axis=0)]).clip(0, SIZE * 2)
            np.testing.assert_allclose(corners, [x, y, x + w, y + h], atol=0.5)


def test_faces_have_the_sizes_and_numbers_of_television():
    drawn = [draw_image(np.random.default_rng(index), SIZE)[1] for index in range(60)]
    heights = np.concatenate(drawn)[:, 3] / SIZE[1]
    assert 2 < np.mean([len(boxes) for boxes in drawn]) < 4
    assert 0.1 < np.median(heights) < 0.25 and heights.min() < 0.1 and heights.max() > 0.35


def test_a_sample_is_replaced(tmp_path):
    make_sample(tmp_path / "tv", {**TINY, "train": 2}, SIZE)
    make_sample(tmp_path / "tv", TINY, SIZE)
    assert len(read_labels(tmp_path / "tv", "train")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tv"]  # no temporary folder is left


@pytest.mark.parametrize("made_before", [False, True])
def test_foreign_files_are_never_replaced(tmp_path, made_before):
    folder = tmp_path / "tv"
    if made_before:
        make_sample(folder, TINY, SIZE)
    (folder / "train").mkdir(parents=True, exist_ok=True)
    (folder / "train" / "mine.jpg").write_bytes(b"an image of mine")
    before = digests(folder)
    with pytest.raises(UserError, match="move it away or give another folder"):
        make_sample(folder, COUNTS, SIZE)
    assert digests(folder) == before and [path.name for path in tmp_path.iterdir()] == ["tv"]


def test_a_stopped_run_keeps_the_earlier_sample(tmp_path, monkeypatch):
    make_sample(tmp_path / "tv", TINY, SIZE)
    before = digests(tmp_path)

    def stop(rng, size):
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.sample.folder.draw_image", stop)
    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path / "tv", COUNTS, SIZE)
    assert digests(tmp_path) == before and [path.name for path in tmp_path.iterdir()] == ["tv"]


@pytest.mark.parametrize("wrong", [{"counts": {"train": 0, "val": 1, "test": 1}}, {"size": (64, 36)}, {"seed": -1}])
def test_invalid_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(UserError):
        make_sample(tmp_path / "tv", **wrong)
    assert not (tmp_path / "tv").exists()


def test_the_command_notes_its_flags_beside_the_sample(tmp_path):
    flags = ["--train", "1", "--val", "1", "--test", "1", "--width", "320", "--height", "180", "--seed", "3"]
    command = [sys.executable, "-m", "tools.sample", "--out", str(tmp_path / "tv"), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""  # no progress bar where nobody watches
    assert done.stdout == f"{tmp_path / 'tv'}: 1 train, 1 val and 1 test images, 320 x 180\n"
    note = (tmp_path / "tv" / "README.txt").read_text()
    assert note.startswith("Drawn by `python -m tools.sample` --seed 3 --train 1 --val 1 --test 1 --width 320")


def test_the_command_refuses_a_foreign_folder_in_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["tools.sample", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as exit_:
        run(main)
    shown = capsys.readouterr().err
    assert exit_.value.code == 2
    assert shown.startswith(f"error: {tmp_path}: holds something") and shown.count("\n") == 1
    assert digests(tmp_path).keys() == {"notes.txt"}
