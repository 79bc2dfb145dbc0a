"""eval.py as a user runs it: the figures of real detections, what it writes, and each kind of bad input."""

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from tests.helpers.compiled import without_compiled
from tests.helpers.images import draw_image
from tests.helpers.scripts import ROOT, SHARED
from utils.version import VERSION

WIDER = SHARED / "wider_val"

LABELS = "# news/one.jpg\n10 10 40 40\n100 10 40 40\n# two.jpg\n# three.jpg\n30 30 20 20\n"
DETECTIONS = {
    "news/one": "one\n3\n10 11 40 40 0.98\n100 10 40 40 0.6\n200 200 9 9 0.3\n",
    "two": "two\n1\n5 5 50 50 0.4\n",
    "three": "three\n0\n",
}


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
    subsets = json.loads((tmp_path / "ap.json").read_text())["models"]["widerface_txt"]["subsets"]
    assert list(subsets) == ["easy", "medium", "hard"]
    for name, subset in subsets.items():
        assert subset["ap"] == pytest.approx(expected[name], abs=1e-9, rel=0)
        assert f"{100 * subset['ap']:.2f}" in done.stdout


def summary(folder: Path, name: str = "pred") -> dict:
    return json.loads((folder / "result" / "ap.json").read_text())["models"][name]


