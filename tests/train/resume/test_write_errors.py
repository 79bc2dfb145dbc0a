"""A full disk or a quota ends a run in one line, and earlier files stay valid."""

import os
import subprocess

import pytest

from engine.train.checkpoints import read_last
from tests.helpers.training import LAST, NAME, weights


@pytest.fixture
def small_disk(folder):
    """Mount a file system of 6 MB at the save folder: space for the files of one epoch, but not of two."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_keeps_earlier_files(train, assert_resumes, folder, uninterrupted):
    train().refuses(f"{folder / NAME}_epoch_2.pth: cannot be written (No space left on device)")
    assert read_last(folder / LAST).state["epoch"] == 1
    assert weights(folder / f"{NAME}_epoch_1.pth")
    assert not list(folder.glob(".*"))
    subprocess.run(["mount", "-o", "remount,size=60m", folder], check=True)
    assert_resumes(uninterrupted())


def test_a_quota_keeps_earlier_files(train, assert_resumes, folder, uninterrupted):
    assert train(fault="term_step=2").status == 143
    before = (folder / LAST).read_bytes()
    train("--resume", fault="quota=2500").refuses(folder / LAST, "cannot be written (File too large)")
    assert (folder / LAST).read_bytes() == before
    assert_resumes(uninterrupted())


@pytest.mark.parametrize(("file", "fault"), [(f"{NAME}_epoch_1.pth", "full_disk=1"), (LAST, "full_disk=4")])
def test_a_run_resumes_after_a_full_disk(train, assert_resumes, folder, uninterrupted, file, fault):
    train(fault=fault).refuses(folder / file, "cannot be written (No space left on device)")
    assert_resumes(uninterrupted())
