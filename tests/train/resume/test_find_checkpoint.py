"""Which checkpoint --resume continues from, and which ones it refuses."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from engine.train.checkpoints import find_last
from tests.helpers.train_process import SMALL
from tests.helpers.training import FAST, LAST
from utils.errors import UserError


@pytest.mark.parametrize("network", [None, "resnet18"])
def test_the_only_checkpoint_is_found(tmp_path, network):
    assert find_last(tmp_path, network) is None
    (tmp_path / "resnet18_last.ckpt").touch()
    assert find_last(tmp_path, network) == tmp_path / "resnet18_last.ckpt"


def test_network_chooses_between_two_checkpoints(tmp_path):
    for name in ("resnet18", "Resnet50"):
        (tmp_path / f"{name}_last.ckpt").touch()
    with pytest.raises(UserError, match="several networks; choose one with --network resnet18 or --network resnet50"):
        find_last(tmp_path, None)
    assert find_last(tmp_path, "resnet50") == tmp_path / "Resnet50_last.ckpt"
    with pytest.raises(UserError, match="resume with --network resnet18 or --network resnet50"):
        find_last(tmp_path, "mobile0.25")


def test_resume_needs_no_network(script, dataset, tmp_path):
    where = ("--training_dataset", dataset, "--save_folder", tmp_path, "--tensorboard", "false")
    assert script("train.py", *where, *FAST, "--network", "mobile0.5", "--epochs", 1).status == 0
    outcome = script("train.py", *where, "--resume", "--epochs", 2)
    assert outcome.status == 0, outcome.err
    assert "network  mobilenet0.5, " in outcome.out
    assert "epoch 2/2 mean" in outcome.out
    script("train.py", *where, "--resume", "--network", "resnet50").refuses(tmp_path, "--network mobile0.5")


def test_a_renamed_checkpoint_of_another_network_is_refused(train, folder, stopped):
    folder.mkdir()
    path = shutil.copy(stopped / LAST, folder / "Resnet50_last.ckpt")
    train("--network", "resnet50", "--resume").refuses(path, "'mobilenet0.25'")


def test_a_truncated_checkpoint_is_refused_and_kept(train, folder, stopped):
    folder.mkdir()
    content = (stopped / LAST).read_bytes()[:-1000]
    (folder / LAST).write_bytes(content)
    train("--resume").refuses(folder / LAST, "truncated")
    assert (folder / LAST).read_bytes() == content


class RunsCode:
    """A value that creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_code_in_a_checkpoint_never_runs(resume, folder, tmp_path):
    def add_code(content):
        content["state"]["epoch"] = RunsCode(tmp_path / "executed")

    resume(change=add_code).refuses(folder / LAST, "code")
    assert not (tmp_path / "executed").exists()


def without(content: dict, *names: str) -> dict:
    return {name: value for name, value in content.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda content: content["model"], ["not the checkpoint of a run", "--resume_net"]),
        (lambda content: {**content, "format": 99}, ["format 99"]),
        (lambda content: without(content, "ranks", "ema"), ["corrupt checkpoint: missing fields ema, ranks"]),
        (lambda content: {**content, "extra": 1}, ["corrupt checkpoint: unexpected fields extra"]),
        (lambda content: {**content, "state": {"epoch": 1}}, ["corrupt checkpoint"]),
        (lambda content: {**content, "state": without(content["state"], "phase")}, ["its state has no phase"]),
        (lambda content: {**content, "state": {**content["state"], "phase": 3}}, ["phase 3; expected 1 or 2"]),
        (lambda content: {**content, "state": {**content["state"], "far": 1}}, ["corrupt checkpoint"]),
        (lambda content: {**content, "optimizer": {}}, ["optimizer", "does not fit"]),
        (lambda content: content["model"].__delitem__("ClassHead.0.conv1x1.bias"), ["ClassHead.0.conv1x1.bias"]),
        (
            lambda content: content["model"].update({"ClassHead.0.conv1x1.bias": torch.zeros(9)}),
            ["1 of another shape (ClassHead.0.conv1x1.bias)"],
        ),
    ],
    ids=[
        "weights alone",
        "newer format",
        "missing fields",
        "unexpected field",
        "incomplete state",
        "no phase",
        "third phase",
        "other state",
        "no optimizer",
        "missing key",
        "other shape",
    ],
)
def test_a_corrupt_checkpoint_is_refused(resume, folder, change, parts):
    resume(change=change).refuses(folder / LAST, *parts)


def test_resume_net_refuses_a_checkpoint(train, stopped):
    defaults = [option for option in SMALL if option != "--no_pretrain"]
    train("--resume_net", stopped / LAST, defaults=defaults).refuses(stopped / LAST, "--resume", "name weights")


def test_resume_refuses_another_optimizer(resume, folder):
    resume("--optimizer", "adamw").refuses(folder / LAST, "optimizer")


def test_resume_refuses_other_initial_weights(resume, folder, stopped):
    other = stopped / "other.pth"
    resume("--resume_net", other).refuses(folder / LAST, "--resume_net", other)
