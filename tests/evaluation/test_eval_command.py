"""eval.py as a user runs it: its table, its files and the formats that it reads."""

import csv
import json
import random
import re
import shutil
import subprocess
import sys

import cv2
import pytest

from tests.helpers.compiled import without_compiled
from tests.helpers.evaluation import DETECTIONS, LABELS, WIDER, summary
from tests.helpers.images import draw_image
from tests.helpers.scripts import ROOT
from utils.version import VERSION


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
        "ground_truth": str(small / "gt" / "label.txt"),
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
    note = f"note: {small / 'gt'}: the faces are the objects of class '0' (3)\n" if kind == "yolo" else ""
    assert (status, err) == (0, note)
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
