"""`python -m tools.check` finds the planted faults, and nothing else."""

import json
import re
import shutil

import numpy as np
import pytest

from data.annotations import read_annotations
from tests.helpers.planted_faults import CHECK, assert_found, check, findings, labelled, plant
from tools.check import summary
from tools.check.copies import find_copies
from tools.check.image_checks import ImageChecks
from utils.errors import UserError


def test_every_planted_fault_is_found_and_nothing_else(script, drawn_sample, tmp_path):
    before, status = check(script, drawn_sample)
    assert status == 0 and not [one for one in before["findings"] if one["error"]]
    folder = shutil.copytree(drawn_sample, tmp_path / "tvface")
    planter = plant(folder)
    assert len(planter.expected) >= 40
    after, status = check(script, folder)
    assert status == 1
    assert_found(planter, {(kind, words.replace(str(drawn_sample), str(folder))) for kind, words in findings(before)},
                 findings(after))  # fmt: skip


def test_planted_faults_are_found_in_real_images(script, shared, tmp_path):
    """And of the dataset as it is, only what was looked at: the same images, some of them recompressed."""
    before, status = check(script, shared / "faces")
    assert status == 1  # since three images of val and test are in train, too
    kinds = sorted(one["kind"] for one in before["findings"])
    assert {kind: kinds.count(kind) for kind in kinds} == {"copy": 2, "leak": 3, "near copy": 5, "near leak": 4}
    priors = before["priors"]
    assert priors["part"] == "train" and priors["image_size"] == 640 and priors["faces"] > 1000
    assert 0.98 < priors["shares"][0] <= priors["shares"][1] <= 1 and priors["suggested_min_sizes"] is None
    folder = tmp_path / "faces"
    shutil.copytree(shared / "faces", folder, copy_function=shutil.copyfile)
    planter = plant(folder)
    after, _ = check(script, folder)
    assert_found(planter, {(kind, words.replace(str(shared / "faces"), str(folder)))
                           for kind, words in findings(before)}, findings(after))  # fmt: skip


def test_the_text_report_lists_findings_and_counts(script, tmp_path):
    label = labelled(
        tmp_path / "train", "# a.jpg\n10 10 40 50\n10 10 0 5\n# b.jpg\n", {"a.jpg": (200, 300), "b.jpg": (200, 300)}
    )
    outcome = script(CHECK, label)
    assert outcome.status == 1 and outcome.err == ""
    assert "error: boxes less than a pixel wide or high, which no prior matches" in outcome.out
    assert f" (1)\n  {label}:3: x y w h 10 10 0 5\n" in outcome.out
    counts = next(line for line in outcome.out.splitlines() if line.startswith("train "))
    assert counts.split() == ["train", "2", "17799", "2", "2", "0", "1"]
    sizes = next(line for line in outcome.out.splitlines() if "face size, px" in line)
    assert sizes.split()[-1] == f"{np.sqrt(40 * 50):.4g}"  # that of the only face with a size
    assert outcome.out.splitlines()[-1] == "errors: 1, places to look at: 0"


def test_long_lists_are_cut_in_the_text_and_complete_in_json(script, tmp_path):
    rows = "".join(f"{10 * i} 5 0 8\n" for i in range(25))
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (200, 300)})
    outcome = script(CHECK, label)
    assert "  and 15 more; --json lists all" in outcome.out
    report, _ = check(script, label)
    assert [found["where"] for found in report["findings"]] == [f"{label}:{line}" for line in range(2, 27)]


def test_boxes_of_two_corners_are_recognized(script, tmp_path):
    rng = np.random.default_rng(0)
    corners = rng.integers(100, 190, (30, 2))
    rows = "".join(f"{x} {y} {x + 60} {y + 70}\n" for x, y in corners)
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (270, 260)})
    report, status = check(script, label)
    assert status == 1
    assert [(one["kind"], one["where"]) for one in report["findings"] if one["kind"] != "double"] == [
        ("columns", str(label))
    ]


