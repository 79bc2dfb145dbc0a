"""Several ranks train as one process does, and none leaves the others waiting."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from data import cfg_mnet
from engine.train.checkpoints import read_last
from models.retinaface import RetinaFace
from tests.helpers.scripts import ROOT
from tests.helpers.train_process import SMALL, TrainProcess
from tests.helpers.training import (
    LAST,
    assert_same_run,
    draw_dataset,
    environments,
    final_weights,
    history,
)
from utils.distributed import init_distributed
from utils.errors import UserError


@pytest.fixture
def start(label, folder):
    """Start the ranks of a small training: start("--epochs", 1, ranks=2) -> [TrainProcess] * 2."""
    processes = []

    def call(*options, ranks: int = 2, fault: str = "none=0", env=None, folder=folder) -> list[TrainProcess]:
        arguments = ("--training_dataset", label, *SMALL, *options)
        each = environments(ranks) if ranks > 1 else [{}]
        started = [TrainProcess(folder, fault, *arguments, env={**own, **(env or {})}) for own in each]
        processes.extend(started)
        return started

    yield call
    for process in processes:
        process.close()


@pytest.fixture
def train(start):
    """Run the ranks of a small training until they end; return the Outcome of each."""
    return lambda *options, **settings: [process.end() for process in start(*options, **settings)]


@pytest.fixture(scope="module")
def uninterrupted(label, tmp_path_factory) -> Path:
    """The folder of an uninterrupted run of two ranks."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    arguments = ("--training_dataset", label, *SMALL)
    for process in [TrainProcess(folder, "none=0", *arguments, env=env) for env in environments(2)]:
        outcome = process.end()
        assert outcome.status == 0, outcome.err
    return folder


