"""Boxes on images with an EXIF rotation: the same face in the stored pixels, whatever the annotation refers to."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from data.annotations import Annotation, read_annotations
from data.annotations.orientation import to_shown, to_stored
from data.image_header import ImageHeader, read_header
from tests.helpers.annotations import write_files
from tests.helpers.images import draw_image
from utils.files import read_image

SHOWN = np.zeros((60, 100), np.uint8)  # with a white face, in which the first landmark is dark
BOX, LANDMARKS = [20, 10, 50, 22], [[24, 14], [40, 14], [32, 16], [26, 19], [41, 19]]
SHOWN[10:22, 20:50] = 255
SHOWN[14, 24], SHOWN[14, 40] = 40, 80


def save(path, orientation: int) -> np.ndarray:
    """Write the image so that viewers show SHOWN; return the stored pixels."""
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # Pillow's transpositions
    image = Image.fromarray(SHOWN)
    image = image if back is None else image.transpose(Image.Transpose(back))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif)
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(Image.open(path))), SHOWN)
    return read_image(path)[:, :, 0]


def is_face(stored: np.ndarray, box) -> bool:
    """Whether a box x1 y1 x2 y2 is the white face."""
    x1, y1, x2, y2 = np.round(box).astype(int)
    return bool((stored[y1:y2, x1:x2] > 0).all()) and (stored > 0).sum() == (x2 - x1) * (y2 - y1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_face_is_found_in_the_stored_pixels(tmp_path, script, orientation):
    stored = save(tmp_path / "images" / "a.png", orientation)
    points = " ".join(f"{(x + 0.5) / 100} {(y + 0.5) / 60} 2" for x, y in LANDMARKS)
    write_files(tmp_path, {"labels/a.txt": f"0 0.35 {16 / 60} 0.3 0.2 {points}\n", "classes.txt": "face\n"})
    (annotation,) = annotations = read_annotations(tmp_path)
    assert is_face(stored, annotation.boxes[0]) and annotation.size == stored.shape
    assert bool(annotations.notes) == (orientation > 1)
    (x, y), (other_x, other_y) = np.floor(annotation.landmarks[0, :2]).astype(int)
    mirrored = orientation in (2, 4, 5, 7)  # the left eye in the stored image is then the right one in the shown one
    assert (stored[y, x], stored[other_y, other_x]) == ((80, 40) if mirrored else (40, 80))
    outcome = script("tools/convert/__main__.py", tmp_path, tmp_path / "label.txt")
    assert outcome.status == 0 and ("EXIF rotation (a.png)" in outcome.out) == (orientation > 1)


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_written_is_read_again(tmp_path, script, kind, orientation):
    """Written for the image as it is shown, which labelling tools display."""
    save(tmp_path / "images" / "a.png", orientation)
    boxes = to_stored(Annotation("a.png", np.array([BOX], float), np.full((1, 5, 2), -1.0)), header(orientation)).boxes
    x1, y1, x2, y2 = boxes[0]
    (tmp_path / "label.txt").write_text(f"# a.png\n{x1} {y1} {x2 - x1} {y2 - y1}\n")
    out = tmp_path / {"coco": "coco.json", "voc": "Annotations", "yolo": "labels"}[kind]
    outcome = script("tools/convert/__main__.py", tmp_path / "label.txt", out, "--to", kind)
    assert outcome.status == 0, outcome.err
    assert ("1 image with an EXIF rotation: written for the image as it is shown" in outcome.out) == (orientation > 1)
    if kind == "coco":
        written = json.loads(out.read_text())
        assert written["annotations"][0]["bbox"] == [20, 10, 30, 12]
        assert (written["images"][0]["height"], written["images"][0]["width"]) == SHOWN.shape
    (annotation,) = read_annotations(out)
    assert annotation.boxes == pytest.approx(boxes, abs=1e-6)


def test_the_header_of_an_image_is_read_once(tmp_path, script, monkeypatch):
    stored = save(tmp_path / "images" / "a.png", 6)
    headers = []
    monkeypatch.setattr(
        "data.annotations.orientation.read_header", lambda path: headers.append(path) or read_header(path)
    )
    monkeypatch.setattr("data.annotations.capabilities.read_header", headers.append)
    path = coco(tmp_path, {"a.png": (60, 100)})
    outcome = script("tools/convert/__main__.py", path, tmp_path / "labels", "--to", "yolo")
    assert outcome.status == 0 and headers == [tmp_path / "images" / "a.png"], outcome.err
    assert (tmp_path / "labels" / "a.txt").read_text() == "0 0.35 0.26666666666666666 0.3 0.2\n"
    assert is_face(stored, read_annotations(tmp_path / "labels")[0].boxes[0])


def header(orientation: int) -> ImageHeader:
    return ImageHeader(SHOWN.shape[::-1] if orientation >= 5 else SHOWN.shape, orientation)


@given(st.integers(1, 8), st.lists(st.tuples(*[st.integers(0, 60)] * 4), max_size=3))
def test_there_and_back_changes_nothing(orientation, boxes):
    boxes = np.array(boxes, float).reshape(-1, 4)
    landmarks = np.full((len(boxes), 5, 2), -1.0)
    landmarks[::2] = LANDMARKS
    landmarks[::2, 3] = -1
    annotation = Annotation("a", boxes, landmarks, size=SHOWN.shape)
    stored = to_stored(annotation, header(orientation))
    again = to_shown(stored, header(orientation))
    assert np.array_equal(again.boxes, boxes) and np.array_equal(again.landmarks, landmarks)
    assert again.size == SHOWN.shape and stored.size == header(orientation).size
    assert (stored.landmarks == -1).all(axis=2).sum() == (landmarks == -1).all(axis=2).sum()


def coco(tmp_path, images: dict[str, tuple[int, int]]):
    """Write a face at BOX of each image with its recorded (height, width)."""
    content = {
        "images": [{"id": i, "file_name": n, "height": h, "width": w} for i, (n, (h, w)) in enumerate(images.items())],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [20, 10, 30, 12]} for i in range(len(images))
        ],
        "categories": [{"id": 1, "name": "face"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    return tmp_path / "a.json"


def test_the_recorded_size_decides_what_boxes_refer_to(tmp_path):
    stored = {name: save(tmp_path / "images" / name, 6) for name in ("shown.png", "stored.png")}
    annotations = read_annotations(coco(tmp_path, {"shown.png": (60, 100), "stored.png": (100, 60)}))
    assert is_face(stored["shown.png"], annotations[0].boxes[0])
    assert annotations[1].boxes.tolist() == [BOX]
    assert [annotation.size for annotation in annotations] == [(100, 60)] * 2
    assert annotations.notes[0].startswith("1 image with an EXIF rotation (shown.png): ")
    assert annotations.notes[1].startswith("1 image with an EXIF rotation: the annotation has the size of the stored")


@pytest.mark.parametrize(("other", "is_turned"), [(None, True), ((60, 100), True), ((100, 60), False)])
def test_after_half_a_turn_the_other_images_decide(tmp_path, other, is_turned):
    stored = save(tmp_path / "images" / "half.png", 3)
    save(tmp_path / "images" / "quarter.png", 6)
    path = coco(tmp_path, {"half.png": (60, 100)} | ({"quarter.png": other} if other else {}))
    annotation = read_annotations(path)[0]
    assert is_face(stored, annotation.boxes[0]) == is_turned == (annotation.boxes.tolist() != [BOX])


def test_another_size_than_recorded_is_said(tmp_path, script):
    draw_image(tmp_path / "images" / "a.jpg", [], size=(96, 128))
    path = coco(tmp_path, {"a.jpg": (192, 256)})
    expected = "1 image of another size than the annotation says, so the boxes may be wrong: a.jpg has 128 x 96 pixels"
    assert expected in script("tools/convert/__main__.py", path, tmp_path / "out.txt").out
    assert read_annotations(path)[0].boxes.tolist() == [BOX]


def test_a_header_with_an_impossible_orientation_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 9
    Image.new("L", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert read_header(tmp_path / "a.jpg") == ((20, 30), 1)