def test_image_sizes_in_coco_are_compared_with_the_files(script, tmp_path):
    labelled(tmp_path, "-", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 300, "width": 200},
            {"id": 2, "file_name": "b.jpg", "height": 200, "width": 300},
            {"id": 2, "file_name": "c.jpg"},
        ],
        "annotations": [
            {"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, "three", 4]},
            {"id": 6, "image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 7, "image_id": 2, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"id": 8, "image_id": 2, "category_id": 1, "bbox": [280, 20, 30, 40]},
        ],
        "categories": [{"id": 1, "name": "face"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    report, status = check(script, path)
    assert status == 1
    found = [(one["kind"], one["where"], one["message"]) for one in report["findings"]]
    assert found == [
        ("row", str(path), "image id 2: is listed twice; expected an id of its own for each image"),
        ("row", str(path), 'annotation id 5: found bbox [1, 2, "three", 4]; expected four finite numbers, x y w h'),
        ("row", str(path), "annotation id 6: found image_id 9; expected the id of one of the images"),
        ("size", f"{path}: image id 1", "the annotation says 200 x 300, but the image has 300 x 200"),
        ("beyond", f"{path}: annotation id 8", "x y w h 280 20 30 40 exceeds an image of 300 x 200 by 10 px"),
    ]


def test_copies_between_datasets_are_found(script, tmp_path):
    first = labelled(tmp_path / "first", "# a.jpg\n", {"a.jpg": (200, 300)})
    second = labelled(tmp_path / "second", "# b.jpg\n# c.jpg\n", {"b.jpg": (200, 300), "c.jpg": (200, 300)})
    shutil.copy(tmp_path / "first" / "images" / "a.jpg", tmp_path / "second" / "images" / "b.jpg")
    report, status = check(script, first, second)
    assert status == 1
    (found,) = report["findings"]
    assert (found["kind"], found["part"]) == ("leak", "second")
    assert "second/images/b.jpg" in found["where"] and "first/images/a.jpg" in found["message"]


def test_ids_without_suffix_match_a_list_with_suffixes(script, tmp_path):
    text = "1\n1\n10, 20, 30, 40, 0, 0, 0, 0\n2\n0\n"
    labelled(tmp_path, "-", {"1.jpg": (200, 300), "2.png": (200, 300), "3.jpg": (200, 300), "3.png": (200, 300)})
    (tmp_path / "label.txt").write_text(text + "3\n0\n")
    (tmp_path / "tvval_list.txt").write_text("1.jpg\n2.png\n3.jpg\n")
    report, _ = check(script, tmp_path / "label.txt")
    # The last one may be either of two images.
    assert [(one["kind"], one["where"].rpartition("/")[2]) for one in report["findings"]] == [
        ("missing", "label.txt:6"),
        ("suffix", "label.txt"),
        ("unlisted", "3.jpg"),
        ("unlisted", "3.png"),
    ]


def test_prior_boxes_are_tested_on_the_first_split_with_faces(script, tmp_path):
    label = labelled(tmp_path / "train", "-", {"a.jpg": (600, 600)})
    label.unlink()
    (tmp_path / "train" / "tvtrain_list.txt").write_text("a.jpg\n")
    rows = "".join(f"{9 * (i % 60)} {12 * (i // 60)} 7 9\n" for i in range(2400))
    labelled(tmp_path / "val", f"# b.jpg\n{rows}", {"c.jpg": (600, 600), "b.jpg": (600, 600)})
    report, _ = check(script, tmp_path)
    assert report["priors"]["part"] == "val" and report["priors"]["faces"] >= 50


def test_boxes_in_fractions_of_the_image_are_reported_as_empty(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n0.1 0.2 0.3 0.4\n1.2 0.5 0.8 0.9\n", {"a.jpg": (64, 64)})
    report, status = check(script, label)
    assert status == 1 and [one["kind"] for one in report["findings"]] == ["empty", "empty"]


def test_names_in_other_case_and_without_suffix_are_reported(script, tmp_path):
    text = "# A.JPG\n10 10 20 20\n# b\n10 10 20 20\n"
    label = labelled(tmp_path, text, {"a.jpg": (64, 64), "b.jpg": (64, 64)})
    report, _ = check(script, label)
    found = {one["kind"]: one["message"] for one in report["findings"]}
    assert sorted(found) == ["missing", "suffix", "unlisted"]
    assert found["missing"].endswith("is it a.jpg?") and "1 of 2 names" in found["suffix"]


@pytest.mark.parametrize(("likeness", "is_copy"), [(0.97, True), (0.93, False)])
def test_near_copies_have_a_similarity_of_at_least_0_95(likeness, is_copy):
    rng = np.random.default_rng(0)
    one, other = (values - values.mean() for values in rng.normal(size=(2, 256)))
    other -= one * (one @ other) / (one @ one)
    second = likeness * one / np.linalg.norm(one) + np.sqrt(1 - likeness**2) * other / np.linalg.norm(other)
    thumbnails = np.stack([128 + 30 * values / values.std() for values in (one, second)]).round().clip(0, 255)
    looks = ImageChecks({}, {}, np.full((2, 2), 64), np.ones(2, int), [b"1", b"2"], thumbnails.astype(np.uint8))
    found = find_copies([looks], [np.ones(2, bool)])
    assert [(copy.image, copy.earlier) for copy in found] == ([(1, 0)] if is_copy else [])
    assert all(abs(copy.similarity - likeness) < 0.01 for copy in found)


def test_findings_begin_at_their_thresholds(script, tmp_path):
    """Two faces of an IoU of 0.82 are two; of a box half in the image and half out, 60 % is in and 40 % is out.

    One that leaves its image by less than a pixel does not, unless less than a pixel of it is left. That is not so
    of one from 0.4 to 1.4, though in floating point the difference is less than 1.
    """
    rows = "10 10 100 100\n20 10 100 100\n282 10 30 40\n288 80 30 40\n299.5 150 1 30\n-0.9 50 2 30\n0.4 150 1 30\n"
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (200, 300)})
    report, _ = check(script, label)
    found = [(one["kind"], one["where"].rpartition(":")[2]) for one in report["findings"]]
    assert found == [("empty", "6"), ("outside", "5"), ("beyond", "4")]
    assert report["findings"][0]["message"] == "x y w h 299.5 150 1 30 in an image of 300 x 200"


@pytest.mark.parametrize(
    ("point", "is_found"),
    [
        ("9000 -7000", True),
        ("299 199", True),  # in the image, but far from the box
        ("0 0", True),  # as some write that they do not know it
        ("-1 -1", False),  # as this format does
        ("80 150", False),  # no farther from the box than that is large
        ("81 150", True),
        ("80 151", True),
        ("-0.9 100", False),
        ("-1.5 100", True),  # close to the box, but outside the image
    ],
)
def test_landmarks_far_from_their_face_are_reported(script, tmp_path, point, is_found):
    text = f"# a.jpg\n10 70 30 40 15 75 0 35 75 0 25 85 0 15 100 0 {point} 0 1\n"
    label = labelled(tmp_path, text, {"a.jpg": (200, 300)})
    report, status = check(script, label, "--fix")
    x, y = point.split()
    message = f"landmark 5 of 5 is at {x} {y}, its box is x y w h 10 70 30 40 in an image of 300 x 200"
    found = [(one["kind"], one["where"], one["message"]) for one in report["findings"]]
    assert found == ([("landmark", f"{label}:2", message)] if is_found else [])
    assert status == 0 and not (tmp_path / "label_fixed.txt").exists()  # people have to decide


def test_landmarks_are_compared_with_their_own_image(script, tmp_path):
    """Of one that is missing, its size is not known. Faces without landmarks or a place are passed over."""
    points = "15 75 0 35 75 0 25 85 0 15 400 0 30 100 0 1"
    text = f"# gone.jpg\n10 380 30 40 {points}\n10 70 30 40\n# a.jpg\n10 70 0 40 {points}\n900 70 30 40 {points}\n"
    label = labelled(tmp_path, text, {"a.jpg": (200, 300)})
    found = [(one["kind"], one["where"], one["message"]) for one in check(script, label)[0]["findings"]]
    message = "landmark 1 of 5 is at 15 75, its box is x y w h 10 380 30 40"
    assert [one for one in found if one[0] == "landmark"] == [("landmark", f"{label}:2", message)]


FAR = "10 70 30 40 15 75 0 35 75 0 {} 0 15 100 0 30 100 0 1"
KEYPOINTS = [15, 75, 2, 35, 75, 2, 25, -2e9, 2, 15, 100, 2, 30, 100, 2]
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": [10, 70, 30, 40], "keypoints": KEYPOINTS}],
    "categories": [{"id": 1, "name": "face"}],
}


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("label.txt", f"# a.jpg\n10 10 20 20\n{FAR.format('1e12 5')}\n", ":3: found a landmark at 1e+12 5; expected"),
        ("label.txt", f"# a.jpg\n{FAR.format('5 -2e9')}\n# a.jpg\n", ":2: found a landmark at 5 -2e+09; expected"),
        (
            "truth.json",
            json.dumps(COCO),
            ": annotation id 7: found a landmark at 25 -2e+09; expected numbers up to 1e9",
        ),
        ("labels/a.txt", f"0 0.5 0.5 0.2 0.2 {'0.5 0.5 2 ' * 4}2e4 0.5 2\n", ":1: found '0 0.5 0.5 0.2 0.2 "),
    ],
)
def test_landmarks_beyond_1e9_cannot_be_read(script, tmp_path, name, content, place):
    labelled(tmp_path, "-", {"a.jpg": (200, 300)}).unlink()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    path = tmp_path / name if name != "labels/a.txt" else tmp_path / "labels"
    rows = [one for one in check(script, path)[0]["findings"] if one["kind"] == "row"]
    assert len(rows) == 1 and f"{rows[0]['where']}: {rows[0]['message']}".startswith(f"{tmp_path / name}{place}")
    with pytest.raises(UserError, match=re.escape(place)):
        read_annotations(path)


