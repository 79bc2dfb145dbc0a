"""Faces labelled twice, compared with loops over all pairs of faces."""

import json
import tracemalloc

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from data.annotations import read_annotations
from tests.helpers.planted_faults import CHECK, check, labelled
from tools.check.label_checks import DUPLICATE_IOU, find_duplicates


def iou(one: np.ndarray, other: np.ndarray) -> float:
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(width, 0) * max(height, 0)
    return shared / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared)


def repeats_by_loops(boxes, image, has_place, worth) -> list[int]:
    repeats, kept = [-1] * len(boxes), []
    for face in sorted(np.flatnonzero(has_place).tolist(), key=lambda face: (-worth[face], face)):
        same = [one for one in kept if image[one] == image[face] and iou(boxes[one], boxes[face]) >= DUPLICATE_IOU]
        if same:
            repeats[face] = same[0]
        else:
            kept.append(face)
    return repeats


# Boxes of which many have an IoU just below or above 0.9, or 18 / 20 exactly, with others that have it with more.
across, down = st.sampled_from([0, 1, 2, 5, 6, 10, 11, 15]), st.integers(0, 1)
side = st.sampled_from([18, 20, 100, 100, 100, 110])
face = st.tuples(st.sampled_from([0, 0, 0, 10**9 - 200]), across, down, side, side, st.just(0) | down, down)


@given(st.lists(st.tuples(face, st.booleans() | st.just(True)), max_size=25), st.sampled_from([1, 1 / 3]))
@example([((0, 2, 0, 18, 18, 0, 0), True), ((0, 0, 0, 20, 18, 0, 0), True)], 0.1)  # rounding sets them farther apart
def test_duplicates_equal_those_of_plain_loops(faces, scale):
    rows = np.array([one for one, _ in faces], np.int64).reshape(-1, 7)
    corners = scale * (rows[:, :1] + rows[:, 1:3])
    boxes = np.hstack([corners, corners + scale * rows[:, 3:5]])
    image, worth, has_place = rows[:, 5], rows[:, 6], np.array([place for _, place in faces], bool)
    expected = repeats_by_loops(boxes, image, has_place, worth)
    assert find_duplicates(boxes, image, has_place, worth).tolist() == expected


def test_a_face_duplicates_only_a_kept_face(script, tmp_path):
    """In a row of thirty each is nearly the box of the next; what is left is no pair of the same box."""
    rows = "".join(f"{10 + 5 * i} 10 100 100\n" for i in range(30))
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (400, 2000)})
    report, _ = check(script, label)
    doubles = [(one["where"], one["message"].rpartition(" ")[2]) for one in report["findings"]]
    assert doubles == [(f"{label}:{line}", f"{label}:{line - 1}") for line in range(3, 32, 2)]
    assert ": 1 image, 15 faces; dropped: 15 faces labelled twice;" in script(CHECK, label, "--fix").out
    fixed = read_annotations(tmp_path / "label_fixed.txt")
    assert fixed.boxes[:, 0].tolist() == [10 + 10 * i for i in range(15)]


def test_an_image_of_20000_faces_needs_little_memory():
    """Comparing all with all took more than a gigabyte and most of a minute for 50,000."""
    rows = np.arange(20_000)
    boxes = np.stack([9 * (rows % 200), 9 * (rows // 200), 9 * (rows % 200) + 8, 9 * (rows // 200) + 8], axis=1) / 1.0
    boxes[-1] = boxes[0]
    same = np.zeros(len(rows), np.int64)
    tracemalloc.start()
    repeats = find_duplicates(boxes, same, same == 0, same)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert repeats[-1] == 0 and (repeats[:-1] == -1).all() and peak < 20e6


def test_a_face_that_is_not_ignored_is_better_than_one_with_landmarks(script, tmp_path):
    labelled(tmp_path, "-", {"a.jpg": (200, 300)}).unlink()
    face = {"image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40]}
    points = [15, 30, 2, 30, 30, 2, 25, 40, 2, 15, 50, 2, 30, 50, 2]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "iscrowd": 1, "keypoints": points, **face}, {"id": 2, "iscrowd": 0, **face}],
        "categories": [{"id": 1, "name": "face"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    (found,) = check(script, path)[0]["findings"]
    assert (found["kind"], found["where"]) == ("double", f"{path}: annotation id 1")
