"""YOLO labels as labelling tools export them: folders, lists and names of the classes."""

import json

import cv2
import numpy as np
import pytest

from data.annotations import read_annotations
from tests.helpers.annotations import write_files
from tests.helpers.images import draw_image
from utils.errors import UserError

ROW, PERSON = "1 0.5 0.5 0.25 0.5\n", "0 0.25 0.25 0.1 0.1\n"  # face and person, where the names say so
BOX = [75, 25, 125, 75]
LISTED = "names: [person, face]\nnc: 2\n"
NUMBERED = "names:\n  0: person\n  1: face\npath: .\ntrain: train.txt\n"

# Tool -> the files of its export, in which the images are a and b; b has no face.
EXPORTS = {
    "CVAT YOLO 1.1": {
        "obj.data": "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
        "obj.names": "person\nface\n",
        "train.txt": "data/obj_train_data/a.png\ndata/obj_train_data/b.png\n",
        "obj_train_data/a.txt": ROW,
        "obj_train_data/b.txt": "",
        "obj_train_data/a.png": None,
        "obj_train_data/b.png": None,
    },
    "CVAT YOLO 1.1, two subsets": {
        "obj.names": "person\nface\n",
        "train.txt": "data/obj_train_data/a.png\n",
        "valid.txt": "data/obj_valid_data/deep/b.png\n",
        "obj_train_data/a.txt": ROW,
        "obj_train_data/a.png": None,
        "obj_valid_data/deep/b.txt": PERSON,
        "obj_valid_data/deep/b.png": None,
    },
    "CVAT Ultralytics YOLO": {
        "data.yaml": NUMBERED,
        "train.txt": "data/images/train/a.png\ndata/images/train/b.png\n",
        "labels/train/a.txt": ROW + PERSON,
        "images/train/a.png": None,
        "images/train/b.png": None,
    },
    "Roboflow YOLO": {
        "README.dataset.txt": "# faces > 2026-01-01\nhttps://example.org\n",
        "README.roboflow.txt": "\nfaces - v1\n==========\n",
        "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['person', 'face']\n",
        "train/images/a.png": None,
        "train/labels/a.txt": ROW,
        "valid/images/b.png": None,
        "valid/labels/b.txt": PERSON,
    },
    "Roboflow Darknet": {
        "train/_darknet.labels": "person\nface\n",
        "train/a.png": None,
        "train/a.txt": ROW,
        "valid/_darknet.labels": "person\nface\n",
        "valid/b.png": None,
        "valid/b.txt": "",
    },
    "Label Studio YOLO": {
        "classes.txt": "person\nface\n",
        "notes.json": json.dumps({"categories": [{"id": 0, "name": "person"}, {"id": 1, "name": "face"}]}),
        "images/a.png": None,
        "images/b.png": None,
        "labels/a.txt": ROW,
        "labels/b.txt": "",
    },
    "makesense.ai": {
        "labels/labels.txt": "person\nface\n",
        "labels/a.txt": ROW + PERSON,
        "images/a.png": None,
        "images/b.png": None,
    },
    "LabelImg YOLO": {"classes.txt": "person\nface\n", "a.txt": ROW, "a.png": None, "b.png": None, "b.txt": PERSON},
    "FiftyOne YOLOv5": {
        "dataset.yaml": "names:\n  0: person\n  1: face\npath: /home/me/export\nval: ./images/val/\n",
        "images/val/a.png": None,
        "images/val/b.png": None,
        "labels/val/a.txt": ROW,
    },
    "FiftyOne YOLOv4": {
        "obj.names": "person\nface\n",
        "images.txt": "data/a.png\ndata/b.png\n",
        "data/a.png": None,
        "data/a.txt": ROW,
        "data/b.png": None,
        "data/b.txt": "",
    },
    "Supervisely YOLO": {
        "data_config.yaml": "names: [person, face]\ncolors: [[1, 2, 3], [4, 5, 6]]\nnc: 2\ntrain: ../images/train\n",
        "images/train/a.png": None,
        "images/train/b.png": None,
        "labels/train/a.txt": ROW,
        "labels/train/b.txt": "",
    },
    "VoTT Darknet": {
        "data/obj.names": "person\nface\n",
        "data/obj.data": "classes = 2\n",
        "data/train.txt": "data/obj/a.png\n",
        "data/test.txt": "data/obj/b.png\n",
        "data/obj/a.png": None,
        "data/obj/a.txt": ROW,
        "data/obj/b.png": None,
        "data/obj/b.txt": "",
    },
}