def test_the_place_of_the_first_label_is_named(script, tmp_path):
    rows = "10 10 20 20\n100 10 20 20\n200 10 20 20\n200 10 20 20\n"
    label = labelled(tmp_path, f"# b.jpg\n# a.jpg\n{rows}", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    (found,) = check(script, label)[0]["findings"]
    assert (found["kind"], found["where"]) == ("double", f"{label}:6") and found["message"].endswith(f" {label}:5")


def test_prior_boxes_are_tested_on_a_sample_of_all_images(monkeypatch, script, tmp_path):
    """Of more faces than are needed, the first images' alone would not do: here they have small ones."""

    def rows(step: int) -> str:
        corners = range(0, 600 - step, step)
        return "".join(f"{x} {y} {step - 2} {step - 2}\n" for x in corners for y in corners)

    names = [f"{name}.png" for name in "abcdefgh"]
    text = "".join(f"# {name}\n{rows(45 if i else 24)}" for i, name in enumerate(names))
    label = labelled(tmp_path, text, dict.fromkeys(names, (600, 600)))
    all_of_them = check(script, label)[0]["priors"]
    monkeypatch.setattr(summary, "MAX_FACES", 60)
    some = check(script, label)[0]["priors"]
    assert 40 <= some["faces"] <= 60 < all_of_them["faces"]
    assert some["median_size"] == pytest.approx(all_of_them["median_size"], rel=0.1)
