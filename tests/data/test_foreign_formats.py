"""Formats of other tools that are not read: the message names them, and what to export instead."""

import json

import pytest

from data.annotations import read_annotations
from tests.helpers.annotations import write_files
from utils.errors import UserError

KITTI = "Car 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.44 -1.56\n"
DOTA = "imagesource:GoogleEarth\ngsd:0.146343\n937 913 921 912 923 874 940 875 small-vehicle 0\n"
LABELBOX = {"data_row": {"id": "cl", "external_id": "a.jpg"}, "media_attributes": {}, "projects": {"p": {"labels": []}}}
OLD_LABELBOX = [{"ID": "x", "Labeled Data": "https://storage.example/a.jpg", "Label": {"objects": []}}]
DARWIN = {
    "version": "2.0",
    "item": {"name": "a.jpg", "path": "/"},
    "annotations": [{"name": "face", "bounding_box": {"x": 1, "y": 2, "w": 3, "h": 4}}],
}
BDD = [{"name": "a.jpg", "labels": [{"category": "person", "box2d": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}]}]
VIA_3_CSV = "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)\n# CSV_HEADER = a\n"
DLIB = (
    "<?xml version='1.0'?>\n<dataset>\n<images><image file='a.jpg'><box top='1' left='2'/></image></images></dataset>"
)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("000001.txt", KITTI * 3, "is KITTI text, which is not read; export COCO JSON or Pascal VOC"),
        ("P0001.txt", DOTA, "is DOTA text"),
        ("P0002.txt", DOTA.split("\n")[2], "is DOTA text"),
        ("gt.txt", "1,1,794.27,247.59,71.245,174.88,1,1,0.8\n" * 2, "is MOT text"),
        ("export.ndjson", (json.dumps(LABELBOX) + "\n") * 2, "is Labelbox JSON"),
        ("export.json", json.dumps(OLD_LABELBOX), "is Labelbox JSON"),
        ("bdd100k.json", json.dumps(BDD), "is Scalabel or BDD100K JSON"),
        ("output.manifest", json.dumps({"source-ref": "s3://b/a.jpg", "faces": {}}), "is a SageMaker manifest"),
        ("data.csv", "TRAIN,gs://b/a.jpg,face,0.1,0.1,,,0.3,0.3,,\n", "is Vertex AI's CSV"),
        ("via3.csv", VIA_3_CSV, "is VIA 3's CSV, which is not read; save the project as JSON"),
        ("faces.xml", DLIB, "is dlib's XML"),
        ("FDDB-fold-01.txt", "big/img_1\n1\n30.5 25.2 1.57 65.0 60.0  1\n", "is FDDB's ellipses, which is not read"),
        ("train.txt", "images/c.jpg\nimages/a.jpg 1,2,3,4,0 5,6,7,8,0\n", "is keras-yolo3's text"),
        ("train.tfrecord", "\0\1\2", "is TFRecord"),
        ("darwin.json", json.dumps(DARWIN), "is V7 Darwin JSON"),
        ("faces.json", '{"content": "http://h/a.jpg", "annotation": null}\n' * 2, "is Dataturks' JSON lines"),
        ("metadata.jsonl", '{"file_name": "a.jpg", "objects": {"bbox": []}}\n', "is Hugging Face's metadata"),
        ("list_bbox_celeba.txt", "1\nimage_id x_1 y_1 width height\n000001.jpg 95 71 226 313\n", "is CelebA's text"),
        ("faces.vott", '{"name": "faces"}', "is a VoTT project, which is not read; name the folder with its *-asset"),
    ],
)
def test_a_format_that_is_not_read_is_named_with_what_to_export_instead(tmp_path, name, content, expected):
    write_files(tmp_path, {name: content, "images/a.jpg": ""})
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(UserError) as error:
            read_annotations(path)
        assert str(error.value).startswith(f"{tmp_path / name}: {expected}")


def test_the_yaml_of_a_yolo_dataset_names_its_labels_instead(tmp_path):
    write_files(tmp_path, {"data.yaml": "path: /home/me/faces\ntrain: images/train\nnames: [face]\n"})
    with pytest.raises(UserError, match=r"is the YAML of a YOLO dataset.*name the folder of its labels"):
        read_annotations(tmp_path / "data.yaml")


def test_a_format_that_is_not_read_is_named_in_the_folder_of_a_split(tmp_path):
    images = {f"train/{number:02}.jpg": "" for number in range(30)}
    write_files(tmp_path, {"train/_annotations.txt": "00.jpg 1,2,3,4,0\n", **images})
    with pytest.raises(UserError, match=r"train/_annotations\.txt: is keras-yolo3's text"):
        read_annotations(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"a.jpg": [[1, 2, 3, 4]]}, "is in no known JSON format, with the keys a.jpg; expected COCO's"),
        ([{"filename": "a.jpg", "ann": {}}], "is a list, as COCO results are, with the keys filename, ann; expected"),
        ([[1, 2]], "is a list, as COCO results are; expected"),
    ],
)
def test_unknown_json_is_named_with_its_keys(tmp_path, content, found):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        read_annotations(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'a.json'}: {found}")


def test_a_list_of_names_hides_no_format_that_is_not_read(tmp_path):
    write_files(tmp_path, {"label_colors.txt": "1 2 3 face\n", "default/label_2/000001.txt": KITTI})
    with pytest.raises(UserError, match=r"default/label_2/000001\.txt: is KITTI text"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("key", ["dataset", "item"])
def test_coco_with_a_key_of_v7_darwin_is_read(tmp_path, key):
    content = {
        key: "tv faces",
        "images": [{"id": 1, "file_name": "a.jpg", "width": 128, "height": 96}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 20, 40, 50]}],
        "categories": [{"id": 1, "name": "face"}],
    }
    write_files(tmp_path, {"faces.json": json.dumps(content), "images/a.jpg": ""})
    assert read_annotations(tmp_path / "faces.json")[0].boxes.tolist() == [[30, 20, 70, 70]]
