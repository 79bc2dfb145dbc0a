"""Pascal VOC as labelling tools export it: folders, lists, label maps, rotated boxes and polygons."""

import math

import numpy as np
import pytest

from data.annotations import read_annotations
from tests.data.test_annotations_voc import thing, voc
from tests.helpers.annotations import write_files
from tests.helpers.images import draw_image
from utils.errors import UserError

FACE = voc(thing((10, 20, 40, 60)), filename="a.jpg", size=(96, 128))
NONE = voc(filename="b.jpg", size=(96, 128))

# Tool -> the texts of its export, and the places of the images a and b, which has no face.
EXPORTS = {
    "CVAT": (
        {
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nface:128,0,0::\nperson:0,128,0::\n",
            "ImageSets/Main/default.txt": "a\nb\n",
            "Annotations/a.xml": FACE,
        },
        "JPEGImages",
    ),
    "CVAT, in folders": (
        {
            "labelmap.txt": "face:128,0,0::\n",
            "ImageSets/Main/train.txt": "deep/a\ndeep/b\n",
            "Annotations/deep/a.xml": FACE,
            "Annotations/deep/b.xml": NONE,
        },
        "JPEGImages/deep",
    ),
    "VoTT": (
        {
            "pascal_label_map.pbtxt": "item {\n id: 1\n name: 'face'\n}\nitem {\n id: 2\n name: 'person'\n}\n",
            "ImageSets/Main/face_train.txt": "a.jpg 1\nb.jpg -1\n",
            "Annotations/a.xml": FACE,
        },
        "JPEGImages",
    ),
    "Supervisely": (
        {
            "colors.txt": "face 0 255 0\nneutral 224 224 224\n",
            "ImageSets/Main/trainval.txt": "a\nb\n",
            "Annotations/a.xml": FACE,
            "Annotations/b.xml": NONE,
        },
        "JPEGImages",
    ),
    "VOCdevkit": ({"VOC2012/Annotations/a.xml": FACE, "VOC2012/Annotations/b.xml": NONE}, "VOC2012/JPEGImages"),
    "Label Studio": ({"Annotations/a.xml": FACE, "Annotations/b.xml": NONE}, "images"),
    "FiftyOne": ({"labels/a.xml": FACE, "labels/b.xml": NONE}, "data"),
    "LabelImg": ({"a.xml": FACE, "b.xml": NONE}, "."),
    "Roboflow": ({"README.dataset.txt": "faces\n", "train/a.xml": FACE, "train/b.xml": NONE}, "train"),
}


@pytest.mark.parametrize("tool", EXPORTS)
def test_a_voc_export_is_read_by_its_folder(tmp_path, script, tool):
    files, images = EXPORTS[tool]
    root = write_files(tmp_path / "export", files)
    for name in "ab":
        draw_image(root / images / f"{name}.jpg", [], seed=ord(name))
    annotations = read_annotations(root)
    assert {a.name.rpartition("/")[2]: a.boxes.tolist() for a in annotations} == {
        "a.jpg": [[10, 20, 40, 60]],
        "b.jpg": [],
    }
    outcome = script("tools/convert/__main__.py", root, tmp_path / "data", "--split", "train=1")
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "data" / "train" / "label.txt").read_text().count("10 20 30 40\n") == 1
    listed = "1 image in ImageSets without an XML file: read as background"
    assert (listed in outcome.out) == (len([name for name in files if name.endswith(".xml")]) == 1)
    outcome = script("tools/check/__main__.py", root, "--num_workers", 1)
    assert outcome.status == 0, outcome.out + outcome.err


def test_a_class_of_the_label_map_without_objects_is_the_face(tmp_path):
    files = {"labelmap.txt": "face:1,2,3::\nperson:1,2,3::\n", "Annotations/a.xml": voc(thing((1, 2, 3, 4), "person"))}
    annotations = read_annotations(write_files(tmp_path, files))
    assert len(annotations.boxes) == 0 and annotations.remarks == ["not read: 1 object of other classes: 1 'person'"]


def test_the_image_of_the_written_name_is_found(tmp_path):
    files = {"Annotations/0001.xml": voc(thing((1, 2, 3, 4)), filename="C:\\frames\\news 7.jpg")}
    draw_image(write_files(tmp_path, files) / "JPEGImages" / "news 7.jpg", [])
    assert [annotation.name for annotation in read_annotations(tmp_path)] == ["news 7.jpg"]


