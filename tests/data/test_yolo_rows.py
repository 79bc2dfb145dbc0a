"""The layouts of the rows of YOLO labels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.annotations import read_annotations
from data.annotations.formats.yolo_rows import Layout, Row, choose_layouts
from tests.helpers.annotations import write_files

BOX = "0.5 0.5 0.25 0.5"
POINTS = "0.45 0.4 0.55 0.4 0.5 0.5 0.46 0.6 0.54 0.6"
IN_PIXELS = [[90, 40], [110, 40], [100, 50], [92, 60], [108, 60]]


@pytest.fixture
def read(tmp_path):
    """Read label files a, b ... of images of 100 x 200 with the given texts."""

    def call(*texts: str | bytes, names: str = ""):
        write_files(tmp_path, {f"labels/{chr(97 + i)}.txt": text for i, text in enumerate(texts)})
        (tmp_path / "images").mkdir(exist_ok=True)
        for i in range(len(texts)):
            cv2.imwrite(str(tmp_path / "images" / f"{chr(97 + i)}.png"), np.zeros((100, 200, 3), np.uint8))
        if names:
            (tmp_path / "data.yaml").write_text(names)
        return read_annotations(tmp_path)

    return call


def test_landmarks_of_yolov5_face(read):
    """A missing landmark is -1 -1, also in pixels, as its converter of WIDER FACE writes it."""
    pixel = " ".join([str(-1 / 200), str(-1 / 100)] * 5)
    annotations = read(f"0 {BOX} {POINTS}\n0 {BOX} {'-1 ' * 10}\n", f"0 {BOX} {pixel}\n0 {BOX}\n")
    assert annotations.boxes.tolist() == [[75, 25, 125, 75]] * 4
    assert annotations.landmarks[0] == pytest.approx(np.array(IN_PIXELS))
    assert (annotations.landmarks[1:] == -1).all()
    assert annotations.notes == []


def test_landmarks_alone_decide_by_their_places(read):
    annotations = read(f"0 {BOX} {POINTS}\n")
    assert annotations.landmarks[0] == pytest.approx(np.array(IN_PIXELS)) and not annotations.notes


def corners(count: int, cx: float, cy: float, rx: float, ry: float, start: float, turn: int) -> str:
    angles = start + turn * np.arange(count) * 2 * np.pi / count
    return " ".join(f"{cx + rx * np.cos(angle):.6f} {cy + ry * np.sin(angle):.6f}" for angle in angles)


@given(
    st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(0.02, 0.2), st.floats(0.02, 0.2),
    st.floats(0, 6), st.sampled_from([-1, 1]),
)  # fmt: skip
def test_a_convex_outline_of_seven_corners_is_no_face_with_landmarks(cx, cy, rx, ry, start, turn):
    values = [float(value) for value in corners(7, cx, cy, rx, ry, start, turn).split()]
    assert choose_layouts([Row(Path("a"), 1, "0", values)], None) == {14: Layout.OUTLINE}


@given(
    st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(0.01, 0.4), st.floats(0.01, 0.4),
    st.lists(st.floats(-0.05, 0.05), min_size=10, max_size=10),
)  # fmt: skip
def test_five_landmarks_in_a_box_are_a_face(cx, cy, w, h, moved):
    face = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.6], [0.4, 0.75], [0.6, 0.75]]) + np.reshape(moved, (5, 2))
    points = (face - 0.5) * (w, h) + (cx, cy)
    assert choose_layouts([Row(Path("a"), 1, "0", [cx, cy, w, h, *points.ravel()])], None) == {14: Layout.POINTS}


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 9, 40])
def test_outlines_and_rotated_boxes_get_the_box_around_them(read, count):
    annotations = read(f"0 {corners(count, 0.5, 0.5, 0.2, 0.1, 0.3, 1)}\n0 {BOX}\n")
    x, y = np.reshape(corners(count, 0.5, 0.5, 0.2, 0.1, 0.3, 1).split(), (-1, 2)).astype(float).T * [[200], [100]]
    assert annotations.boxes[0] == pytest.approx([x.min(), y.min(), x.max(), y.max()])
    assert annotations.notes == ["1 face with an outline or a rotated box: the box around it is read"]


def test_a_rotated_box_may_reach_beyond_the_image(read):
    assert read("0 -0.1 0.5 0.1 0.3 0.3 0.5 0.1 1.1\n").boxes[0] == pytest.approx([-20, 30, 60, 110])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 17])
def test_other_keypoints_are_dropped_with_their_count(read, count):
    annotations = read(f"0 {BOX} " + "0.5 0.5 2 " * count + "\n")
    assert annotations.boxes.tolist() == [[75, 25, 125, 75]] and (annotations.landmarks == -1).all()
    assert annotations.unread == ["dropped: keypoints other than five of 1 face"]


@pytest.mark.parametrize(("shape", "row"), [("[5, 2]", POINTS), ("[4, 2]", "0.4 0.4 " * 4), ("[2, 2]", "0.3 0.4 " * 2)])
def test_the_number_of_keypoints_in_data_yaml_decides(read, shape, row):
    annotations = read(f"0 {BOX} {row}\n", names=f"names: [face]\nkpt_shape: {shape}\n")
    assert annotations.boxes.tolist() == [[75, 25, 125, 75]]
    assert (annotations.landmarks != -1).all() == (shape == "[5, 2]")


def test_a_sixth_column_of_whole_numbers_is_a_track(read):
    annotations = read(f"0 {BOX} 1\n", f"0 {BOX} 27\n")
    assert len(annotations.boxes) == 2 and annotations.unread == ["dropped: the track (sixth column) of 2 faces"]


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeff0 {BOX}\n",
        f"0 {BOX}   \r\n\r\n",
        f"0, {BOX.replace(' ', ', ')}\n",
        f"0.0 {BOX}\n",
        f"0\t{BOX}",
        f"face {BOX}\n",
        f"FACE {BOX}\n",
    ],
)
def test_other_ways_to_write_a_row(read, text):
    annotations = read(text, names="names: [face, person]\n")
    assert annotations.boxes.tolist() == [[75, 25, 125, 75]] and list(annotations.classes.faces) == ["face"]


def test_names_in_the_rows_are_classes(read):
    annotations = read(f"face {BOX}\ntv presenter {BOX}\ntv presenter {BOX}\n")
    assert len(annotations.boxes) == 1 and annotations.classes.others == {"tv presenter": 2}
