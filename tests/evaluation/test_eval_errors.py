"""eval.py with bad input: one line names the problem, and nothing written before is lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from tests.helpers.evaluation import DETECTIONS, summary
from tests.helpers.images import draw_image
from tests.helpers.scripts import ROOT


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--name", "a", "--name", "b"], "2 names for 1"),
        (["--pred", "SAME", "--allow_missing"], "a unique name"),
        (["--pred", "SAME", "--name", "a", "--name", "a"], "a unique name"),
    ],
)
def test_names_of_models_must_be_unique(small, run_small, arguments, found):
    shutil.copytree(small / "pred", small / "elsewhere" / "pred")
    arguments = [small / "elsewhere" / "pred" if a == "SAME" else a for a in arguments]
    status, out, err = run_small(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert found in err


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


def test_images_of_another_set_are_reported(small, run_small):
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
    assert "Detections belong to --pred" in err


def test_names_cannot_command_the_terminal(small, run_small):
    status, out, err = run_small("--name", "a\x1b[2J\udcff\nb")
    assert (status, err) == (0, "")
    assert not any(character in out + err for character in "\x1b\udcff")
    assert "a\ufffd[2J\ufffd\ufffdb" in json.loads((small / "result" / "ap.json").read_text())["models"]


def test_closed_output_is_a_one_line_error(small):
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


def test_without_faces_ap_is_null_with_a_warning(small, run_small):
    (small / "gt" / "label.txt").write_text("two.jpg\n1\n9 9 9 9 0 0 0 1 0 0\n")  # a face marked invalid
    status, out, err = run_small()
    assert status == 0
    assert "no faces" in out
    assert summary(small)["subsets"]["all"]["ap"] is None
    assert "2 files" in err and "all are marked to be ignored; AP is undefined" in err


def test_no_detections_is_zero(small, run_small):
    for name in DETECTIONS:
        (small / "pred" / f"{name}.txt").write_text("x\n0\n")
    status, out, err = run_small()
    assert (status, " 0.00 " in out) == (0, True)
    assert err == f"warning: {small / 'pred'}: has no detections\n"
    assert summary(small)["subsets"]["all"]["ap"] == 0


def test_equal_scores_are_scored_with_a_warning(small, run_small):
    for name, text in DETECTIONS.items():
        title, count, *rows = text.splitlines()
        rows = [" ".join([*row.split()[:4], "0.7"]) for row in rows]
        (small / "pred" / f"{name}.txt").write_text("\n".join([title, count, *rows]) + "\n")
    status, _, err = run_small()
    assert (status, err.count("\n")) == (0, 1)
    assert "all scores are 0.7" in err
    assert summary(small)["subsets"]["all"]["ap"] == pytest.approx(1 / 2 * 2 / 3)


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
        ("two\n1\n5,5,50,50,0.4\n", ":3", "separated by blanks"),
        (f"{ROW}\n{ROW}\n", ":1", "expected two lines before the detections"),
        (
            "0 0.1 0.2 0.3 0.4 0.9\n0 0.5 0.2 0.3 0.4 0.8\n",
            ":1",
            "YOLO's 'class cx cy w h score' in parts of the image",
        ),
        ("face 0.9 5 5 50 50\n", ":1", "it looks like 'class score x1 y1 x2 y2'"),
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
    assert (status, out, err.count("error: ")) == (2, "", 1)
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
        (["--category", "person"], "omit --category"),
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
