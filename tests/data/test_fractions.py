"""Boxes in parts of the images' sizes, in formats that say pixels."""

import json

import numpy as np
import pytest
from PIL import Image

from data.annotations import read_annotations
from tests.helpers.annotations import write_files

BOX = [0.25, 0.1, 0.5, 0.4]  # x y w h of an image of 200 x 100
VOC = (
    "<annotation><filename>a.png</filename><object><name>face</name><bndbox><xmin>0.25</xmin><ymin>0.1</ymin>"
    "<xmax>0.75</xmax><ymax>0.5</ymax></bndbox></object></annotation>"
)


def coco(box, **size) -> str:
    image = {"id": 1, "file_name": "a.png", **size}
    face = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box}
    return json.dumps({"images": [image], "annotations": [face], "categories": [{"id": 1, "name": "face"}]})


def save(path, orientation: int = 1) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (100, 200) if orientation >= 5 else (200, 100)).save(path, exif=exif)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", coco(BOX)),
        ("labels.json", coco(BOX, width=200, height=100)),
        ("a.xml", VOC),
        ("label.txt", "# a.png\n0.25 0.1 0.5 0.4\n"),
    ],
)
@pytest.mark.parametrize(("orientation", "expected"), [(1, [50, 10, 150, 50]), (6, [10, 50, 50, 150])])
def test_they_are_scaled_and_turned_with_a_note(tmp_path, name, content, orientation, expected):
    save(tmp_path / "images" / "a.png", orientation)
    write_files(tmp_path, {name: content})
    annotations = read_annotations(tmp_path)
    assert annotations.boxes.tolist() == [expected]
    assert any("taken for parts of the images' sizes, and scaled by them: 1 face" in note for note in annotations.notes)


@pytest.mark.parametrize("name", ["labels.csv", "labels.json"])
def test_they_may_reach_a_little_beyond_the_image(tmp_path, name):
    save(tmp_path / "images" / "a.png")
    table = "filename,class,xmin,ymin,xmax,ymax\na.png,face,0.25,0.1,1.015,0.5\n"
    write_files(tmp_path, {name: table if name == "labels.csv" else coco([0.25, 0.1, 0.765, 0.4])})
    assert read_annotations(tmp_path).boxes.tolist() == [[50, 10, 203, 50]]


def test_an_unknown_size_and_pixels_leave_them_as_they_are(tmp_path):
    write_files(tmp_path, {"labels.json": coco(BOX), "pixels.json": coco([0, 0, 1, 1], width=9, height=9)})
    annotations = read_annotations(tmp_path / "labels.json")
    assert np.allclose(annotations.boxes, [[0.25, 0.1, 0.75, 0.5]])
    assert "but not scaled by them" in annotations.notes[0]
    pixels = read_annotations(tmp_path / "pixels.json")
    assert pixels.boxes.tolist() == [[0, 0, 1, 1]] and not pixels.notes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", "filename,class,xmin,ymin,xmax,ymax\na.png,face,50,10,150,50\n"),
        ("labels.json", coco([50, 10, 100, 40])),
    ],
)
def test_a_file_without_sizes_is_taken_for_that_of_the_image_as_it_is_shown(tmp_path, name, content):
    save(tmp_path / "images" / "a.png", 6)
    write_files(tmp_path, {name: content})
    annotations = read_annotations(tmp_path)
    assert annotations.boxes.tolist() == [[10, 50, 50, 150]]
    assert "1 image with an EXIF rotation (a.png)" in annotations.notes[0]
