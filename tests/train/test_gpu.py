"""Training on a GPU."""

import pytest
import torch

from data.config import cfg_mnet
from data.dataset import FaceDataset
from engine.train.config import parse_config, resolve
from engine.train.main import build_run
from engine.train.state import RunState
from engine.train.step import train_step
from models.registry import find_network
from models.retinaface import RetinaFace
from tests.helpers.training import FAST
from utils.distributed import Ranks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
FLAGS = ["cuda:0" if flag == "cpu" else str(flag) for flag in FAST]


@pytest.mark.parametrize(
    "options",
    [(), ("--amp", "bf16"), ("--amp", "fp16"), ("--ema", "0.9", "--clip_norm", "1"), ("--recipe", "tuned")],
)
def test_a_step_never_waits_for_the_gpu(dataset, tmp_path, monkeypatch, options):
    arguments = ["train.py", "--training_dataset", str(dataset), "--save_folder", str(tmp_path), *FLAGS, *options]
    monkeypatch.setattr("sys.argv", arguments)
    config = resolve(parse_config(""), find_network("mobile0.25"), world_size=1, local_world_size=1, gpus=1)
    cfg = {**cfg_mnet, "image_size": config.image_size}
    faces = FaceDataset(dataset, config.image_size)
    device = torch.device("cuda:0")
    run, criterion, loader = build_run(RetinaFace(cfg), cfg, config, RunState(), faces, device, Ranks())
    batches = next(loader.steps(0, 0)).batches
    counts = batches[0].matches.counts.tolist()
    train_step(run, criterion, batches, counts)  # the first step selects algorithms and allocates memory
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = train_step(run, criterion, batches, counts)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses.isfinite().all()


@pytest.mark.parametrize("options", [(), ("--amp", "bf16"), ("--amp", "fp16")])
def test_a_training_on_the_gpu_resumes(script, dataset, tmp_path, options):
    where = ("--training_dataset", dataset, "--save_folder", tmp_path, *FLAGS, *options)
    assert script("train.py", *where, "--epochs", 2, "--val_dataset", dataset).status == 0
    outcome = script("train.py", "--save_folder", tmp_path, "--device", "cuda:0", "--resume", "--epochs", 3)
    assert outcome.status == 0, outcome.err
    assert "epoch 3/3 mean" in outcome.out
