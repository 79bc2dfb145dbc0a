"""The contact sheets of tools.show, and its plots."""

import json
import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data.annotations import Annotation, read_annotations, write_annotations
from tests.helpers.images import draw_image
from tests.helpers.sheets import cell, has, names_of, outside_boxes
from tools.show.grid import (
    GAP,
    IGNORED_COLOR,
    LINE,
    PRIOR_COLOR,
    TEXT,
    check_size,
    contact_sheet,
    unreadable_cell,
)
from tools.show.image_cells import window_around
from utils.drawing import BOX_COLOR, SHEET_COLOR
from utils.errors import UserError


def test_a_cell_shows_the_named_image_with_its_boxes(show, dataset):
    outcome, sheet = show(dataset, "--names", "3.jpg", "0", "5", "--side", 160, "--columns", 2)
    assert outcome.status == 0 and names_of(outcome) == ["3.jpg", "0.jpg", "5.jpg"]
    assert sheet.shape[1] == 2 * 160 + 3 * GAP
    by_name = {annotation.name: annotation.boxes for annotation in read_annotations(dataset)}
    for index, name in enumerate(["3.jpg", "0.jpg", "5.jpg"]):
        image = cell(sheet, index, 2, 160, 120)
        expected = cv2.resize(cv2.imread(str(dataset.parent / "images" / name)), (160, 120))
        boxes = by_name[name] * 160 / 128
        untouched = outside_boxes(boxes, 120, 160)
        assert (image[untouched] == expected[untouched]).all()
        for x1, y1, x2, y2 in np.rint(boxes).astype(int):
            for x, y in ((x1, (y1 + y2) // 2), (x2, (y1 + y2) // 2), ((x1 + x2) // 2, y1), ((x1 + x2) // 2, y2)):
                if x < 160 and y < 120:
                    np.testing.assert_allclose(image[y, x], BOX_COLOR, atol=16)


def test_lines_are_equally_thick_in_images_of_any_size(show, tmp_path):
    draw_image(tmp_path / "images" / "small.jpg", [], (90, 160))
    draw_image(tmp_path / "images" / "large.jpg", [], (2160, 3840))
    label = tmp_path / "label.txt"
    label.write_text("# small.jpg\n40 20 60 50\n# large.jpg\n960 480 1440 1200\n")
    _, sheet = show(label, "--names", "small", "large", "--side", 320)
    images = [cell(sheet, index, 2, 320, 180) for index in range(2)]
    lines = [has(image, BOX_COLOR, 60).sum() for image in images]
    assert min(lines) > 200 and max(lines) < 1.1 * min(lines)


def test_names_must_be_in_the_labels_and_unambiguous(show, dataset):
    show(dataset, "--names", "7.jpg")[0].refuses("--names 7.jpg", "no image has this name")
    (dataset.parent / "images" / "3.png").write_bytes((dataset.parent / "images" / "3.jpg").read_bytes())
    with open(dataset, "a") as file:
        file.write("# 3.png\n1 2 3 4\n")
    show(dataset, "--names", "3")[0].refuses("--names 3:", "3.jpg and 3.png", "suffix")
    assert names_of(show(dataset, "--names", "3.png")[0]) == ["3.png"]


def test_one_seed_gives_one_sheet(show, dataset):
    runs = [show(dataset, "--count", 4, "--side", 64, "--seed", seed) for seed in (0, 0, 1)]
    names = [names_of(outcome) for outcome, _ in runs]
    assert len(set(names[0])) == 4 and names[0] == names[1] != names[2]
    assert (runs[0][1] == runs[1][1]).all()
    assert sorted(names_of(show(dataset, "--side", 64)[0])) == [f"{i}.jpg" for i in range(6)]


@pytest.fixture
def sizes_label(tmp_path):
    """Images with faces of 20 and 6, 40 and 0, 10, and none; returns the label file."""
    faces = {"a": [(30, 30, 20, 20), (70, 50, 6, 6)], "b": [(50, 30, 40, 40), (9, 9, 0, 30)], "c": [(60, 40, 10, 10)]}
    for seed, (name, boxes) in enumerate({**faces, "d": []}.items()):
        draw_image(tmp_path / "images" / f"{name}.png", boxes, (150, 160), seed)
    rows = [[f"# {name}.png", *(" ".join(map(str, box)) for box in boxes)] for name, boxes in faces.items()]
    label = tmp_path / "label.txt"
    label.write_text("\n".join(line for row in rows for line in row) + "\n# d.png\n")
    return label


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        ("largest", [("b.png", "40 x 40 px", (10, 0, 130, 120)), ("a.png", "20 x 20 px", (10, 10, 70, 70))]),
        ("smallest", [("a.png", "6 x 6 px", (64, 44, 82, 62)), ("c.png", "10 x 10 px", (50, 30, 80, 60))]),
    ],
)
def test_picked_faces_fill_a_third_of_their_crop(show, sizes_label, pick, expected):
    outcome, sheet = show(sizes_label, "--pick", pick, "--count", 2, "--side", 90)
    assert names_of(outcome) == [name for name, _, _ in expected]
    for index, (name, note, (left, top, right, bottom)) in enumerate(expected):
        assert f"{name}  ({note})" in outcome.out
        image = cv2.imread(str(sizes_label.parent / "images" / name))[top:bottom, left:right]
        way = cv2.INTER_AREA if right - left > 90 else cv2.INTER_LINEAR
        wanted = cv2.resize(image, (90, 90), interpolation=way)
        boxes = next(a.boxes for a in read_annotations(sizes_label) if a.name == name)
        untouched = outside_boxes((boxes - (left, top, left, top)) * 90 / (right - left), 90, 90)
        shown = cell(sheet, index, 2, 90, 90)
        assert untouched.mean() > 0.4 and (shown[untouched] == wanted[untouched]).all()
        assert has(shown, BOX_COLOR, 60).any(axis=0).sum() >= 28  # a third, less smoothed ends


