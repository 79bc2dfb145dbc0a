"""SIGTERM, Ctrl-C, and SIGHUP end a run with a checkpoint; defects and dead workers end it with a message."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.train.checkpoints import read_last
from tests.helpers.scripts import ROOT
from tests.helpers.training import LAST


def assert_stopped(outcome, folder: Path, number: int) -> None:
    assert outcome.status == 128 + number
    assert outcome.out.splitlines()[-1].endswith(f"continue with --resume: {folder / LAST}")
    (line,) = outcome.err.strip().splitlines()
    assert line.startswith(f"{signal.Signals(number).name}: a checkpoint follows; ")


@pytest.mark.parametrize(
    ("fault", "number", "workers"),
    [
        ("term_step=2", 15, 0),
        ("term_step=6", 15, 2),
        ("term_all_step=4", 15, 2),
        ("hangup_step=3", 1, 0),
        ("interrupt_step=4", 2, 2),
    ],
)
def test_a_signal_ends_a_run_with_a_checkpoint(train, assert_resumes, folder, uninterrupted, fault, number, workers):
    assert_stopped(train("--num_workers", workers, fault=fault), folder, number)
    assert_resumes(uninterrupted())


def test_ctrl_c_that_also_ends_the_reader_of_the_output_writes_a_checkpoint(
    train, assert_resumes, folder, uninterrupted
):
    assert train("--log_every", 1, fault="interrupt_piped=2").status == 130
    assert read_last(folder / LAST).state["images_done"] == 14
    assert_resumes(uninterrupted())


def test_a_signal_during_scoring_ends_a_run_with_a_checkpoint(train, assert_resumes, folder, uninterrupted, dev_label):
    options = ("--val_dataset", dev_label, "--val_every", 1)
    assert_stopped(train(*options, fault="term_scoring=2"), folder, 15)
    assert_resumes(uninterrupted(*options))


def test_a_second_ctrl_c_ends_a_run_at_once(start, folder):
    process = start("--log_every", 1, "--num_workers", 2, fault="hang_step=3")
    process.wait_for("step 2/3")
    process.send(signal.SIGINT)
    process.wait_for("SIGINT: a checkpoint follows")
    process.send(signal.SIGINT)
    outcome = process.end(10)
    assert outcome.status == 130
    first, second = outcome.err.strip().splitlines()
    assert first.startswith("SIGINT: a checkpoint follows; ")
    assert second == "interrupted"
    assert not (folder / LAST).exists()


def run_code(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_worker_survives_the_first_sigterm():
    done = run_code("""
import os, signal
from utils.signals import ignore_first_signal
ignore_first_signal()
os.kill(os.getpid(), signal.SIGTERM)
print(signal.alarm(0), flush=True)
os.kill(os.getpid(), signal.SIGTERM)
print("alive")
""")
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "0\n"), done.stderr


def test_a_program_that_leaves_a_loader_open_ends(label):
    done = run_code(f"""
from torch import device
from data import cfg_mnet
from data.dataset import FaceDataset
from data.sampler import EpochBatches
from engine.train.loader import MatchedCollate, build_loader
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
collate = MatchedCollate(MultiBoxLoss(), PriorBox(cfg_mnet, (64, 64)).forward())
loader = build_loader(FaceDataset({str(label)!r}, 64), EpochBatches(22, 8, 0), collate, 2, device("cpu"))
print(len(next(iter(loader)).infos))
""")
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


@pytest.mark.parametrize("fault", ["crash_step=2", "crash_collate=1"])
def test_a_defect_ends_a_run_with_workers_and_keeps_its_traceback(train, fault):
    """The workers ignore the SIGTERM with which multiprocessing ends them."""
    outcome = train("--num_workers", 2, fault=fault)
    assert outcome.status == 1
    assert "Traceback" in outcome.err
    assert "RuntimeError: injected" in outcome.err


@pytest.mark.parametrize("fault", ["kill_worker=5", "kill_worker_scoring=1"])
def test_a_killed_worker_ends_a_run_with_advice(train, assert_resumes, uninterrupted, dev_label, fault):
    options = ("--val_dataset", dev_label, "--val_every", 1) if "scoring" in fault else ()
    outcome = train(*options, "--save_minutes", 0, "--num_workers", 2, fault=fault)
    outcome.refuses("a loader worker was killed", "--num_workers", "--resume")
    assert_resumes(uninterrupted(*options))
