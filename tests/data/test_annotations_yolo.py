"""Reading YOLO labels, and the errors of a malformed row."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.annotations import read_annotations
from tests.helpers.annotations import write_files
from utils.errors import UserError


def make(root, labels: dict[str, str], images: dict[str, tuple[int, int]]):
    """Write label files and black images of (height, width)."""
    write_files(root, labels)
    for name, size in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / name), np.zeros((*size, 3), np.uint8))
    return root


@pytest.fixture
def one(tmp_path):
    """Read one label file of an image of 100 x 200 with the given text."""

    def call(text: str, **arguments):
        make(tmp_path, {"labels/a.txt": text}, {"images/a.png": (100, 200)})
        return read_annotations(tmp_path / "labels", "yolo", **arguments)[0]

    return call


def test_the_folder_of_a_whole_dataset_is_read(tmp_path):
    labels = {"labels/val/a.txt": "0 0.5 0.5 0.25 0.5\n", "classes.txt": "face\n"}
    make(tmp_path, labels, {"images/val/a.jpg": (100, 200)})
    for images in (None, tmp_path / "images"):
        (annotation,) = read_annotations(tmp_path, images=images)
        assert (annotation.name, annotation.boxes.tolist()) == ("val/a.jpg", [[75, 25, 125, 75]])


def test_fractions_of_the_image_become_pixels(tmp_path):
    labels = {
        "labels/val/a.txt": "0 0.5 0.5 0.25 0.5\n\n0 0.1 0.2 0 0.1\n",
        "labels/val/b.txt": "",
        "labels/c.txt": "\n",
    }
    images = {
        "images/val/a.jpg": (100, 200),
        "images/val/b.png": (30, 40),
        "images/c.PNG": (5, 6),
        "images/d.bmp": (7, 8),
    }
    annotations = read_annotations(make(tmp_path, labels, images) / "labels")
    assert [a.name for a in annotations] == ["c.PNG", "d.bmp", "val/a.jpg", "val/b.png"]
    assert [a.size for a in annotations] == [(5, 6), (7, 8), (100, 200), (30, 40)]
    assert [len(a.boxes) for a in annotations] == [0, 0, 2, 0]
    assert annotations[2].boxes == pytest.approx(np.array([[75, 25, 125, 75], [20, 15, 20, 25]]))
    assert not annotations[2].landmark_mask.any() and not annotations[2].ignored.any()


@pytest.mark.parametrize(
    ("labels", "images"),
    [
        ("set/labels", "set/images"),
        ("set/labels/val", "set/images/val"),
        ("labels/labels/val", "labels/images/val"),
        ("set/val", "set/images"),
        ("set/val", "set/val/images"),
        ("set", "set"),
    ],
)
def test_images_are_found_in_the_usual_places(tmp_path, monkeypatch, labels, images):
    make(tmp_path, {f"{labels}/a.txt": "0 0.5 0.5 1 1\n"}, {f"{images}/a.png": (10, 20)})
    expected = [[0, 0, 20, 10]]
    assert read_annotations(tmp_path / labels)[0].boxes.tolist() == expected
    monkeypatch.chdir(tmp_path / labels)
    assert read_annotations(".")[0].boxes.tolist() == expected


def test_images_in_another_place_are_named(tmp_path):
    make(tmp_path, {"labels/a.txt": "0 0.5 0.5 1 1\n"}, {"images/a.png": (10, 20), "elsewhere/a.png": (30, 40)})
    assert read_annotations(tmp_path / "labels", images=tmp_path / "elsewhere")[0].boxes.tolist() == [[0, 0, 40, 30]]
    with pytest.raises(UserError, match=r"nowhere: no such folder of images; name another with --images"):
        read_annotations(tmp_path / "labels", images=tmp_path / "nowhere")


def test_five_landmarks_are_read(one):
    points = "0.1 0.2 2 0.3 0.2 2 0.2 0.3 1 0.1 0.4 2 0.3 0.4 2"
    hidden = "0.1 0.2 2 0 0 0 0.2 0.3 1 0.1 0.4 2 0.3 0.4 2"
    annotation = one(f"0 0.5 0.5 0.25 0.5 {points}\n0 0.5 0.5 0.25 0.5 {hidden}\n0 0.5 0.5 0.25 0.5\n")
    assert annotation.landmark_mask.tolist() == [True, False, False]
    assert annotation.landmarks[0] == pytest.approx(np.array([[20, 20], [60, 20], [40, 30], [20, 40], [60, 40]]))
    assert annotation.landmarks[1, 1].tolist() == [-1, -1]


def test_the_face_is_the_only_class_or_the_named_one(tmp_path, one):
    rows = "0 0.5 0.5 1 1\n1 0.5 0.5 0.5 0.5\n1 0.25 0.25 0.5 0.5\n"
    with pytest.raises(
        UserError, match=r"labels: has the classes 0 \(1\), 1 \(2\); name that of the faces .*--category"
    ):
        one(rows)
    assert len(one(rows, category="1").boxes) == 2
    assert len(one("3 0.5 0.5 1 1\n").boxes) == 1
    (tmp_path / "labels" / "classes.txt").write_text("person\nFACE\n")
    assert len(one(rows).boxes) == 2
    assert len(one(rows, category="person").boxes) == 1
    (tmp_path / "labels" / "classes.txt").write_text("person\nhead\n")
    with pytest.raises(UserError, match=r"has the classes person \(1\), head \(2\); "):
        one(rows)
    with pytest.raises(UserError, match=r"a\.txt:1: .*classes\.txt names the classes 0, 1, but not 2"):
        one("2 0.5 0.5 1 1\n")


def test_rounding_beyond_the_edge_is_accepted(one):
    assert one("0 1.0005 0.5 0.1 1.001\n").boxes == pytest.approx(np.array([[190.1, -0.05, 210.1, 100.05]]))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("0 0.5 0.5 0.1", "expected 'class cx cy w h'"),
        ("face 0.5 0.5 0.1 ?", "expected 'class cx cy w h'"),
        ("0 0.5 0.5 0.1 nan", "expected 'class cx cy w h'"),
        ("0 0.5 0.5 0.1 0.1 0.9", "six columns are a prediction with its confidence; expected the ground truth"),
        ("0 " + "0.5 " * 9, "10 columns are in no known layout"),
        ("0 10 10 90 10 90 90", "are these pixels?"),
        ("0.5 0.5 0.5 0.1 0.1", "the class must be a whole number"),
        ("-1 0.5 0.5 0.1 0.1", "the class must be a whole number"),
        ("0 0.5 0.5 -0.1 0.1", "a face's width and height cannot be negative"),
        ("0 0.5 0.5 0.1 1.002", "expected parts of the image, from 0 to 1"),
        ("0 320 240 50 60", "expected parts of the image, from 0 to 1; are these pixels?"),
        ("0 0.5 -0.1 0.1 0.1", "expected parts of the image, from 0 to 1"),
    ],
)
def test_a_malformed_row_is_named_with_its_line(tmp_path, one, row, expected):
    with pytest.raises(UserError) as error:
        one(f"0 0.5 0.5 0.1 0.1\n\n{row}\n")
    assert str(error.value).startswith(f"{tmp_path / 'labels' / 'a.txt'}:3: found {row.strip()[:80]!r}; ")
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (".", "."),
        (".", "labels"),
        (".", "labels/val"),
        ("labels", "."),
        ("labels", "labels/val"),
        ("labels/val", "labels/val"),
    ],
)
def test_classes_txt_is_found_beside_the_labels_or_above_them(tmp_path, place, named):
    images = {"images/val/a.png": (10, 20)}
    root = make(tmp_path / "labels" / "set", {"labels/val/a.txt": "1 0.5 0.5 1 1\n"}, images)
    (tmp_path / "labels" / "classes.txt").write_text("no names of this set")
    (root / place / "classes.txt").write_text("person\nface\n")
    assert len(read_annotations(root / named)[0].boxes) == 1
    (root / place / "classes.txt").write_text("face\nperson\n")
    assert len(read_annotations(root / named)[0].boxes) == 0


def test_a_label_file_without_an_image_is_named(tmp_path):
    make(tmp_path, {"labels/sub/a.txt": "0 0.5 0.5 1 1\n"}, {"images/a.png": (9, 9)})
    with pytest.raises(UserError, match=r"sub/a\.txt: found no image 'sub/a' below .*images; .*--images"):
        read_annotations(tmp_path / "labels")


def test_an_invalid_image_is_named(tmp_path):
    make(tmp_path, {"labels/a.txt": "0 0.5 0.5 1 1\n", "images/a.jpg": "not an image"}, {})
    with pytest.raises(UserError, match=r"images/a\.jpg: is not an image"):
        read_annotations(tmp_path / "labels")


def test_a_single_file_and_an_empty_folder_are_refused(tmp_path):
    make(tmp_path, {"labels/a.txt": "0 0.5 0.5 1 1\n", "none/classes.txt": "face\n"}, {"images/a.png": (9, 9)})
    with pytest.raises(UserError, match=r"a\.txt: is a single file; YOLO labels are named by the folder"):
        read_annotations(tmp_path / "labels" / "a.txt")
    with pytest.raises(UserError, match=r"none: has no YOLO labels"):
        read_annotations(tmp_path / "none", "yolo")


coordinate = st.integers(0, 60)
faces_of_a_image = st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(60, 90), st.integers(60, 90), faces_of_a_image), min_size=1, max_size=3))
def test_boxes_are_read_as_written_but_for_rounding(tmp_path_factory, images):
    labels, boxes = {}, []
    for i, (height, width, faces) in enumerate(images):
        boxes.append([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in faces])
        rows = [((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes[-1]]
        parts = np.reshape(rows, (-1, 4)) / [width, height, width, height]
        labels[f"labels/{i}.txt"] = "".join("0 {:.6f} {:.6f} {:.6f} {:.6f}\n".format(*row) for row in parts)
    sizes = {f"images/{i}.png": (height, width) for i, (height, width, _) in enumerate(images)}
    root = make(tmp_path_factory.mktemp("yolo"), labels, sizes)
    for annotation, expected in zip(read_annotations(root / "labels", "yolo"), boxes, strict=True):
        assert np.allclose(annotation.boxes, np.reshape(expected, (-1, 4)), rtol=0, atol=1e-3)