@pytest.mark.parametrize(
    ("ranks", "batch", "flags"),
    [
        (2, ("--batch_size", 24), ()),
        (3, ("--batch_size", 24), ("--clip_norm", 1)),
        (1, ("--batch_size", 12, "--accumulate", 2), ()),
        (
            2,
            ("--batch_size", 12, "--accumulate", 2),
            ("--ema", 0.5, "--ema_warmup", "--recipe", "tuned", "--optimizer", "sgd", "--lr", 1e-3),
        ),
    ],
)
def test_the_weights_depend_on_neither_ranks_nor_accumulation(train, tmp_path, ranks, batch, flags):
    """Each step has all 22 images; batch normalization is fixed, so that it does not depend on their shares."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    flags = ("--epochs", 3, "--lr", 0.01, *flags)
    for folder, size, number in ((alone, ("--batch_size", 24), 1), (together, batch, ranks)):
        outcomes = train(*flags, *size, ranks=number, fault="frozen_bn=1", folder=folder)
        assert [each.status for each in outcomes] == [0] * number, outcomes
    for row, expected in zip(history(together), history(alone), strict=True):
        for name in ("box", "class", "total"):
            assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-5)
    found, expected = (final_weights(folder) for folder in (together, alone))
    for key in expected:
        torch.testing.assert_close(found[key], expected[key], rtol=1e-5, atol=1e-5)


def test_two_ranks_have_the_gradients_of_one_process(train, tmp_path):
    """One step at lr 1, without momentum and weight decay, subtracts the gradients from the weights."""
    flags = ("--epochs", 1, "--batch_size", 24, "--momentum", 0, "--weight_decay", 0)
    runs = {"start": (1, 0), "alone": (1, 1), "together": (2, 1)}
    for name, (ranks, lr) in runs.items():
        outcomes = train(*flags, "--lr", lr, ranks=ranks, fault="frozen_bn=1", folder=tmp_path / name)
        assert {each.status for each in outcomes} == {0}, outcomes
    start, alone, together = (final_weights(tmp_path / name) for name in runs)
    largest = 0.0
    for key in start:
        gradient = alone[key] - start[key]
        largest = max(largest, gradient.abs().max().item())
        torch.testing.assert_close(together[key] - start[key], gradient, rtol=1e-5, atol=1e-5)
    assert largest > 0.1


def test_each_image_belongs_to_one_rank_and_only_the_main_rank_prints(train, tmp_path):
    image_log = tmp_path / "images.txt"
    first, second = train("--log_every", 1, env={"IMAGE_LOG": str(image_log)})
    assert sorted(image_log.read_text().splitlines()) == sorted(
        f"{epoch} {i}.jpg" for epoch in (1, 2) for i in range(22)
    )
    assert [line.split(" box ")[0] for line in first.out.splitlines() if line.startswith("epoch 1/2")] == [
        *(f"epoch 1/2 step {step}/3" for step in (1, 2, 3)),
        "epoch 1/2 mean",
    ]
    assert "batch 8, shared by 2 ranks" in first.out
    assert (first.err, second.out, second.err) == ("", "", "")


def test_a_rank_that_hangs_ends_the_run_after_the_timeout(start, folder):
    first, second = start("--rank_timeout", 0.1, "--log_every", 1, fault="hang_step=5@1")
    first.end(30).refuses("rank 0: another rank ended, or did not answer within 0.1 minutes", "--rank_timeout")
    assert second.process.is_alive()
    assert read_last(folder / LAST).state["epoch"] == 1
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("[/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4711", UserError),
        ("Timed out waiting 3000ms for recv operation to complete", UserError),
        ("Application timeout caused pair closure", UserError),
        ("The size of tensor a (3) must match the size of tensor b (4)", RuntimeError),
    ],
)
def test_errors_of_a_lost_rank_are_recognized(monkeypatch, message, error):
    for name, value in environments(2)[1].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("utils.distributed._connect", lambda *_: None)
    expected = "rank 1: another rank ended" if error is UserError else "size of tensor"
    with pytest.raises(error, match=expected), init_distributed(torch.device("cpu"), 1):
        raise RuntimeError(message)


def test_a_killed_rank_ends_the_others_and_the_run_resumes(train, folder, uninterrupted):
    first, second = train("--save_minutes", 0, fault="kill_step=5@1")
    assert second.status == -signal.SIGKILL
    first.refuses("rank 0: another rank ended", "--resume")
    assert {each.status for each in train("--resume")} == {0}
    assert_same_run(folder, uninterrupted)


def test_three_ranks_resume_exactly(train, folder, tmp_path):
    """The sum of three numbers depends on their order, which must not change when a run is resumed."""
    assert [each.status for each in train(ranks=3, folder=tmp_path / "uninterrupted")] == [0, 0, 0]
    assert [each.status for each in train(ranks=3, fault="term_step=2@0")] == [143] * 3
    assert [each.status for each in train("--resume", ranks=3)] == [0, 0, 0]
    assert_same_run(folder, tmp_path / "uninterrupted")


def test_a_signal_ends_a_rank_that_waits_for_others(label, folder):
    first = TrainProcess(folder, "none=0", "--training_dataset", label, *SMALL, env=environments(2)[0])
    time.sleep(1)  # it starts to wait after a fifth of that; before, it must end as well
    first.send(signal.SIGTERM)
    assert first.end(5).status == -signal.SIGTERM


def test_missing_variables_of_torchrun_are_refused(train):
    (alone,) = train(ranks=1, env={"WORLD_SIZE": "2", "RANK": "0"})
    alone.refuses("WORLD_SIZE", "LOCAL_RANK and MASTER_ADDR and MASTER_PORT not", "start with torchrun")


@pytest.mark.parametrize("fault", ["term_step=2@1", "term_step=2@0", "interrupt_step=5"])
def test_a_signal_to_one_rank_ends_all_with_a_checkpoint(train, folder, uninterrupted, fault):
    outcomes = train(fault=fault)
    assert [each.status for each in outcomes] == [130 if "interrupt" in fault else 143] * 2, outcomes
    assert "Traceback" not in outcomes[0].err + outcomes[1].err
    assert {each.status for each in train("--resume")} == {0}
    assert_same_run(folder, uninterrupted)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_rank_during_scoring_ends_all(train, tmp_path, rank):
    dev = draw_dataset(tmp_path / "dev", 4, first=50)
    outcomes = train("--val_dataset", dev, "--val_every", 1, fault=f"term_scoring=1@{rank}")
    assert [each.status for each in outcomes] == [143, 143], outcomes


def test_a_full_disk_ends_all_ranks_with_one_line(train, folder):
    first, second = train(fault="full_disk=2@0")
    first.refuses(folder / LAST, "No space left on device")
    assert (second.status, second.err) == (2, "")


def test_another_number_of_ranks_is_named(train, folder):
    assert {each.status for each in train(fault="term_step=2@0")} == {143}
    (alone,) = train("--resume", ranks=1)
    assert alone.status == 0
    (line,) = alone.err.strip().splitlines()
    assert line.startswith("warning: changed since the checkpoint")
    assert line.endswith("ranks 2 -> 1")


@pytest.mark.parametrize(
    ("flags", "what"),
    [(("--batch_size", 1), "--batch_size 1 cannot be shared among 2 ranks"), ((), "1 images cannot be shared")],
)
def test_more_ranks_than_images_are_refused(train, tmp_path, flags, what):
    if not flags:
        flags = ("--training_dataset", draw_dataset(tmp_path / "one", 1))
    first, second = train(*flags)
    first.refuses(what, "--nproc_per_node")
    assert (second.status, second.err) == (2, "")


@pytest.mark.parametrize("ranks", [1, 2])
def test_sync_bn_without_gpus_is_refused(train, ranks):
    first, *others = train("--sync_bn", ranks=ranks)
    first.refuses("--sync_bn", "GPUs", "use --sync_bn false")
    assert [(each.status, each.err) for each in others] == [(2, "")] * (ranks - 1)


def test_sync_bn_keeps_the_names_of_the_weights():
    network = RetinaFace(cfg_mnet)
    names = list(network.state_dict())
    assert list(nn.SyncBatchNorm.convert_sync_batchnorm(network).state_dict()) == names


ON_ONE_MACHINE = ("--standalone", "--nproc_per_node=2", "--max_restarts=1")


def torchrun(label: Path, folder: Path, fault: str, *flags, where=ON_ONE_MACHINE) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", *where, "tests/helpers/run_with_fault.py", fault]
    command += ["train.py", "--training_dataset", label, "--save_folder", folder, "--resume"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen([*map(str, (*command, *SMALL, *flags))], cwd=ROOT, env=environment, stdout=pipe, text=True)


def test_torchrun_restarts_a_killed_rank_and_the_run_resumes(label, folder, uninterrupted):
    process = torchrun(label, folder, "kill_step=5@1", "--save_minutes", 0)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert "resumed after epoch 1 and 7 images" in out
    assert_same_run(folder, uninterrupted)


def test_torchrun_restarts_a_killed_rank_of_two_machines(label, folder, uninterrupted):
    """The torchrun of each machine has its own count of restarts; the counts can differ."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"--rdzv_endpoint=localhost:{free.getsockname()[1]}"
    machine = ("--nnodes=2", "--nproc_per_node=1", "--rdzv_backend=c10d", endpoint, "--rdzv_id=1", "--max_restarts=3")
    machine += ("--monitor_interval=0.1",)
    flags = ("--save_minutes", 0, "--rank_timeout", 0.5)
    machines = [torchrun(label, folder, "kill_step=5@1", *flags, where=machine) for _ in range(2)]
    outs = [process.communicate(timeout=120)[0] for process in machines]
    assert [process.returncode for process in machines] == [0, 0], outs
    assert "resumed after epoch 1 and 7 images" in outs[0] + outs[1]
    assert_same_run(folder, uninterrupted)


def test_a_sigterm_to_torchrun_writes_a_checkpoint(train, label, folder, uninterrupted):
    process = torchrun(label, folder, "await_stop=2", "--log_every", 1)
    for line in process.stdout:
        if "step 1/3" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode
    assert f"continue with --resume: {folder / LAST}" in out
    assert read_last(folder / LAST).state["epoch"] == 0
    assert {each.status for each in train("--resume")} == {0}
    assert_same_run(folder, uninterrupted)