def make(root, files: dict[str, str | None]):
    """Write text files, and black images of 100 x 200 in place of None."""
    write_files(root, {name: text for name, text in files.items() if text is not None})
    for name in (name for name, text in files.items() if text is None):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / name), np.zeros((100, 200, 3), np.uint8))
    return root


@pytest.mark.parametrize("tool", EXPORTS)
def test_a_yolo_export_is_read_by_its_folder(tmp_path, script, tool):
    root = make(tmp_path / "export", EXPORTS[tool])
    annotations = read_annotations(root)
    assert {a.name.rpartition("/")[2]: a.boxes.tolist() for a in annotations} == {"a.png": [BOX], "b.png": []}
    assert list(annotations.classes.faces) == ["face"]
    outcome = script("tools/convert/__main__.py", root, tmp_path / "data", "--split", "train=1")
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "data" / "train" / "label.txt").read_text().count("75 25 50 50\n") == 1
    persons = sum(text.count(PERSON) for text in EXPORTS[tool].values() if text)
    assert ("other classes: 1 'person'" in outcome.out) == (persons == 1)


@pytest.mark.parametrize(
    ("tool", "part"),
    [
        ("CVAT YOLO 1.1", "obj_train_data"),
        ("CVAT Ultralytics YOLO", "labels"),
        ("CVAT Ultralytics YOLO", "labels/train"),
        ("Roboflow YOLO", "train"),
        ("Roboflow YOLO", "train/labels"),
        ("Label Studio YOLO", "labels"),
        ("FiftyOne YOLOv4", "data"),
        ("VoTT Darknet", "data"),
        ("VoTT Darknet", "data/obj"),
    ],
)
def test_a_part_of_an_export_has_the_names_of_the_whole(tmp_path, tool, part):
    root = make(tmp_path, EXPORTS[tool])
    annotations = read_annotations(root / part)
    assert list(annotations.classes.faces) == ["face"]
    assert [a.boxes.tolist() for a in annotations if len(a.boxes)] == [[BOX]]


def test_labels_without_images_find_them_in_a_flat_folder(tmp_path):
    files = {name: text for name, text in EXPORTS["CVAT YOLO 1.1, two subsets"].items() if text is not None}
    root = make(tmp_path, files | {"mine/a.png": None, "mine/deep/b.png": None})
    annotations = read_annotations(root, images=root / "mine")
    assert [(a.name, a.boxes.tolist()) for a in annotations] == [("a.png", [BOX]), ("deep/b.png", [])]


def test_rows_of_a_named_class_are_never_faces(tmp_path, script):
    """The only class in use is called person, and face is in the list, so that there are no faces."""
    root = make(tmp_path / "set", {"data.yaml": LISTED, "images/a.png": None, "labels/a.txt": PERSON * 2})
    outcome = script("tools/convert/__main__.py", root, tmp_path / "out.txt")
    assert outcome.status == 0 and "not read: 2 objects of other classes: 2 'person'" in outcome.out
    assert (tmp_path / "out.txt").read_text() == "# a.png\n"


@pytest.mark.parametrize(
    ("files", "first", "second"),
    [
        ({"classes.txt": "person\nface\n", "data.yaml": "names: [face, person]\n"}, "data.yaml", "classes.txt"),
        ({"obj.names": "face\n", "labels/classes.txt": "person\n"}, "obj.names", "classes.txt"),
        ({"a.yaml": "names: {0: face}\n", "b.yaml": "names: {0: head}\n"}, "b.yaml", "a.yaml"),
    ],
)
def test_two_lists_of_names_that_disagree_are_both_named(tmp_path, files, first, second):
    root = make(tmp_path, {"images/a.png": None, "labels/a.txt": PERSON, **files})
    with pytest.raises(UserError) as error:
        read_annotations(root)
    assert first in str(error.value) and second in str(error.value) and "calls class 0" in str(error.value)