ROTATED = "<attributes><attribute><name>rotation</name><value>{}</value></attribute></attributes>"
ROLABELIMG = (
    "<object><type>robndbox</type><name>face</name><robndbox><cx>50</cx><cy>40</cy><w>20</w><h>10</h>"
    f"<angle>{math.pi / 2}</angle></robndbox></object>"
)
LABELME = "<polygon><pt><x>10</x><y>30</y></pt><pt><x>40</x><y>20</y></pt><pt><x>25</x><y>60</y></pt></polygon>"
LABELME_BOX = (
    "<occluded>no</occluded><type>bounding_box</type><polygon><pt><x>40</x><y>35</y></pt><pt><x>60</x><y>35</y></pt>"
    "<pt><x>60</x><y>45</y></pt><pt><x>40</x><y>45</y></pt></polygon><attributes>rotation=0.0</attributes>"
)
NUMBERED = "<polygon><x1>10</x1><y1>30</y1><x2>40</x2><y2>20</y2><x3>25</x3><y3>60</y3></polygon>"
SHAPES = {
    "CVAT, a quarter": (thing((40, 35, 60, 45), more=ROTATED.format("90.0")), [45, 30, 55, 50], "a rotated box"),
    "CVAT, an eighth": (
        thing((40, 35, 60, 45), more=ROTATED.format("45")),
        [50 - 15 * math.sqrt(0.5), 40 - 15 * math.sqrt(0.5), 50 + 15 * math.sqrt(0.5), 40 + 15 * math.sqrt(0.5)],
        "a rotated box",
    ),
    "CVAT, none": (thing((40, 35, 60, 45), more=ROTATED.format("0.0")), [40, 35, 60, 45], None),
    "roLabelImg": (ROLABELIMG, [45, 30, 55, 50], "a rotated box"),
    "LabelMe": (f"<object><name>face</name>{LABELME}</object>", [10, 20, 40, 60], "a polygon"),
    "LabelMe, a box": (f"<object><name>face</name>{LABELME_BOX}</object>", [40, 35, 60, 45], None),
    "LabelMe, a quarter": (
        f"<object><name>face</name>{LABELME_BOX.replace('=0.0', '=90.0')}</object>",
        [45, 30, 55, 50],
        "a rotated box",
    ),
    "numbered": (f"<object><name>face</name>{NUMBERED}</object>", [10, 20, 40, 60], "a polygon"),
    "Roboflow, with a box": (thing((1, 2, 3, 4), more=NUMBERED), [1, 2, 3, 4], None),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_around_a_shape_is_read(tmp_path, shape):
    text, box, said = SHAPES[shape]
    annotations = read_annotations(write_files(tmp_path, {"a.xml": voc(text)}))
    assert annotations.boxes == pytest.approx(np.array([box]))
    assert annotations.notes == ([f"1 face with {said}: the box around it is read"] if said else [])


@pytest.mark.parametrize(
    "size",
    [
        "<size><width>640.0</width><height>480.0</height></size>",
        "<imagesize><nrows>480</nrows><ncols>640</ncols></imagesize>",
    ],
)
def test_ways_to_write_the_size(tmp_path, size):
    files = {"a.xml": voc(thing((1, 2, 3, 4))).replace("<object>", f"{size}<object>", 1)}
    assert read_annotations(write_files(tmp_path, files))[0].size == (480, 640)


def test_what_is_not_read_is_counted(tmp_path):
    custom = "<attributes><attribute><name>mask</name><value>yes</value></attribute></attributes>"
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    deleted = "<object><name>face</name><deleted>1</deleted></object>"
    files = {"a.xml": voc(thing((1, 2, 3, 4), more=custom + part), thing((5, 6, 7, 8), more=custom), deleted)}
    annotations = read_annotations(write_files(tmp_path, files))
    assert annotations.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert annotations.unread == ["dropped: part of 1 face, mask of 2 faces"]


@pytest.mark.parametrize(
    ("value", "ignored"),
    [
        ("Unspecified", False),
        ("", False),
        ("true", True),
        ("yes", True),
        ("no", False),
        ("False", False),
        ("1", True),
        ("0.0", False),
    ],
)
def test_ways_to_write_difficult(tmp_path, value, ignored):
    files = {"a.xml": voc(thing((1, 2, 3, 4), more=f"<difficult>{value}</difficult>"))}
    assert read_annotations(write_files(tmp_path, files)).ignored.tolist() == [ignored]


def test_a_rotation_that_is_no_number_is_named(tmp_path):
    write_files(tmp_path, {"a.xml": voc(thing((1, 2, 3, 4), more=ROTATED.format("left")))})
    with pytest.raises(UserError, match=r"object 1 \(face\): found 'left' for <rotation>; expected a number"):
        read_annotations(tmp_path)


def test_splits_that_are_joined_are_named(tmp_path):
    files = {f"{split}/{name}.xml": FACE for split, name in (("train", "a"), ("train", "b"), ("valid", "c"))}
    note = "read as one set: the images of train (2), valid (1); name the labels of one to read it alone"
    assert note in read_annotations(write_files(tmp_path, files)).remarks
