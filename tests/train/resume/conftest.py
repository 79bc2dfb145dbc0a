"""Small trainings in processes of their own, which are interrupted and resumed."""

import shutil
from pathlib import Path

import pytest
import torch

from tests.helpers.train_process import SMALL, TrainProcess
from tests.helpers.training import LAST, assert_same_run


@pytest.fixture(scope="session")
def uninterrupted(label, tmp_path_factory):
    """Return the folder of an uninterrupted run: uninterrupted("--ema", 0.9) -> Path."""
    folders = {}

    def call(*options, fault: str = "none=0") -> Path:
        if (options, fault) not in folders:
            folder = folders[options, fault] = tmp_path_factory.mktemp("uninterrupted")
            outcome = TrainProcess(folder, fault, "--training_dataset", label, *SMALL, *options).end()
            assert outcome.status == 0, outcome.err
        return folders[options, fault]

    return call


@pytest.fixture(scope="session")
def stopped(label, tmp_path_factory) -> Path:
    """The folder of a run that was stopped after two of the three steps of its first epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    outcome = TrainProcess(folder, "term_step=2", "--training_dataset", label, *SMALL).end()
    assert outcome.status == 143, outcome.err
    return folder


@pytest.fixture
def start(label, folder):
    """Start a small training: start("--epochs", 1, fault="kill_step=3") -> TrainProcess."""
    processes = []

    def call(*options, fault: str = "none=0", defaults=SMALL, env=None) -> TrainProcess:
        arguments = ("--training_dataset", label, *defaults, *options)
        processes.append(TrainProcess(folder, fault, *arguments, env=env))
        return processes[-1]

    yield call
    for process in processes:
        process.close()


@pytest.fixture
def train(start):
    """Run a small training until it ends: train("--epochs", 1, fault="kill_step=3") -> Outcome."""
    return lambda *options, **settings: start(*options, **settings).end()


@pytest.fixture
def assert_resumes(train, folder):
    """Resume the run of the test to its end, and assert that it equals one in another folder."""

    def call(expected: Path, *options, **settings) -> None:
        outcome = train(*options, "--resume", **settings)
        assert outcome.status == 0, outcome.err
        assert_same_run(folder, expected)

    return call


@pytest.fixture
def resume(train, folder, stopped):
    """Resume the stopped run, after a change of its checkpoint: resume("--lr", 1, change=function) -> Outcome."""

    def call(*options, change=None, **settings):
        folder.mkdir()
        shutil.copy(stopped / LAST, folder)
        if change:
            content = torch.load(folder / LAST)
            torch.save(change(content) or content, folder / LAST)
        return train("--resume", *options, defaults=("--tensorboard", "false"), **settings)

    return call
