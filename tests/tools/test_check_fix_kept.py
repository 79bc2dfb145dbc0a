"""`python -m tools.check --fix`: the images and faces that cleaned copies keep."""

import json
import shutil
from pathlib import Path

import cv2
import pytest

from data.annotations import read_annotations
from tests.helpers.planted_faults import CHECK, another_view, check, labelled

BOX = "<bndbox><xmin>{}</xmin><ymin>10</ymin><xmax>{}</xmax><ymax>60</ymax></bndbox>"
VOC = "<annotation><filename>{}.jpg</filename><object><name>face</name>{}</object></annotation>"
ROW = "10 10 50 50 0 0 0 0 0 0"


@pytest.mark.parametrize(
    ("annotation", "files"),
    [
        ("label.txt", {"label.txt": "# a.jpg\n10 10 30\n# b.jpg\n600 50 50 50\n# c.jpg\n50 50 50 50\n# d.jpg\n"}),
        (
            "label.txt",  # an excess row, a count of faces that are not there, and rows of an image without a count
            {"label.txt": f"a.jpg\n0\n{ROW}\nb.jpg\n2\nc.jpg\n1\n{ROW}\nd.jpg\n0\ne.jpg\nthree\n{ROW}\n"},
        ),
        (
            "truth.json",
            {
                "truth.json": json.dumps(
                    {
                        "images": [{"id": i, "file_name": f"{name}.jpg"} for i, name in enumerate("abcd")],
                        "annotations": [
                            {"id": i, "image_id": i, "category_id": 1, "bbox": box}
                            for i, box in enumerate([[10, 10, 30], [600, 50, 50, 50], [50, 50, 50, 50]])
                        ],
                        "categories": [{"id": 1, "name": "face"}],
                    }
                )
            },
        ),
        (
            "voc",
            {
                "voc/a.xml": VOC.format("a", BOX.format("ten", 30)),
                "voc/b.xml": VOC.format("b", BOX.format(600, 650)),
                "voc/c.xml": VOC.format("c", BOX.format(50, 100)),
                "voc/d.xml": "<annotation><filename>d.jpg</filename></annotation>",
            },
        ),
        (
            "labels",
            {
                "labels/a.txt": "0 0.5 0.5 20 0.2\n",
                "labels/b.txt": "0 0.5 0.5 0.001 0.2\n",
                "labels/c.txt": "0 0.5 0.5 0.2 0.2\n",
                "labels/d.txt": "",
            },
        ),
    ],
)
def test_images_that_lose_all_faces_are_dropped(script, tmp_path, annotation, files):
    """In each, a's face cannot be read, b's is outside, missing or no pixel wide, c has one, and d really has none."""
    labelled(tmp_path, "-", dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg"), (200, 300))).unlink()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    outcome = script(CHECK, tmp_path / annotation, "--fix")
    assert outcome.status == 1 and ", 2 images without a remaining face" in outcome.out
    if annotation == "labels":  # in which an image without a file has no faces
        assert sorted(path.name for path in (tmp_path / "labels_fixed").iterdir()) == ["c.txt", "classes.txt", "d.txt"]
        assert f"move the dropped images away from {tmp_path / 'images'}" in outcome.out
        return
    path = tmp_path / annotation
    fixed = read_annotations(path.with_name(f"{path.stem}_fixed{path.suffix}"))
    assert [(one.name, len(one.boxes)) for one in fixed] == [("c.jpg", 1), ("d.jpg", 0)]


def test_an_image_listed_twice_keeps_its_faces(script, tmp_path):
    label = labelled(
        tmp_path, "# a.jpg\n10 10 30\n# b.jpg\n# a.jpg\n10 10 30 40\n", dict.fromkeys(("a.jpg", "b.jpg"), (64, 64))
    )
    assert "without a remaining face" not in script(CHECK, label, "--fix").out
    assert [(one.name, len(one.boxes)) for one in read_annotations(tmp_path / "label_fixed.txt")] == [
        ("a.jpg", 1),
        ("b.jpg", 0),
    ]


def test_a_background_image_is_dropped_if_its_copy_lost_faces(script, tmp_path):
    text = "# a.jpg\n# b.jpg\n10 10 30\n# c.jpg\n10 10 30 40\n"
    label = labelled(tmp_path, text, dict.fromkeys(("a.jpg", "c.jpg"), (64, 64)))
    shutil.copy(tmp_path / "images" / "a.jpg", tmp_path / "images" / "b.jpg")
    assert script(CHECK, label, "--fix").status == 1
    assert [one.name for one in read_annotations(tmp_path / "label_fixed.txt")] == ["c.jpg"]


@pytest.mark.parametrize("names", [("train", "test"), ("old", "new")])
def test_a_copy_is_not_dropped_for_one_that_loses_its_faces(script, tmp_path, names):
    """Nor are others of its part, nor is anything said to be left in both."""
    good, bad = (tmp_path / name for name in names)
    labelled(good, "# a.jpg\n10 10 30 30\n# b.jpg\n10 10 0 30\n", {"a.jpg": (64, 64), "b.jpg": (64, 80)})
    labelled(bad, "# own.jpg\n10 10 20 20\n# a.jpg\n10 10 x 30\n# copy.jpg\n", {"own.jpg": (80, 64)})
    cv2.imwrite(str(bad / "images" / "own.jpg"), another_view(20))
    for name in ("a.jpg", "copy.jpg"):
        shutil.copy(good / "images" / "a.jpg", bad / "images" / name)
    outcome = script(CHECK, good, bad, "--fix")
    assert "left in both" not in outcome.out
    assert "1 file equal to another, 1 image without a remaining face" in outcome.out
    assert cleaned_names(tmp_path) == {names[0]: ["a.jpg"], names[1]: ["own.jpg"]}


def test_a_copy_with_faces_is_kept_before_one_that_lost_them(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n10 10 30\n# b.jpg\n10 10 30 40\n", {"a.jpg": (64, 64)})
    shutil.copy(tmp_path / "images" / "a.jpg", tmp_path / "images" / "b.jpg")
    assert script(CHECK, label, "--fix").status == 1
    assert [one.name for one in read_annotations(tmp_path / "label_fixed.txt")] == ["b.jpg"]


def share(folder: Path, *others: Path) -> None:
    """Make x.jpg in each of some folders of parts the same file, beside an image of its own that it is listed with."""
    for seed, one in enumerate((folder, *others)):
        labelled(one, "# own.jpg\n10 10 20 20\n# x.jpg\n10 10 20 20\n", {})
        cv2.imwrite(str(one / "images" / "own.jpg"), another_view(20 + seed))
        cv2.imwrite(str(one / "images" / "x.jpg"), another_view(99))


def cleaned_names(folder: Path) -> dict[str, list[str]]:
    """Return what is in each cleaned label below a folder."""
    found = {path.parent.name: path for path in sorted(folder.rglob("label_fixed.txt"))}
    return {name: [one.name for one in read_annotations(path)] for name, path in found.items()}


@pytest.mark.parametrize(
    ("parts", "arguments", "loser"),
    [
        (["A/train", "A/test", "B/test"], ["A", "B/test"], "train"),  # which are then called by their paths
        (["A/training", "A/testing"], ["A"], "training"),
        (["A/train", "A/val"], ["A/val/label.txt", "A/train/label.txt"], "train"),
        (["A/Evaluation", "A/dev"], ["A"], "dev"),
    ],
)
def test_the_scored_split_keeps_its_image_under_any_name(script, tmp_path, parts, arguments, loser):
    shared_by = [tmp_path / part for part in parts if not part.startswith("B")]
    share(*shared_by)
    if len(parts) > 2:
        labelled(tmp_path / parts[2], "# y.jpg\n", {"y.jpg": (64, 64)})
    assert script(CHECK, *(tmp_path / one for one in arguments), "--fix").status == 1
    assert cleaned_names(tmp_path) == {loser: ["own.jpg"]}


@pytest.mark.parametrize("names", [("A/train", "B/train"), ("A/old", "A/new"), ("A/train", "A/more")])
def test_splits_without_order_keep_their_copies(script, tmp_path, names):
    share(*(tmp_path / name for name in names))
    outcome = script(CHECK, *(tmp_path / name for name in names), "--fix")
    assert outcome.status == 1 and ": 1 equal file left in both; the copy" in outcome.out
    assert cleaned_names(tmp_path) == {}


def test_all_copies_of_a_leaked_image_are_dropped(script, tmp_path):
    share(tmp_path / "train", tmp_path / "val")
    images = tmp_path / "train" / "images"
    for name in ("a.jpg", "z.jpg"):
        shutil.copy(images / "x.jpg", images / name)
    label = tmp_path / "train" / "label.txt"
    label.write_text(label.read_text() + "# a.jpg\n# z.jpg\n10 10 20 20\n50 50 20 20\n")
    assert "dropped: 3 files equal to another;" in script(CHECK, tmp_path, "--fix").out
    assert cleaned_names(tmp_path) == {"train": ["own.jpg"]}


LANDMARKS = "12 15 0 30 15 0 20 25 0 14 40 0 28 40 0 1"


def test_the_duplicate_face_with_landmarks_is_kept(script, tmp_path):
    text = f"# a.jpg\n10 10 40 50\n100 10 30 30\n# b.jpg\n# a.jpg\n10 10 40 50 {LANDMARKS}\n100 10 30 30\n"
    label = labelled(tmp_path, text, {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    report, _ = check(script, label, "--fix")
    found = [(one["where"], one["message"]) for one in report["findings"] if one["kind"] == "double"]
    assert found == [
        (f"{label}:2", f"x y w h 10 10 40 50 duplicates {label}:6"),
        (f"{label}:7", f"x y w h 100 10 30 30 duplicates {label}:3"),
    ]
    a, _ = read_annotations(tmp_path / "label_fixed.txt")
    assert a.boxes[a.landmark_mask].tolist() == [[10, 10, 50, 60]] and len(a.boxes) == 2


def test_the_duplicate_face_that_is_not_ignored_is_kept(script, tmp_path):
    rows = "10 10 40 50 0 0 0 1 0 0\n10 10 40 50 1 0 0 0 0 0\n11 10 40 50 2 0 0 0 0 0\n"
    label = labelled(tmp_path, f"a.jpg\n3\n{rows}", {"a.jpg": (200, 300)})
    report, _ = check(script, label, "--fix")
    assert [one["message"].rpartition(":")[2] for one in report["findings"]] == ["4", "4"]
    assert next(iter(report["parts"].values()))["quantiles"]["faces"] == [1] * 7
    (a,) = read_annotations(tmp_path / "label_fixed.txt")
    assert a.ignored.tolist() == [False] and a.attributes["blur"].tolist() == [1]


def test_a_face_outside_does_not_remove_its_duplicate(script, tmp_path):
    """The first is mostly outside, and nearly the box of the second, of which half is inside."""
    label = labelled(tmp_path, "# a.jpg\n251 10 100 50\n250 10 100 50\n", {"a.jpg": (200, 300)})
    assert script(CHECK, label, "--fix").status == 1
    assert read_annotations(tmp_path / "label_fixed.txt")[0].boxes.tolist() == [[250, 10, 300, 60]]