def test_table_and_files(small, run_small):
    status, out, err = run_small()
    assert (status, err) == (0, "")
    # Two of the three faces are found, both with higher scores than the two false detections.
    table = [line.split("   ") for line in out.splitlines()]
    assert out.startswith("3 images, 4 detections, IoU 0.5\n")
    figures = dict(zip(*([cell.strip() for cell in row if cell.strip()] for row in table[2:4]), strict=True))
    assert figures == {
        "subset": "all",
        "AP %": "66.67",
        "AP 50-95 %": "66.67",
        "recall % at 1 FP": "66.67",
        "recall % at 0.1 FP": "66.67",
        "best F1 %": "80.00",
        "at score": "0.50",
        "highest recall %": "66.67",
        "faces": "3",
    }
    assert [line.split() for line in out.splitlines() if "16 to 32" in line] == [
        ["16", "to", "32", "px", "1", "0.00", "0.00"]
    ]

    content = json.loads((small / "result" / "ap.json").read_text())
    assert {key: content[key] for key in ("version", "ground_truth", "pictures", "iou")} == {
        "version": VERSION,
        "ground_truth": str(small / "gt"),
        "pictures": 3,
        "iou": 0.5,
    }
    model = summary(small)
    assert (model["predictions"], model["detections"]) == (str(small / "pred"), 4)
    assert (model["pictures_without_predictions"], model["predictions_without_picture"]) == ([], [])
    third = pytest.approx(2 / 3)
    assert model["subsets"]["all"] == {
        "ap": third,
        "mean_ap": third,
        "faces": 3,
        "found": 2,
        "found_at_best_f1": 2,
        "ap_interval": None,
        "recall_at_false_positives_per_picture": {"1": third, "0.1": third},
        "best_f1": {"score": 0.5, "f1": pytest.approx(0.8), "precision": 1, "recall": third},
    }
    assert model["groups"]["size"]["32 to 96 px"]["ap"] == 1

    with open(small / "result" / "pr_curve.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1000
    last = {"model": "pred", "subset": "all", "threshold": "0.000", "score": "0.3"}
    assert rows[-1] == {**last, "precision": "0.5", "recall": "0.666666667"}
    assert float(rows[499]["score"]) == pytest.approx(0.3 + 0.5 * 0.68)
    assert cv2.imread(str(small / "result" / "pr_curve.png")).shape[0] > 500
    assert "66.67" in (small / "result" / "report.html").read_text()
    files = ["ap.json", "pr_curve.csv", "pr_curve.png", "report.html"]
    assert sorted(p.name for p in (small / "result").iterdir()) == files
    assert out.split("written:\n")[1].split() == [str(small / "result" / name) for name in files]


def test_two_models_are_compared(small, run_small):
    other = small / "other"
    shutil.copytree(small / "pred", other)
    (other / "three.txt").write_text("three\n1\n30 30 20 20 0.9\n")
    status, out, err = run_small("--pred", other, "--name", "old", "--name", "new", "--bootstrap", 200)
    assert (status, err) == (0, "")
    assert "4 / 5 detections" in out
    (row,) = (
        line for line in out.splitlines() if "points" not in line and line.startswith("new: all   ") and "+" in line
    )
    assert re.search(r"\+33\.33 \[\+0\.00, \+\d+\.\d\d\]", row)
    content = json.loads((small / "result" / "ap.json").read_text())
    assert list(content["models"]) == ["old", "new"]
    low, high = content["ap_less_that_of_the_first"]["new"]["all"]["ap_interval"]
    assert 0 <= low < 1 / 3 < high
    low, high = content["models"]["old"]["subsets"]["all"]["ap_interval"]
    assert low < 2 / 3 < high
    with open(small / "result" / "pr_curve.csv") as file:
        assert {row["model"] for row in csv.DictReader(file)} == {"old", "new"}
    page = (small / "result" / "report.html").read_text()
    assert "old" in page and "new" in page and "three" in page


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--name", "a", "--name", "b"], "2 names for 1"),
        (["--pred", "SAME", "--allow_missing"], "a unique name"),
        (["--pred", "SAME", "--name", "a", "--name", "a"], "a unique name"),
    ],
)
def test_names_that_tell_nothing_apart(small, run_small, arguments, found):
    shutil.copytree(small / "pred", small / "elsewhere" / "pred")
    arguments = [small / "elsewhere" / "pred" if a == "SAME" else a for a in arguments]
    status, out, err = run_small(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert found in err


def test_images_give_heights_and_crops(small, run_small):
    for name, box in (("news/one", (10, 10, 40, 40)), ("two", (5, 5, 50, 50)), ("three", (30, 30, 20, 20))):
        draw_image(small / "gt" / "images" / f"{name}.jpg", [box], size=(100, 200))
    status, _, err = run_small()
    assert (status, err) == (0, "")
    heights = {name: group["faces"] for name, group in summary(small)["groups"]["height"].items()}
    assert heights == {"under 5 %": 0, "5 to 10 %": 0, "10 to 20 %": 0, "20 to 40 %": 1, "40 % and over": 2}
    assert "data:image/jpeg;base64," in (small / "result" / "report.html").read_text()
    # Without all of the images there are no heights, and what is there is still shown.
    (small / "gt" / "images" / "two.jpg").unlink()
    assert run_small()[0] == 0
    assert "height" not in summary(small)["groups"]
    assert "data:image/jpeg;base64," in (small / "result" / "report.html").read_text()


def test_bad_images_cost_crops_and_heights_and_not_the_score(small, run_small):
    expected = run_small()[1]
    for name in ("news/one", "two", "three"):
        draw_image(small / "gt" / "images" / f"{name}.jpg", [(5, 5, 20, 20)], size=(100, 200))
    (small / "gt" / "images" / "two.jpg").write_bytes(b"no image")
    status, out, err = run_small()
    assert (status, out, err.count("\n")) == (0, expected, 1)
    assert err.startswith("warning: no AP by relative height") and "two.jpg" in err
    (small / "gt" / "images" / "two.png").write_bytes(b"")
    status, out, err = run_small()
    assert (status, out, err.count("\n")) == (0, expected, 1)
    assert err.startswith("warning: no images in the report: ") and "two.png" in err


def test_images_of_another_set_are_said(small, run_small):
    draw_image(small / "other" / "nine.jpg", [(5, 5, 20, 20)])
    status, _, err = run_small("--images", small / "other")
    assert (status, err.count("\n")) == (0, 1)
    assert f"{small / 'other'}: has none of the 3 images" in err and "--images" in err


def test_no_prediction_for_any_image_is_an_error_even_if_some_may_be_missing(small, run_small):
    for name in DETECTIONS:
        (small / "pred" / f"{name}.txt").rename(small / "pred" / f"other_{Path(name).name}.txt")
    status, out, err = run_small("--allow_missing")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "none of the 3 images" in err and "other_one.txt" in err


def test_swapped_paths_are_told_apart(small, run_script):
    status, out, err = run_script("-p", small / "gt", "-g", small / "pred")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "detections belong to --pred" in err


def test_names_cannot_command_the_terminal(small, run_small):
    status, out, err = run_small("--name", "a\x1b[2J\udcff\nb")
    assert (status, err) == (0, "")
    assert not any(character in out + err for character in "\x1b\udcff")
    assert "a\ufffd[2J\ufffd\ufffdb" in json.loads((small / "result" / "ap.json").read_text())["models"]


def test_output_that_nobody_reads_is_no_traceback(small):
    command = f"{sys.executable} val_dataset_evaluate/eval.py -p {small}/pred -g {small}/gt --result {small}/result"
    done = subprocess.run(
        ["bash", "-c", f"{command} > /dev/full"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "error: the output cannot be written (No space left on device)\n")


def test_nan_in_a_mat_is_named(small, run_small):
    def cell(value) -> np.ndarray:
        array = np.empty((1, 1), object)
        array[0, 0] = value
        return array

    folder = small / "mat"
    folder.mkdir()
    content = {
        "event_list": cell("e"),
        "file_list": cell(cell("one")),
        "face_bbx_list": cell(cell([[np.nan, 1, 2, 3]])),
    }
    scipy.io.savemat(folder / "wider_face_val.mat", content)
    for subset in ("easy", "medium", "hard"):
        scipy.io.savemat(folder / f"wider_{subset}_val.mat", {"gt_list": cell(cell([[1]]))})
    status, out, err = run_small("--gt", small / "mat")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "wider_face_val.mat: e/one, face 1" in err and "nan" in err


def test_page_shows_html_in_a_name_and_runs_none(small, run_small):
    name = "<img src=x onerror=alert(1)>"
    (small / "gt" / "label.txt").write_text(LABELS + f"# {name}.jpg\n1 1 9 9\n")
    (small / "pred" / f"{name}.txt").write_text("x\n1\n50 50 9 9 0.99\n")
    assert run_small()[0] == 0
    page = (small / "result" / "report.html").read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
def test_other_formats_give_the_same_figures(small, run_small, kind):
    run_small()
    expected = summary(small)
    faces = {"news/one": [(10, 10, 40, 40), (100, 10, 40, 40)], "two": [], "three": [(30, 30, 20, 20)]}
    (small / "gt" / "label.txt").unlink()
    if kind == "coco":
        images = [{"id": i, "file_name": f"{name}.jpg", "width": 200, "height": 100} for i, name in enumerate(faces)]
        boxes = [{"id": i, "image_id": i // 2, "bbox": box} for name in faces for i, box in enumerate(faces[name])]
        for number, record in enumerate(boxes):
            record.update(id=number, image_id=(0, 0, 2)[number], category_id=1, iscrowd=0)
        content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "face"}]}
        (small / "gt" / "faces.json").write_text(json.dumps(content))
    for name, boxes in faces.items():
        path = small / "gt" / name
        if kind == "voc":
            objects = "".join(
                f"<object><name>face</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax>"
                f"<ymax>{y + h}</ymax></bndbox></object>"
                for x, y, w, h in boxes
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            size = "<size><width>200</width><height>100</height><depth>3</depth></size>"
            path.with_suffix(".xml").write_text(f"<annotation>{size}{objects}</annotation>")
        if kind == "yolo":
            draw_image(small / "gt" / "images" / f"{name}.jpg", boxes, size=(100, 200))
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [f"0 {(x + w / 2) / 200} {(y + h / 2) / 100} {w / 200} {h / 100}\n" for x, y, w, h in boxes]
            path.with_suffix(".txt").write_text("".join(rows))
    status, _, err = run_small()
    assert (status, err) == (0, "")
    assert summary(small)["subsets"] == expected["subsets"]
    assert summary(small)["groups"]["size"] == expected["groups"]["size"]
    assert run_small("--gt_format", kind)[0] == 0
    status, _, err = run_small("--gt_format", "wider_mat" if kind != "coco" else "voc")
    assert (status, err.count("\n")) == (2, 1)


def test_coco_results_are_predictions(small, run_small):
    run_small()
    expected = summary(small)["subsets"]
    rows = [
        {
            "image_id": name,
            "category_id": 1,
            "bbox": [float(v) for v in row.split()[:4]],
            "score": float(row.split()[4]),
        }
        for name, text in DETECTIONS.items()
        for row in text.splitlines()[2:]
    ]
    results = small / "results.json"
    results.write_text(json.dumps(rows))
    status, _, err = run_small("--pred", results, "--name", "text", "--name", "json")
    assert (status, err) == (0, "")
    assert summary(small, "json")["subsets"] == summary(small, "text")["subsets"] == expected


def test_iou_flag(run_small):
    # The best detection is now a false one, the second finds one face of three: 1 / 2 * 1 / 3.
    assert "16.67" in run_small("--iou", "0.99")[1]


def test_no_faces_is_said_and_null(small, run_small):
    (small / "gt" / "label.txt").write_text("two.jpg\n1\n9 9 9 9 0 0 0 1 0 0\n")  # a face marked invalid
    status, out, err = run_small()
    assert status == 0
    assert "no faces" in out
    assert summary(small)["subsets"]["all"]["ap"] is None
    assert "2 files" in err and "all faces are marked as ignored" in err


def test_no_detections_is_zero(small, run_small):
    for name in DETECTIONS:
        (small / "pred" / f"{name}.txt").write_text("x\n0\n")
    status, out, err = run_small()
    assert (status, " 0.00 " in out) == (0, True)
    assert err == f"warning: {small / 'pred'}: has no detections\n"
    assert summary(small)["subsets"]["all"]["ap"] == 0


def test_equal_scores_are_scored_and_said(small, run_small):
    for name, text in DETECTIONS.items():
        title, count, *rows = text.splitlines()
        rows = [" ".join([*row.split()[:4], "0.7"]) for row in rows]
        (small / "pred" / f"{name}.txt").write_text("\n".join([title, count, *rows]) + "\n")
    status, _, err = run_small()
    assert (status, err.count("\n")) == (0, 1)
    assert "all scores are 0.7" in err
    assert summary(small)["subsets"]["all"]["ap"] == pytest.approx(1 / 2 * 2 / 3)


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
    with without_compiled("evaluation._scoring_loops", "evaluation._prediction_rows"):
        status, out, err = run_small()
    assert (status, out) == (0, before)
    assert err.count("\n") == 1 and "build_ext --inplace" in err
    assert (small / "result" / "pr_curve.csv").read_bytes() == curve


def test_allow_missing_counts_images_as_nothing_found(small, run_small):
    (small / "pred" / "news" / "one.txt").unlink()
    status, _, err = run_small("--allow_missing")
    assert status == 0
    assert err.count("\n") == 1 and "1 of 3 images" in err and "news/one" in err
    model = summary(small)
    assert (model["pictures_without_predictions"], model["subsets"]["all"]["ap"]) == (["news/one"], 0)


def test_files_for_unknown_images_are_counted_and_not_read(small, run_small):
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
        ('{"images": []}\n', "expected COCO's images, annotations and categories"),
        ("two.jpg\nthree.jpg\n", "found no faces; expected a ground truth with boxes"),
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
        (["--category", "person"], "leave --category out"),
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
