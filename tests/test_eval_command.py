"""eval.py as a user runs it: the figures of real detections, what it writes, and each kind of bad input."""

import csv
import json
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import pytest
from conftest import ROOT, SHARED

from evaluation import matching

WIDER = SHARED / "wider_val"

LABELS = "# news/one.jpg\n10 10 40 40\n100 10 40 40\n# two.jpg\n# three.jpg\n30 30 20 20\n"
DETECTIONS = {
    "news/one": "one\n3\n10 11 40 40 0.98\n100 10 40 40 0.6\n200 200 9 9 0.3\n",
    "two": "two\n1\n5 5 50 50 0.4\n",
    "three": "three\n0\n",
}


@pytest.fixture
def small(tmp_path) -> Path:
    """Return a folder with pred/ and gt/ of three pictures, one in a sub-folder, one without faces."""
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


@pytest.fixture(scope="module")
def wider_predictions(tmp_path_factory) -> Path:
    if not WIDER.is_dir():
        pytest.skip(f"{WIDER} is absent: no WIDER FACE detections to score")
    folder = tmp_path_factory.mktemp("wider")
    with tarfile.open(WIDER / "predictions.tar.xz") as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder / "widerface_txt"


@pytest.mark.parametrize(
    ("script", "cwd"),
    [("eval.py", ROOT / "val_dataset_evaluate"), ("test_dataset_evaluate/eval.py", ROOT)],
    ids=["own folder", "root"],
)
def test_wider_face(wider_predictions, tmp_path, script, cwd):
    command = [
        sys.executable,
        script,
        "-p",
        wider_predictions,
        "-g",
        WIDER / "ground_truth",
        "--result",
        tmp_path,
    ]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    expected = json.loads((WIDER / "expected.json").read_text())
    subsets = json.loads((tmp_path / "ap.json").read_text())["subsets"]
    assert list(subsets) == ["easy", "medium", "hard"]
    for name, subset in subsets.items():
        assert subset["ap"] == pytest.approx(expected[name], abs=1e-9, rel=0)
        assert f"{100 * subset['ap']:.2f}" in done.stdout


def test_table_and_files(small, run_small):
    status, out, err = run_small()
    assert (status, err) == (0, "")
    # Two of the three faces are found, both with higher scores than the two false detections.
    assert [line.split() for line in out.splitlines()][2:4] == [
        ["subset", "AP", "%", "faces", "found", "recall", "%"],
        ["all", "66.67", "3", "2", "66.67"],
    ]
    summary = json.loads((small / "result" / "ap.json").read_text())
    assert summary["subsets"]["all"] == {"ap": pytest.approx(2 / 3), "faces": 3, "found": 2, "recall": 2 / 3}
    counts = {key: summary[key] for key in ("pictures", "pictures_without_predictions", "detections", "iou")}
    assert counts == {"pictures": 3, "pictures_without_predictions": 0, "detections": 4, "iou": 0.5}
    assert summary["predictions"] == str(small / "pred")

    with open(small / "result" / "pr_curve.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1000
    assert rows[-1] == {"subset": "all", "threshold": "0.000", "precision": "0.5", "recall": "0.666666667"}
    assert cv2.imread(str(small / "result" / "pr_curve.png")).shape[0] > 500
    assert sorted(p.name for p in (small / "result").iterdir()) == ["ap.json", "pr_curve.csv", "pr_curve.png"]


def test_iou_flag(run_small):
    # The best detection is now a false one, the second finds one face of three: 1 / 2 * 1 / 3.
    assert "16.67" in run_small("--iou", "0.99")[1]


def test_no_faces_is_said_and_null(small, run_small):
    (small / "gt" / "label.txt").write_text("two.jpg\n1\n9 9 9 9 0 0 0 1 0 0\n")  # a face marked invalid
    status, out, err = run_small()
    assert status == 0
    assert "no faces" in out
    assert json.loads((small / "result" / "ap.json").read_text())["subsets"]["all"]["ap"] is None
    assert "2 files" in err


def test_no_detections_is_zero(small, run_small):
    for name in DETECTIONS:
        (small / "pred" / f"{name}.txt").write_text("x\n0\n")
    status, out, _ = run_small()
    assert (status, " 0.00 " in out) == (0, True)
    assert json.loads((small / "result" / "ap.json").read_text())["subsets"]["all"]["ap"] == 0


def test_rows_order_and_layout_do_not_matter(small, run_small):
    before = run_small()[1]
    for name, text in DETECTIONS.items():
        title, count, *rows = text.splitlines()
        random.Random(name).shuffle(rows)
        lines = [title, f"{count}  ", *(f" {row}   7 extra " for row in rows), "", " "]
        (small / "pred" / f"{name}.txt").write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    (small / "gt" / "label.txt").write_text(LABELS.replace(".jpg", ""))
    assert run_small() == (0, before, "")


def test_without_the_extension(small, run_small, monkeypatch):
    before = run_small()[1]
    curve = (small / "result" / "pr_curve.csv").read_bytes()
    monkeypatch.setitem(sys.modules, "evaluation._matching", None)
    monkeypatch.setattr(matching, "_kernel", matching._kernel.__wrapped__)
    status, out, err = run_small()
    assert (status, out) == (0, before)
    assert err.count("\n") == 1 and "build_ext --inplace" in err
    assert (small / "result" / "pr_curve.csv").read_bytes() == curve


def test_allow_missing_counts_pictures_as_nothing_found(small, run_small):
    (small / "pred" / "news" / "one.txt").unlink()
    status, _, err = run_small("--allow_missing")
    assert status == 0
    assert err.count("\n") == 1 and "1 of 3 pictures" in err and "news/one" in err
    summary = json.loads((small / "result" / "ap.json").read_text())
    assert (summary["pictures_without_predictions"], summary["subsets"]["all"]["ap"]) == (1, 0)


def test_files_for_unknown_pictures_are_counted_and_not_read(small, run_small):
    before = run_small()[1]
    (small / "pred" / "news" / "other.txt").write_text("not even a prediction")
    (small / "pred" / "zebra.txt").write_text("")
    status, out, err = run_small()
    assert (status, out) == (0, before)
    assert err.count("\n") == 1 and "2 files" in err and os.path.join("news", "other.txt") in err


ROW = "5 5 50 50 0.4"


@pytest.mark.parametrize(
    ("content", "where", "found"),
    [
        (f"two\n2\n{ROW}\n5 5 five 50 0.4\n", ":4", "five"),
        (f"two\n2\n\n{ROW}\n5 5 50 0.4\n", ":5", "5 5 50 0.4"),
        ("two\n1\n5 5 50 50 nan\n", ":3", "nan"),
        ("two\n1\n5 5 50 50 inf\n", ":3", "inf"),
        ("two\n1\n5 5 -50 50 0.4\n", ":3", "-50"),
        ("two\n1\n5 5 50 -1 0.4\n", ":3", "-1"),
        (f"two\n2\n{ROW}\n", ":2", "1 rows"),
        (f"two\n1\n{ROW}\n{ROW}\n", ":2", "2 rows"),
        (f"two\n{ROW}\n", ":2", ROW),
        ("two\n", ":2", "''"),
        ("", ":1", "empty"),
        ("two\n-1\n", ":2", "-1"),
        (b"\xff\xfe\x00", "", "UTF-8"),
    ],
)
def test_malformed_prediction(small, run_small, content, where, found):
    path = small / "pred" / "two.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, out, err = run_small()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {path}{where}: ")
    assert found in err
    assert not (small / "result").exists()


