"""What only a GPU can show of a training."""

import pytest
import torch

from data.config import cfg_mnet
from data.dataset import FaceDataset
from engine.train.config import fill_in, parse_flags
from engine.train.loop import Training
from models.retinaface import RetinaFace
from tests.helpers.training import FAST
from utils.distributed import Ranks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
FLAGS = ["cuda:0" if flag == "cpu" else str(flag) for flag in FAST]


@pytest.mark.parametrize("options", [(), ("--amp", "bf16"), ("--amp", "fp16"), ("--ema", "0.9", "--clip_norm", "1")])
def test_a_step_never_waits_for_the_gpu(dataset, tmp_path, monkeypatch, options):
    arguments = ["train.py", "--training_dataset", str(dataset), "--save_folder", str(tmp_path), *FLAGS, *options]
    monkeypatch.setattr("sys.argv", arguments)
    flags = fill_in(parse_flags(""), Ranks(), cards=1)
    cfg = {**cfg_mnet, "image_size": flags.image_size}
    faces = FaceDataset(dataset, flags.image_size)
    training = Training(RetinaFace(cfg), cfg, flags, faces, None, torch.device("cuda:0"), Ranks(), {})
    group = next(training._groups())
    counts, _, _ = training._agree(group)
    training.learner.step(group, counts)  # the first one finds algorithms and memory
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = training.learner.step(group, counts)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses.isfinite().all()


@pytest.mark.parametrize("options", [(), ("--amp", "bf16"), ("--amp", "fp16")])
def test_it_trains_and_goes_on(script, dataset, tmp_path, options):
    where = ("--training_dataset", dataset, "--save_folder", tmp_path, *FLAGS, *options)
    assert script("train.py", *where, "--epochs", 2, "--val_dataset", dataset).status == 0
    outcome = script("train.py", "--save_folder", tmp_path, "--device", "cuda:0", "--resume", "--epochs", 3)
    assert outcome.status == 0, outcome.err
    assert "epoch 3/3 mean" in outcome.out
