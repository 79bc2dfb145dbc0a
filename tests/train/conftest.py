"""Datasets and folders of small trainings."""

from pathlib import Path

import pytest

from tests.helpers.training import FAST, draw_dataset


@pytest.fixture(scope="session")
def label(tmp_path_factory) -> Path:
    """Label file of 22 images: in batches of 8, three steps per epoch, of 7, 7, and 8 images."""
    return draw_dataset(tmp_path_factory.mktemp("faces"), 22)


@pytest.fixture(scope="session")
def dev_label(tmp_path_factory) -> Path:
    """Label file of 3 other images."""
    return draw_dataset(tmp_path_factory.mktemp("dev"), 3, first=50)


@pytest.fixture
def folder(tmp_path) -> Path:
    """The --save_folder of the test."""
    return tmp_path / "weights"


@pytest.fixture
def train_in(script, dataset, tmp_path):
    """Run train.py on six images, in a folder below tmp_path: train_in("folder", "--epochs", 1, ...) -> Outcome."""

    def call(name: str, *options):
        where = ("--training_dataset", dataset, "--save_folder", tmp_path / name)
        return script("train.py", *where, *FAST, "--tensorboard", "false", *options)

    return call