def test_each_image_is_picked_once(show, sizes_label):
    assert names_of(show(sizes_label, "--pick", "smallest", "--side", 64)[0]) == ["a.png", "c.png", "b.png"]


@given(st.tuples(*[st.floats(-1e9, 1e9)] * 2, *[st.floats(0, 1e9)] * 2), st.integers(1, 5000), st.integers(1, 5000))
def test_the_window_around_any_box_is_inside_the_image(box, width, height):
    x, y, w, h = box
    left, top, right, bottom = window_around(np.array([x, y, x + w, y + h]), width, height)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    if 0 <= x < x + w <= width and 0 <= y < y + h <= height:
        assert left <= x + w / 2 <= right and top <= y + h / 2 <= bottom
        assert min(width, 3 * max(w, h)) <= right - left <= 3 * max(w, h) + 1


def test_huge_boxes_and_boxes_far_outside_are_drawn(show, tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [])
    (tmp_path / "label.txt").write_text("# a.jpg\n5 5 999999990 9\n-900000000 -900000000 3 3\n")
    for flags in ((), ("--pick", "smallest"), ("--pick", "largest")):
        outcome, sheet = show(tmp_path / "label.txt", "--side", 64, *flags)
        assert outcome.status == 0 and sheet is not None


def test_ignored_faces_have_their_own_color(show, tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [(20, 20, 30, 30), (80, 20, 30, 30)])
    label = tmp_path / "wider_bbx_gt.txt"
    label.write_text("a.jpg\n2\n20 20 30 30 0 0 0 1 0 0\n80 20 30 30 0 0 0 0 0 0\n")
    _, sheet = show(label, "--side", 128)
    image = cell(sheet, 0, 1, 128, 96)
    np.testing.assert_allclose(image[35, 20], IGNORED_COLOR, atol=16)
    np.testing.assert_allclose(image[35, 80], BOX_COLOR, atol=16)
    legend = sheet[GAP + 96 + LINE + GAP :]
    assert has(legend, IGNORED_COLOR).any() and has(legend, BOX_COLOR).any() and not has(legend, PRIOR_COLOR).any()


@pytest.fixture
def half_ignored(tmp_path):
    """An image with a face of 30 x 30 and two ignored faces, and an image with an ignored face only."""
    for name in ("a.jpg", "b.jpg"):
        draw_image(tmp_path / "images" / name, [])
    label = tmp_path / "wider_bbx_gt.txt"
    a, b = "5 5 60 60 0 0 0 1 0 0\n80 20 30 30 0 0 0 0 0 0\n80 60 6 6 0 0 0 1 0 0\n", "9 9 50 50 0 0 0 1 0 0\n"
    label.write_text(f"a.jpg\n3\n{a}b.jpg\n1\n{b}")
    return label


@pytest.mark.parametrize("pick", ["largest", "smallest"])
def test_ignored_faces_are_not_picked(show, half_ignored, pick):
    outcome, _ = show(half_ignored, "--pick", pick)
    assert names_of(outcome) == ["a.jpg"] and "a.jpg  (30 x 30 px)" in outcome.out
    half_ignored.write_text("b.jpg\n1\n9 9 50 50 0 0 0 1 0 0\n")
    show(half_ignored, "--pick", pick)[0].refuses("only ignored ones")


