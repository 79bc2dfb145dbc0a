"""The ground truth is found wherever it lies beside eval.py; copies are compared."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from data.splits import DEV
from evaluation.ground_truth import read_ground_truth
from tests.helpers.annotations import cells, write_files
from tests.helpers.evaluation import DETECTIONS
from tests.helpers.images import draw_image
from utils.errors import UserError

LABEL = "# news/one.jpg\n10 10 40 40\n100 10 40 40\n# two.jpg\n# three.jpg\n30 30 20 20\n"
FLAT = "# one.jpg\n100 10 40 40\n10 10 40 40\n# two.jpg\n# three.jpg\n30 30 20 20\n"
OTHER = LABEL.replace("30 30", "31 30")
LABORO = "one\n2\n10, 10, 40, 40, 0, 0, 0, 0\n100, 10, 40, 40, 0, 0, 0, 0\nthree\n1\n30, 30, 20, 20, 0, 0, 0, 0\n"
NAMES = "news/one.jpg\ntwo.jpg\nthree.jpg\n"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Return an evaluation folder as a user has it after a detection and an evaluation."""
    monkeypatch.setattr("evaluation.eval_cli.ROOT", tmp_path)
    return write_files(
        tmp_path / "val_dataset_evaluate",
        {
            "eval.py": "",
            "groundtruths/README.md": "1 2 3 4",
            "tvval_list.txt": NAMES,
            "result/ap.json": "{}",
            **{f"tvface_txt/{name}.txt": text for name, text in DETECTIONS.items()},
        },
    )


def write_mat(path: Path, **lists) -> None:
    """Write the images of LABEL as a .mat file; the second face of the first image is not in the subset."""
    content = {
        "event_list": np.array([["news"], ["."]], object),
        "file_list": cells(["one"], ["two", "three"]),
        "face_bbx_list": cells([[[10, 10, 40, 40], [100, 10, 40, 40]]], [np.empty((0, 0)), [[30, 30, 20, 20]]]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, content | lists)


SUBSET = cells([[[1]]], [np.empty((0, 0)), [[1]]])


@pytest.mark.parametrize(
    "name",
    [
        "groundtruths/label.txt",
        "groundtruths/tvface_dev_gt/annotations/dev.txt",
        "ground_truth/label.txt",
        "gt/truth.txt",
        "tv-dev-ground-truth/label.txt",
        "tvval_label.txt",
    ],
)
def test_eval_without_flags_finds_the_ground_truth(home, run_script, name):
    write_files(home, {name: LABEL, "__MACOSX/label.txt": OTHER, "groundtruths/.label.txt": OTHER})
    status, out, err = run_script("--result", home / "result")
    assert (status, err) == (0, "")
    assert json.loads((home / "result" / "ap.json").read_text())["ground_truth"] == str(home / name)
    assert "66.67" in out


@pytest.mark.parametrize("name", ["groundtruths/tvface_val.mat", "ground_truth/wider_face_val.mat", "gt.mat"])
def test_eval_without_flags_finds_mat_files(home, run_script, name):
    write_mat(home / name)
    scipy.io.savemat((home / name).with_name("tv_small.mat"), {"gt_list": SUBSET})
    status, out, err = run_script("--result", home / "result")
    assert (status, err) == (0, "")
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("small")] == ["2"]


def test_names_with_and_without_folders_are_matched(home, run_script):
    write_files(home / "groundtruths", {"label.txt": FLAT})
    status, out, err = run_script("--result", home / "result")
    assert (status, "66.67" in out, err.count("\n")) == (0, True, 1)
    assert "1 of 3 images were assigned by base name" in err
    write_files(
        home / "groundtruths", {"label.txt": LABEL.replace("two.jpg", "tv/2/two").replace("three.jpg", "c/three")}
    )
    status, out, err = run_script("--result", home / "result")
    assert (status, "66.67" in out, err.count("\n")) == (0, True, 1)
    assert "2 of 3 images were assigned by base name" in err


def test_images_are_matched_with_names_in_other_folders(home, run_script, tmp_path):
    write_files(
        home / "groundtruths", {"label.txt": LABEL.replace("two.jpg", "tv/two").replace("three.jpg", "c/three")}
    )
    for name in ("one", "a/two", "three"):
        draw_image(tmp_path / "images" / f"{name}.jpg", [(10, 10, 40, 40)], size=(100, 200))
    status, out, err = run_script("--result", home / "result", "--images", tmp_path / "images")
    assert (status, "20 to 40 %" in out, "warning" in err) == (0, True, False)
    (tmp_path / "images" / "b").mkdir()
    (tmp_path / "images" / "a" / "two.jpg").rename(tmp_path / "images" / "b" / "other.jpg")
    assert "20 to 40 %" not in run_script("--result", home / "result", "--images", tmp_path / "images")[1]


