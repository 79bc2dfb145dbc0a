"""`python -m tools.check --fix`: cleaned copies; the dataset is not changed."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.annotations import FORMATS, WRITABLE, Annotation, read_annotations, write_annotations
from tests.helpers.planted_faults import CHECK, another_view, check, labelled, plant


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_fix_cleans_a_copy_and_leaves_everything_else(script, drawn_sample, tmp_path):
    folder = shutil.copytree(drawn_sample, tmp_path / "tvface")
    plant(folder)
    before = bytes_below(folder)
    outcome = script(CHECK, folder, "--fix", "--json")
    assert outcome.status == 1
    fixed = [folder / "train" / "label_fixed.txt", folder / "val" / "tvval_label_fixed.txt",
             folder / "test" / "tvtest_label_fixed.txt"]  # fmt: skip
    lists = [folder / split / f"tv{split}_list_fixed.txt" for split in ("val", "test")]
    assert set(bytes_below(folder)) == {*before, *map(str, fixed), *map(str, lists)}
    assert all(Path(path).read_bytes() == content for path, content in before.items())
    said = outcome.err.splitlines()
    assert [line.split(": ")[0] for line in said] == list(map(str, (fixed[0], fixed[1], lists[0], fixed[2], lists[1])))
    removed = "3 faces of less than a pixel, 3 faces outside, 3 faces labelled twice, "
    assert removed in said[0]
    assert said[0].endswith("clipped: 4 faces")
    report, _ = check(script, *fixed)
    kinds = {one["kind"] for one in report["findings"]}
    # What people have to decide on is left, and of the files those that the cleaned labels do not name. The near copy
    # in one part is not among them: its only row could not be read.
    left = ["damaged", "rotated", "unlisted", "size", "near leak"]
    assert sorted(kinds) == sorted(left)
    # Nobody who names a folder gets a cleaned copy without asking for it.
    assert len(read_annotations(folder / "val")) == len(read_annotations(folder / "val" / "tvval_label.txt"))


def test_fix_removes_clips_and_merges(script, tmp_path):
    landmarks = "12 15 0 30 15 0 20 25 0 14 40 0 28 40 0 0.9"
    text = (
        f"# a.jpg\n10 10 40.5 50 {landmarks}\n10 10 0 5\n-2 185 20 20\n400 10 5 5\nfour\n# none.jpg\n1 2 3 4\n"
        "# b.jpg\n# ./a.jpg\n10 11 40 50\n100 100 20 30\n"
    )
    label = labelled(tmp_path / "train", text, {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    assert script(CHECK, label, "--fix").status == 1
    a, b = read_annotations(tmp_path / "train" / "label_fixed.txt")
    assert (a.name, b.name) == ("a.jpg", "b.jpg")
    assert a.boxes.tolist() == [[10, 10, 50.5, 60], [0, 185, 18, 200], [100, 100, 120, 130]]
    assert a.landmark_mask.tolist() == [True, False, False] and a.landmarks[0, 4].tolist() == [28, 40]
    assert len(b.boxes) == 0
    script(CHECK, label, "--fix").refuses(tmp_path / "train" / "label_fixed.txt", "exists already")


def test_fix_keeps_attributes_ids_and_sizes(script, tmp_path):
    labelled(tmp_path, "-", {"a.jpg": (200, 300)})
    (tmp_path / "label.txt").unlink()
    faces = [
        {"id": 1, "image_id": 4, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 1, "attributes": {"blur": 2}},
        {"id": 2, "image_id": 4, "category_id": 1, "bbox": [10, 20, 0, 40], "iscrowd": 0, "attributes": {"blur": 1}},
        {"id": 3, "image_id": 4, "category_id": 1, "bbox": [90, 20, 20, 40], "iscrowd": 0, "attributes": {"blur": 0}},
    ]
    content = {
        "images": [{"id": 4, "file_name": "a.jpg", "height": 200, "width": 300}],
        "annotations": faces,
        "categories": [{"id": 1, "name": "face"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    assert script(CHECK, tmp_path / "truth.json", "--fix").status == 1
    (a,) = read_annotations(tmp_path / "truth_fixed.json")
    assert a.identity == 4 and a.size == (200, 300)
    assert a.boxes.tolist() == [[10, 20, 40, 60], [90, 20, 110, 60]]
    assert a.ignored.tolist() == [True, False] and a.attributes["blur"].tolist() == [2, 0]


def test_fix_keeps_the_copy_in_the_later_split(script, tmp_path):
    labelled(tmp_path / "train", "# a.jpg\n1 2 30 40\n# b.jpg\n# c.jpg\n",
             {"a.jpg": (200, 300), "b.jpg": (200, 300), "c.jpg": (200, 300)})  # fmt: skip
    labelled(tmp_path / "val", "# d.jpg\n# e.jpg\n", {})
    shutil.copy(tmp_path / "train" / "images" / "b.jpg", tmp_path / "train" / "images" / "a.jpg")
    shutil.copy(tmp_path / "train" / "images" / "c.jpg", tmp_path / "val" / "images" / "d.jpg")
    cv2.imwrite(str(tmp_path / "val" / "images" / "e.jpg"), another_view(7))
    assert script(CHECK, tmp_path, "--fix").status == 1
    assert [one.name for one in read_annotations(tmp_path / "train" / "label_fixed.txt")] == ["a.jpg"]
    assert not (tmp_path / "val" / "label_fixed.txt").exists()  # there is nothing to fix


def test_fix_keeps_the_copy_with_faces(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n# b.jpg\n1 2 30 40\n", {"a.jpg": (200, 300)})
    shutil.copy(tmp_path / "images" / "a.jpg", tmp_path / "images" / "b.jpg")
    script(CHECK, label, "--fix")
    (kept,) = read_annotations(tmp_path / "label_fixed.txt")
    assert kept.name == "b.jpg" and kept.boxes.tolist() == [[1, 2, 31, 42]]


def test_fix_refuses_boxes_of_two_corners(script, tmp_path):
    rows = "".join(f"{x} {x} {x + 60} {x + 70}\n" for x in range(100, 190, 3))
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (270, 260)})
    outcome = script(CHECK, label, "--fix")
    assert "not written, since boxes are read as x y w h" in outcome.out
    assert not (tmp_path / "label_fixed.txt").exists()


@pytest.mark.parametrize("kind", [kind for kind in WRITABLE if kind != "list"])
def test_every_format_is_checked_and_fixed_in_a_converted_dataset(script, tmp_path, kind):
    names = [f"show/{i}.jpg" for i in range(6)]
    text = "".join(f"# {name}\n10 20 30 40\n{280 if i % 2 else 90} 20 30 40\n" for i, name in enumerate(names))
    label = labelled(tmp_path / "raw", text, dict.fromkeys(names, (200, 300)))
    split = ("--split", "train=0.5", "val=0.5", "--to", kind)
    assert script("tools/convert/__main__.py", label, tmp_path / "set", *split).status == 0
    report, status = check(script, tmp_path / "set", "--fix")
    assert status == 0
    assert [one["kind"] for one in report["findings"]] == ["beyond"] * 3
    assert sum(part["faces"] for part in report["parts"].values()) == 12
    written = sorted(path for path in (tmp_path / "set").glob("*/*_fixed*") if "_list_" not in path.name)
    assert len(written) == len({one["part"] for one in report["findings"]}) > 0
    for path in written:
        again, status = check(script, path)
        assert status == 0 and again["findings"] == []


def test_a_list_is_fixed_if_only_the_list_is_wrong(script, tmp_path):
    label = labelled(tmp_path / "val", "# a.jpg\n10 10 20 20\n", {"a.jpg": (64, 64)})
    (tmp_path / "val" / "tvval_list.txt").write_text("a.jpg\ngone.jpg\n")
    script(CHECK, label, "--fix")
    assert (tmp_path / "val" / "tvval_list_fixed.txt").read_text() == "a.jpg\n"


def test_a_fixed_list_keeps_its_names(script, tmp_path):
    """Labels may name images by IDs without suffix, by which a list would lead to no file."""
    labelled(tmp_path, "-", {"1.jpg": (200, 300), "2.png": (200, 300)})
    row = "10, 20, 30, 40, 0, 0, 0, 0\n"
    (tmp_path / "label.txt").write_text(f"1\n1\n{row}2\n1\n{row}")
    names = tmp_path / "tvval_list.txt"
    names.write_text("1.jpg\n2.png\n")
    assert "nothing to fix" in script(CHECK, tmp_path / "label.txt", "--fix").out
    names.write_text("1.jpg\n2.png\n1.jpg\n3.jpg\n")
    script(CHECK, tmp_path / "label.txt", "--fix")
    assert (tmp_path / "tvval_list_fixed.txt").read_text() == "1.jpg\n2.png\n"


def test_each_of_several_fixed_lists_keeps_its_names(script, tmp_path):
    names = dict.fromkeys(("a.jpg", "b.jpg", "c.jpg"), (64, 64))
    label = labelled(tmp_path, "# a.jpg\n50 10 20 20\n# b.jpg\n# c.jpg\n", names)
    lists = {"day": "a.jpg\n", "night": "c.jpg\nb.jpg\n", "old": "gone.jpg\n"}
    for name, text in lists.items():
        (tmp_path / f"{name}_list.txt").write_text(text)
    said = script(CHECK, label, "--fix").out.splitlines()[-4:]
    day, night, old = (tmp_path / f"{name}_list_fixed.txt" for name in lists)
    assert said[1:] == [f"{day}: 1 image", f"{night}: 2 images", f"{old}: not written, since nothing would be left"]
    assert (day.read_text(), night.read_text(), old.exists()) == ("a.jpg\n", "b.jpg\nc.jpg\n", False)
    (tmp_path / "old_list.txt").unlink()
    assert "nothing to fix" in script(CHECK, tmp_path / "label_fixed.txt", "--fix").out


def test_fix_writes_all_copies_or_none(script, tmp_path):
    """A list cannot hold a name that labels can; the part before it is not written, either."""
    names = {"a.jpg": (64, 64), "#1.jpg": (64, 64)}
    labelled(tmp_path / "train", "# a.jpg\n10 10 20 20\n10 10 0 20\n", {"a.jpg": (80, 64)})
    labelled(tmp_path / "val", "# a.jpg\n# #1.jpg\n10 10 20 20\n10 10 0 20\n", names)
    (tmp_path / "val" / "tvval_list.txt").write_text("a.jpg\n#1.jpg\n")
    before = bytes_below(tmp_path)
    outcome = script(CHECK, tmp_path, "--fix")
    outcome.refuses("'#1.jpg'", "rename the image")
    assert "_fixed" not in outcome.out and bytes_below(tmp_path) == before
    for label in (tmp_path / "val", tmp_path / "train"):
        path = label / "label.txt"
        path.write_text(path.read_text().replace("#1.jpg", "1.jpg"))
    (tmp_path / "val" / "images" / "#1.jpg").rename(tmp_path / "val" / "images" / "1.jpg")
    (tmp_path / "val" / "tvval_list.txt").write_text("a.jpg\n1.jpg\n")
    assert script(CHECK, tmp_path, "--fix").status == 1
    written = {path.name for path in tmp_path.rglob("*_fixed*")}
    assert written == {"label_fixed.txt", "tvval_list_fixed.txt"}


def test_fixed_folders_keep_dots_in_their_names(script, tmp_path):
    box = "<bndbox><xmin>{}</xmin><ymin>5</ymin><xmax>40</xmax><ymax>50</ymax></bndbox>"
    folders = [tmp_path / "voc.v1", tmp_path / "voc.v2"]
    for folder, name in zip(folders, ("a", "b"), strict=True):
        labelled(folder, "-", {f"{name}.jpg": (64, 64 + ord(name))}).unlink()
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), another_view(ord(name)))
        objects = "".join(f"<object><name>face</name>{box.format(x)}</object>" for x in (-5, 20))
        (folder / f"{name}.xml").write_text(f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>")
    script(CHECK, *folders, "--fix")
    fixed = [tmp_path / "voc.v1_fixed", tmp_path / "voc.v2_fixed"]
    assert sorted(tmp_path.iterdir()) == sorted([*folders, *fixed])
    assert [[one.name for one in read_annotations(path)] for path in fixed] == [["a.jpg"], ["b.jpg"]]


def test_two_splits_cannot_have_the_same_fixed_copy(script, tmp_path):
    """Here that of the list beside them both, which would be replaced."""
    first = labelled(tmp_path, "# a.jpg\n10 10 20 20\n10 10 0 20\n", {"a.jpg": (64, 64), "b.jpg": (64, 80)})
    second = tmp_path / "more.txt"
    second.write_text("# b.jpg\n10 10 20 20\n10 10 0 20\n")
    (tmp_path / "tv_list.txt").write_text("a.jpg\nb.jpg\n")
    before = bytes_below(tmp_path)
    script(CHECK, first, second, "--fix").refuses(tmp_path / "tv_list_fixed.txt", first, second, "one by one")
    assert bytes_below(tmp_path) == before


def test_fix_does_not_count_faces_of_dropped_files(script, tmp_path):
    """Only what is said of the images that are kept, or would be if they had not lost their faces."""
    rows = "-5 -5 40 40\n500 500 20 20\n60 60 0 20\n60 60 20 20\n60 60 20 20\n"
    labelled(tmp_path / "train", f"# a.jpg\n{rows}# b.jpg\n10 10 20 20\n# c.jpg\n500 500 20 20\n",
             {"a.jpg": (100, 100), "b.jpg": (64, 64), "c.jpg": (80, 64)})  # fmt: skip
    labelled(tmp_path / "test", "# a.jpg\n10 10 20 20\n", {})
    shutil.copy(tmp_path / "train" / "images" / "a.jpg", tmp_path / "test" / "images")
    said = next(line for line in script(CHECK, tmp_path, "--fix").out.splitlines() if "label_fixed.txt: " in line)
    assert said.endswith(
        ": 1 image, 1 face; dropped: 1 file equal to another, 1 face outside, 1 image without a remaining face;"
        " clipped: 0 faces"
    )


def test_fix_counts_in_singular(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n10 10 20 20\n50 10 20 20\n10 10 0 20\n", {"a.jpg": (64, 64)})
    said = script(CHECK, label, "--fix").out.splitlines()[-1]
    assert said.endswith(": 1 image, 2 faces; dropped: 1 face of less than a pixel; clipped: 1 face")


@pytest.mark.parametrize("kind", [kind for kind in WRITABLE if kind != "list"])
def test_fixed_copies_of_random_boxes_have_no_findings(script, tmp_path, kind):
    """Boxes lie around the edges, are about a pixel wide, and have fractions without an end."""
    rng = np.random.default_rng(WRITABLE.index(kind))
    names = [f"{i}.png" for i in range(8)]
    labelled(tmp_path, "-", dict.fromkeys(names, (64, 96))).unlink()
    made = []
    for name in names:
        corners = rng.uniform(-30, 110, (150, 2))
        sizes = rng.choice([0, 0.4, 1, 1.4, 3, 20, 100], (150, 2)) * rng.choice([1, rng.uniform(0.9, 1.1)], (150, 1))
        corners[:40] = rng.choice([0, -0.6, -0.5, 95.3, 63.1], (40, 2))
        made.append(Annotation(name, np.hstack([corners, corners + sizes]), np.full((150, 5, 2), -1.0), size=(64, 96)))
    place = tmp_path / "truth"
    path = place.with_suffix({"coco": ".json"}.get(kind, "" if FORMATS[kind].is_folder else ".txt"))
    write_annotations(made, path, kind)
    first = script(CHECK, path, "--fix")
    assert first.status == 1 and "dropped: " in first.out
    again = script(CHECK, path.with_name(f"{path.stem}_fixed{path.suffix}"), "--fix")
    assert again.status == 0 and ": nothing to fix" in again.out
    assert "look at: boxes" not in again.out and "look at: faces" not in again.out