@pytest.mark.parametrize("kind", ["laboro", "wider_mat"])
def test_images_are_found_by_names_without_suffix(show, tmp_path, kind):
    faces = {"event/1.jpg": (96, 128), "event/2.png": (60, 128)}
    for name, size in faces.items():
        draw_image(tmp_path / "images" / name, [], size)
    label = tmp_path / kind
    names = faces if kind == "wider_mat" else ("event/1", "event/2")
    boxes = np.array([[20.0, 20, 50, 50]])
    write_annotations([Annotation(name, boxes, np.full((1, 5, 2), -1.0)) for name in names], label, kind)
    outcome, sheet = show(label, "--names", "event/1", "event/2", "--side", 128)
    assert outcome.status == 0 and names_of(outcome) == ["event/1", "event/2"]
    assert (cell(sheet, 0, 2, 128, 96)[60:] == cv2.imread(str(tmp_path / "images" / "event" / "1.jpg"))[60:]).all()
    outcome, _ = show(label, "--statistics")
    assert outcome.status == 0 and "2 images, 2 faces" in outcome.out
    draw_image(tmp_path / "images" / "event" / "1.png", [])
    outcome, _ = show(label)
    assert outcome.status == 3 and "event/1.jpg and event/1.png" in outcome.err


def test_labels_may_lie_among_the_images(show, script, tmp_path):
    draw_image(tmp_path / "set" / "a.png", [(32, 24, 64, 48)])
    (tmp_path / "set" / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    outcome, sheet = show(tmp_path / "set", "--side", 128)
    assert outcome.status == 0 and has(cell(sheet, 0, 1, 128, 96), BOX_COLOR, 60).any()
    assert script("tools/check/__main__.py", tmp_path / "set").status == 0
    script("tools/convert/__main__.py", tmp_path / "set", tmp_path / "set" / "label.txt").refuses("among the images")
    assert script("tools/convert/__main__.py", tmp_path / "set", tmp_path / "new", "--split", "train=1").status == 0
    assert (tmp_path / "new" / "train" / "images" / "a.png").exists()


def test_a_huge_image_is_not_decoded(show, dataset):
    Image.new("1", (20_000, 20_000)).save(dataset.parent / "images" / "2.jpg", "PNG")
    outcome, _ = show(dataset, "--names", "1", "2")
    assert outcome.status == 3 and "2.jpg: has 20000 x 20000 pixels; expected at most" in outcome.err


def test_an_unreadable_image_has_a_cell_that_says_so(show, dataset):
    (dataset.parent / "images" / "2.jpg").write_bytes(b"no image")
    for flags in (("--names", "1", "2"), ("--augmented", "--image_size", 64)):
        outcome, sheet = show(dataset, *flags, "--side", 160)
        assert outcome.status == 3 and sheet is not None
        assert len(outcome.err.strip().splitlines()) == 1 and "2.jpg" in outcome.err
        assert "2.jpg  (cannot be read)" in outcome.out
    (dataset.parent / "images" / "4.jpg").unlink()
    outcome, _ = show(dataset, "--statistics")
    assert outcome.status == 3 and "6 images, 9 faces" in outcome.out
    bad, missing = outcome.err.strip().splitlines()
    assert "2.jpg" in bad and "4.jpg" in missing
    show(dataset, "--names", "2")[0].refuses("none of 1 image can be read", "2.jpg")
    blank = unreadable_cell("2.jpg", 160)
    assert has(blank.image, TEXT, 40).sum() > 50


def test_a_name_that_the_font_lacks_is_printed_but_not_drawn(show, tmp_path):
    draw_image(tmp_path / "images" / "写真.jpg", [])
    draw_image(tmp_path / "images" / "é.jpg", [])
    (tmp_path / "label.txt").write_text("# 写真.jpg\n1 2 30 40\n# é.jpg\n1 2 30 40\n", encoding="utf-8")
    outcome, sheet = show(tmp_path / "label.txt", "--names", "写真", "é", "--side", 128)
    assert names_of(outcome) == ["写真.jpg", "é.jpg"]
    captions = sheet[GAP + 96 : GAP + 96 + LINE]
    drawn = [has(captions[:, left + 15 : left + 60], SHEET_COLOR) for left in (GAP, 2 * GAP + 128)]
    assert drawn[0].all() and not drawn[1].all()


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".jpg", "a\x07b.jpg", "\u0634\u062e\u0635.jpg", "e\u0301.jpg", "\udc80.jpg"]
)
def test_long_and_odd_names_stay_in_their_cell(name):
    sheet = contact_sheet([unreadable_cell(name, 64)] * 2, 2, 64)
    assert sheet.shape[1] == 2 * 64 + 3 * GAP
    assert (sheet[:, 64 + GAP : 64 + 2 * GAP] == SHEET_COLOR).all()