def test_copies_that_agree_are_used_and_named(home):
    write_files(home, {"groundtruths/label.txt": LABEL, "other/gt.txt": FLAT})
    path, annotations = read_ground_truth(home, DEV)
    assert path == home / "groundtruths" / "label.txt"
    assert len(annotations.boxes) == 3


def test_of_copies_the_one_with_subsets_is_used(home, capsys):
    write_files(home, {"label.txt": LABEL})
    write_mat(home / "groundtruths" / "tv_small.mat", gt_list=SUBSET)
    path, annotations = read_ground_truth(home, DEV)
    assert path == home / "groundtruths" / "tv_small.mat"
    assert list(annotations[0].subsets) == ["small"]
    note = f"note: {path}: used as the ground truth; {home / 'label.txt'}: has the same faces\n"
    assert capsys.readouterr().err == note


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"groundtruths/label.txt": LABEL, "label.txt": OTHER}, "for example in the image three"),
        ({"groundtruths/a.txt": LABEL, "groundtruths/b.txt": OTHER}, "for example in the image three"),
        ({"groundtruths/dev.txt": LABEL, "groundtruths/test/gt.txt": LABORO}, "3 and 2 images, not of the same names"),
    ],
)
def test_ground_truths_that_disagree_are_both_named(home, run_script, files, found):
    write_files(home, files)
    status, out, err = run_script("--result", home / "other")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert all(str(home / name) in err for name in files)
    assert found in err and "name one with --gt" in err
    status, _, err = run_script("-g", home / next(iter(files)), "--result", home / "other")
    assert (status, err) == (0, "")


def test_the_same_search_in_a_folder_that_is_named(home, tmp_path):
    write_files(tmp_path / "download", {"tvface/dev/label.txt": LABEL, "tvface/dev/tvval_list.txt": NAMES})
    assert read_ground_truth(tmp_path / "download", DEV)[0] == tmp_path / "download" / "tvface" / "dev" / "label.txt"
    write_files(tmp_path / "download", {"copy/broken.txt": "# a.jpg\n1 2 3\n"})
    with pytest.raises(UserError, match=r"download: found .*broken\.txt, .*label\.txt, of which one cannot be read \("):
        read_ground_truth(tmp_path / "download", DEV)


@pytest.mark.parametrize(("name", "only"), [(None, ""), ("truth.csv", ", only truth.csv")])
def test_no_ground_truth_says_where_to_put_it(home, run_script, name, only):
    if name:
        write_files(home / "groundtruths", {name: "1,2,3"})
    status, out, err = run_script()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {home / 'groundtruths'}: found no ground truth of the tv-dev images{only}; put")
    assert DEV.ground_truth_url in err


@pytest.mark.parametrize("archive", ["groundtruths/tv_dev.zip", "gt.7z"])
def test_a_ground_truth_that_is_still_in_its_archive_is_named(home, run_script, archive):
    write_files(home, {archive: b"PK"})
    status, _, err = run_script()
    assert (status, err) == (
        2,
        f"error: {home / archive}: is an archive, and no ground truth is beside it; unpack it here\n",
    )


def test_detections_are_no_ground_truth(home):
    files = {f"model/{name}.txt": text for name, text in DETECTIONS.items()}
    write_files(home, {"groundtruths/label.txt": LABEL, "old.jsonl": '{"picture": "a.jpg", "faces": []}\n', **files})
    assert read_ground_truth(home, DEV)[0] == home / "groundtruths" / "label.txt"
    with pytest.raises(UserError, match="a detector's output; expected a ground truth"):
        read_ground_truth(home / "model", DEV)


def test_a_mark_of_ignored_faces_makes_a_difference(home):
    row = "news/one.jpg\n1\n10 10 40 40 0 0 0 {} 0 0\n"
    write_files(home / "groundtruths", {"a.txt": row.format(0), "b.txt": row.format(1)})
    with pytest.raises(UserError, match=r"a\.txt and .*b\.txt: disagree"):
        read_ground_truth(home, DEV)
