"""Checkpoints of older versions of the program resume exactly.

Version 0.6.0 wrote checkpoints/mobilenet0.25_v0.6.0_last.ckpt when SIGTERM stopped it in epoch 2 of 3, before a phase
two of one epoch. v0.6.0_final.json describes the final weights after version 0.6.0 resumed that checkpoint.
"""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from engine.train.checkpoints import read_last
from engine.train.config import TrainConfig, from_saved, to_saved
from tests.helpers.training import LAST, final_weights, history

FOLDER = Path(__file__).parent / "checkpoints"
EXPECTED = json.loads((FOLDER / "v0.6.0_final.json").read_text())


@pytest.fixture
def label(tmp_path) -> Path:
    """The dataset of that run: six PNG images of noise with a bright square."""
    rng = np.random.default_rng(6)
    images = tmp_path / "images"
    images.mkdir()
    lines = []
    for i in range(6):
        image = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
        image[16:48, 8 * i : 8 * i + 32] = 200
        cv2.imwrite(str(images / f"{i}.png"), image)
        lines += [f"# {i}.png", f"{8 * i} 16 32 32"]
    (tmp_path / "label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "label.txt"


@pytest.fixture
def resumed(script, label, tmp_path) -> Path:
    """The folder of that run after train.py --resume, on one thread as the original."""
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(FOLDER / "mobilenet0.25_v0.6.0_last.ckpt", folder / LAST)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outcome = script("train.py", "--resume", "--save_folder", folder, "--training_dataset", label)
    finally:
        torch.set_num_threads(threads)
    assert outcome.status == 0, outcome.err
    (warning,) = outcome.err.strip().splitlines()
    assert "--training_dataset" in warning and ";" not in warning, "only the path of the dataset has changed"
    return folder


def test_a_run_of_version_0_6_0_resumes_to_the_same_weights(resumed):
    state = final_weights(resumed)
    means = {key: state[key].double().abs().mean().item() for key in EXPECTED["means"]}
    assert means == pytest.approx(EXPECTED["means"], rel=1e-4)  # processors round differently
    totals = [float(row["total"]) for row in history(resumed)]
    assert totals == pytest.approx([float(total) for total in EXPECTED["total"]], rel=1e-4)


def test_an_upgraded_checkpoint_keeps_every_value(tmp_path):
    path = shutil.copy(FOLDER / "mobilenet0.25_v0.6.0_last.ckpt", tmp_path / LAST)
    old, new = torch.load(path, weights_only=True), read_last(Path(path))
    assert new.config == old["flags"]
    assert (new.state["images_done"], new.state["evals_since_best"]) == (4, 0)
    assert new.state["totals"]["images"] == old["state"]["totals"]["pictures"] == 4
    assert new.state["totals"]["data_time"] == old["state"]["totals"]["waited"]
    assert new.state["history"] == old["state"]["history"]
    for name in ("name", "dataset", "ranks", "computer", "optimizer", "scaler", "ema"):
        assert str(getattr(new, name)) == str(old[name])


def test_options_that_a_checkpoint_lacks_have_their_defaults_and_unknown_ones_are_dropped():
    saved = to_saved(TrainConfig(lr=0.5, network="resnet50"))
    del saved["ema"], saved["clip_norm"]
    config = from_saved({**saved, "of_a_later_version": 1})
    assert config == TrainConfig(lr=0.5, network="resnet50")
