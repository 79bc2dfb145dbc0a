"""A drawn dataset, and the commands of the tools."""

from pathlib import Path

import cv2
import pytest

from tools.sample.folder import make_sample


@pytest.fixture(scope="session")
def drawn_sample(tmp_path_factory) -> Path:
    """A drawn dataset in the layout of TV Face, without faults. All tests share it: copy it before a change."""
    folder = tmp_path_factory.mktemp("sample") / "tvface"
    make_sample(folder, {"train": 60, "val": 4, "test": 4}, (640, 360))
    return folder


@pytest.fixture
def show(script, tmp_path):
    """Run tools.show: show(label, ...) -> Outcome and the sheet, None if there is none."""

    def call(label, *flags):
        out = tmp_path / "out" / "sheet.png"
        outcome = script("tools/show/__main__.py", label, "--out", out, *flags)
        return outcome, cv2.imread(str(out))

    return call


@pytest.fixture
def convert(script):
    """Run tools.convert: convert(source, out, ...) -> Outcome."""
    return lambda *arguments: script("tools/convert/__main__.py", *arguments)