def test_missing_prediction_is_named(small, run_small):
    (small / "pred" / "two.txt").unlink()
    (small / "pred" / "three.txt").unlink()
    status, out, err = run_small()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert str(small / "pred" / "two.txt") in err
    assert "2 of 3" in err and "--allow_missing" in err and "run the detection" in err


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ("# ../../x.jpg\n1 1 5 5\n", "'../../x"),
        ("# two.jpg\n1 1 5 5\n# two.jpg\n1 1 5 5\n", "two.jpg"),
        ("# two.jpg\n1 1 5\n", "label.txt:2"),
        ("", "label.txt"),
        ("1 2 3\n", "no known annotation format"),
        ('{"images": []}\n', "has no faces: it is a list of names, or in no known annotation format"),
    ],
)
def test_bad_ground_truth(small, run_small, labels, found):
    (small / "gt" / "label.txt").write_text(labels)
    status, out, err = run_small("--allow_missing")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert found in err


@pytest.mark.parametrize(
    ("split", "url"),
    [("val", "1SnRVaS_l6U4yg6bfPCDdfupAza55mYUH"), ("test", "1YA60ZBHgFe3TPcpmNXTsEVWC5Fxm2oGi")],
)
def test_empty_ground_truth_folder_says_what_belongs_there(small, run_small, split, url):
    (small / "gt" / "label.txt").rename(small / "gt" / "README.md")
    status, out, err = run_small(split=split)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {small / 'gt'}: ")
    assert f"https://drive.google.com/drive/folders/{url}" in err
    assert url in (ROOT / f"{split}_dataset_evaluate" / "groundtruths" / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--pred", "nowhere"], "nowhere"),
        (["--gt", "nowhere"], "nowhere"),
        (["--iou", "0"], "0.0"),
        (["--iou", "nan"], "nan"),
    ],
)
def test_bad_flag(run_small, arguments, found):
    status, out, err = run_small(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert found in err


def test_result_that_cannot_be_written_still_prints_the_score(small, run_small):
    (small / "file").touch()
    status, out, err = run_small("--result", small / "file" / "result")
    assert (status, err.count("\n")) == (2, 1)
    assert str(small / "file" / "result") in err
    assert "66.67" in out


def test_failure_in_a_process_of_its_own_keeps_the_former_result(small):
    (small / "result").mkdir()
    (small / "result" / "ap.json").write_text("former")
    (small / "pred" / "two.txt").write_text("two\n1\n5 5 50\n")
    command = [sys.executable, "val_dataset_evaluate/eval.py", "-p", small / "pred", "-g", small / "gt"]
    done = subprocess.run(
        [*command, "--result", small / "result"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "two.txt:3" in done.stderr
    assert (small / "result" / "ap.json").read_text() == "former"