def test_lists_of_names_that_agree_are_joined(tmp_path):
    names = {"classes.txt": "person\n", "data.yaml": "names: [Person, face]\n", "other.yaml": "names\n:::\n"}
    root = make(tmp_path, {"images/a.png": None, "labels/a.txt": ROW + PERSON, **names})
    assert [a.boxes.tolist() for a in read_annotations(root)] == [[BOX]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: [face\n", "is not YAML"),
        ("names: !!python/object/apply:os.system ['true']\n", "names the classes|not YAML|texts"),
        ("names: [[face]]\n", "names that are not texts"),
        ("names: {face: 0}\n", "names that are not texts"),
    ],
)
def test_an_unreadable_list_of_names_is_named(tmp_path, text, expected):
    root = make(tmp_path, {"images/a.png": None, "labels/a.txt": ROW, "data.yaml": text})
    with pytest.raises(UserError, match=rf"data\.yaml.*({expected})"):
        read_annotations(root)


def test_yaml_without_names_is_not_looked_into(tmp_path):
    files = {"hyp.yaml": "lr0: 0.01\n", "compose.yaml": "a: !custom [\n", "big.yaml": "x: 1\n" * 300_000}
    root = make(tmp_path, {"images/a.png": None, "labels/a.txt": ROW, **files})
    assert list(read_annotations(root).classes.faces) == ["1"]


def test_two_label_files_of_one_image_are_both_named(tmp_path):
    files = {"train/labels/a.txt": ROW, "valid/labels/a.txt": ROW, "flat/a.png": None}
    with pytest.raises(UserError, match=r"valid/labels/a\.txt: is for the image 'a', as is .*train/labels/a\.txt"):
        read_annotations(make(tmp_path, files), "yolo", images=tmp_path / "flat")


def test_the_check_says_what_is_not_read_of_an_export(tmp_path, script):
    outcome = script("tools/check/__main__.py", make(tmp_path, EXPORTS["Roboflow YOLO"]), "--num_workers", 1)
    assert "not read: 1 object of other classes: 1 'person'" in outcome.out + outcome.err


def test_splits_that_are_read_as_one_set_are_said(tmp_path):
    for split in ("train", "val"):
        write_files(tmp_path, {f"labels/{split}/a.txt": ROW, "classes.txt": "person\nface\n"})
        (tmp_path / "images" / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "images" / split / "a.png"), np.zeros((100, 200, 3), np.uint8))
    note = "read as one set: the images of train (1), val (1)"
    assert any(each.startswith(note) for each in read_annotations(tmp_path).remarks)
    assert not any(note in each for each in read_annotations(tmp_path / "labels" / "train").remarks)


def test_labels_txt_may_be_the_labels_of_an_image(tmp_path):
    draw_image(tmp_path / "labels.png", [])
    write_files(tmp_path, {"labels.txt": "0 0.5 0.5 0.2 0.2\n"})
    assert [(each.name, len(each.boxes)) for each in read_annotations(tmp_path)] == [("labels.png", 1)]


def test_images_without_a_label_file_are_counted(tmp_path):
    for name in "abc":
        draw_image(tmp_path / "images" / f"{name}.png", [])
    write_files(tmp_path, {"labels/a.txt": "0 0.5 0.5 0.2 0.2\n", "labels/b.txt": ""})
    assert "1 image without a label file: read as background" in read_annotations(tmp_path).remarks


@pytest.mark.parametrize("text", ["face\n3d_face\n", "# classes of the project\nface\n", "face\n2 m\n"])
def test_labels_txt_has_names_of_any_kind(tmp_path, text):
    draw_image(tmp_path / "images" / "a.png", [])
    write_files(tmp_path, {"labels/labels.txt": text, "labels/a.txt": "0 0.5 0.5 0.2 0.2\n"})
    annotations = read_annotations(tmp_path)
    assert [(each.name, len(each.boxes)) for each in annotations] == [("a.png", 1)]
    assert annotations.classes.faces == {"face": 1}
