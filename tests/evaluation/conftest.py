"""Small sets of predictions with ground truth, and the detections of the WIDER FACE validation set."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.helpers.evaluation import DETECTIONS, LABELS, WIDER, score_of


@pytest.fixture
def small(tmp_path) -> Path:
    """Return a folder with pred/ and gt/ of three images, one in a sub-folder, one without faces."""
    for name, text in DETECTIONS.items():
        path = tmp_path / "pred" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "label.txt").write_text(LABELS)
    return tmp_path


@pytest.fixture
def run_script(script):
    """Return a function that runs eval.py in this process: (exit status, stdout, stderr)."""

    def run_script(*arguments: str | Path, split: str = "val") -> tuple[int, str, str]:
        outcome = script(f"{split}_dataset_evaluate/eval.py", *arguments)
        return outcome.status, outcome.out, outcome.err

    return run_script


@pytest.fixture
def run_small(small, run_script):
    """Return a function that scores the small set: (exit status, stdout, stderr)."""

    def run_small(*arguments: str | Path, **options) -> tuple[int, str, str]:
        paths = ["--pred", small / "pred", "--gt", small / "gt", "--result", small / "result"]
        return run_script(*paths, *arguments, **options)

    return run_small


@pytest.fixture(scope="session")
def wider_predictions(tmp_path_factory) -> Path:
    if not WIDER.is_dir():
        pytest.skip(f"{WIDER} is absent: no WIDER FACE detections to score")
    folder = tmp_path_factory.mktemp("wider")
    with tarfile.open(WIDER / "predictions.tar.xz") as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder / "widerface_txt"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes text files, in which a score tells them apart: write("a/b.txt", ...) -> folder."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / "pred" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"title\n1\n1 2 3 4 {score_of(name)}\n")
        return tmp_path / "pred"

    return write


@pytest.fixture
def results(tmp_path):
    """Return a function that writes a results file: the records, or any other content."""

    def results(content: object) -> Path:
        path = tmp_path / "results.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return results