def test_images_of_the_dataset_are_never_replaced(script, dataset):
    before = (dataset.parent / "images" / "0.jpg").read_bytes()
    for flags in ((), ("--augmented",), ("--statistics",)):
        outcome = script("tools/show/__main__.py", dataset, "--out", dataset.parent / "images" / "0.jpg", *flags)
        outcome.refuses("--out", "among the images")
    (dataset.parent / "studio").mkdir()
    flags = ("--augmented", "--negatives", dataset.parent / "studio")
    outcome = script("tools/show/__main__.py", dataset, "--out", dataset.parent / "studio" / "0.jpg", *flags)
    outcome.refuses("--out", "among the images")
    link = dataset.parent / "link.jpg"
    link.symlink_to(dataset.parent / "images" / "0.jpg")
    script("tools/show/__main__.py", dataset, "--out", link).refuses("--out")
    assert (dataset.parent / "images" / "0.jpg").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--priors",), ("--priors", "--augmented")),
        (("--statistics", "--columns", 3), ("--columns",)),
        (("--names", "1", "--count", 3), ("--count",)),
        (("--augmented", "--images", "x"), ("--images",)),
        (("--side", 40_000, "--columns", 2), ("80,", "65,535", "--side")),
        (("--images", "nowhere"), ("nowhere: no such folder of images", "--images")),
        (("--negatives", "x"), ("--negatives", "--augmented")),
    ],
)
def test_flags_without_effect_are_refused(show, dataset, flags, parts):
    outcome, sheet = show(dataset, *flags)
    outcome.refuses(*parts)
    assert sheet is None


def test_mistakes_in_labels_and_paths_are_refused_in_one_line(script, show, dataset, tmp_path):
    script("tools/show/__main__.py", dataset, "--out", tmp_path / "a.txt").refuses("a.txt", ".jpg")
    show(tmp_path / "none.txt", "--augmented")[0].refuses("none.txt", "no such label file")
    names = tmp_path / "faces" / "names.txt"
    names.write_text("0.jpg\n1.jpg\n")
    assert show(names, "--side", 64)[0].status == 0
    show(names, "--pick", "largest")[0].refuses("no faces")
    show(names, "--statistics")[0].refuses("no faces")
    nothing = dataset.parent / "nothing.json"
    nothing.write_text('{"images": [], "annotations": [], "categories": []}')
    for flags in ([], ["--pick", "largest"], ["--names", "a"], ["--statistics"]):
        show(nothing, *flags)[0].refuses(f"{nothing}: has no images")
    names.write_text("# ../label.jpg\n1 2 3 4\n")
    show(names)[0].refuses("../label.jpg")


def test_a_sheet_is_at_most_as_large_as_a_jpeg():
    check_size(10_000, 100, 100)
    for count, columns, side in ((1_000, 1, 100), (1_000, 1_000, 100), (10_000, 100, 300)):
        with pytest.raises(UserError, match="65,535"):
            check_size(count, columns, side)


def test_pipes_are_not_read_as_images(show, tmp_path):
    (tmp_path / "label.txt").write_text("# a.jpg\n# pipe.jpg\n1 2 30 40\n")
    draw_image(tmp_path / "images" / "a.jpg", [])
    os.mkfifo(tmp_path / "images" / "pipe.jpg")
    outcome, _ = show(tmp_path / "label.txt")
    assert outcome.status == 3 and "pipe.jpg: is a pipe or a device" in outcome.err
    show(tmp_path / "label.txt", "--statistics")[0].refuses("no faces to measure")


def test_the_category_of_the_faces_can_be_chosen(show, tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [])
    boxes = [{"image_id": 1, "id": i, "category_id": i, "bbox": [9, 9, 10 * i, 20]} for i in (1, 2, 3)]
    kinds = [{"id": i, "name": name} for i, name in enumerate(("head", "dog", "cat"), 1)]
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": boxes, "categories": kinds}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    show(tmp_path / "coco.json")[0].refuses("--category")
    assert "(10 x 20 px)" in show(tmp_path / "coco.json", "--category", "head", "--pick", "largest")[0].out
