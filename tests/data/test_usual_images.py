"""Where the images of an annotation are looked for, in the layouts that labelling tools write."""

import json

import pytest

from data.annotations import find_annotations
from data.image_files import usual_images
from tests.helpers.annotations import write_files
from tests.helpers.images import draw_image
from utils.errors import UserError

LAYOUTS = [
    ("label.txt", "images/a.jpg", "images"),
    ("result.json", "images/sub/a.jpg", "images"),
    ("labels.json", "data/a.jpg", "data"),
    ("train/_annotations.coco.json", "train/a.jpg", "train"),
    ("annotations/instances_default.json", "images/a.jpg", "images"),
    ("annotations/instances_default.json", "images/default/a.jpg", "images/default"),
    ("annotations/instances_val.json", "images/val/a.jpg", "images/val"),
    ("annotations/instances_train2017.json", "train2017/a.jpg", "train2017"),
    ("annotations/instances.json", "JPEGImages/a.jpg", "JPEGImages"),
    ("labels/detections.csv", "data/a.jpg", "data"),
    ("wider_face_split/wider_face_default_bbx_gt.txt", "WIDER_default/images/0--face/a.jpg", "WIDER_default/images"),
    ("Annotations", "JPEGImages/a.jpg", "JPEGImages"),
    ("labels/train", "images/train/a.jpg", "images/train"),
    ("labels", "images/a.jpg", "images"),
    ("xml", "xml/deep/a.jpg", "xml"),
]


@pytest.mark.parametrize(("annotation", "image", "expected"), LAYOUTS)
def test_images_are_found_where_tools_put_them(tmp_path, annotation, image, expected):
    for name in (annotation, image):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / image).touch()
    if "." in annotation:
        (tmp_path / annotation).touch()
    else:
        (tmp_path / annotation).mkdir(parents=True, exist_ok=True)
    assert usual_images(tmp_path / annotation) == tmp_path / expected


def test_images_beside_the_labels_come_first_and_a_folder_without_images_is_none(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "a.jpg").touch()
    assert usual_images(tmp_path / "label.txt") == tmp_path
    (tmp_path / "data" / "b.jpg").touch()
    assert usual_images(tmp_path / "label.txt") == tmp_path / "data"
    (tmp_path / "images").mkdir()
    assert usual_images(tmp_path / "label.txt") == tmp_path / "images"
    assert usual_images(tmp_path / "data" / "label.txt") == tmp_path / "data"


def coco(path, name: str = "a.jpg") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "images": [{"id": 1, "file_name": name, "width": 128, "height": 96}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [30, 20, 40, 50]}],
        "categories": [{"id": 1, "name": "face"}],
    }
    path.write_text(json.dumps(content))


def test_the_folder_of_an_export_stands_for_the_file_in_annotations(script, tmp_path):
    draw_image(tmp_path / "images" / "default" / "a.jpg", [(30, 20, 40, 50)])
    coco(tmp_path / "annotations" / "instances_default.json")
    (tmp_path / "README.txt").write_text("made by a tool\n")
    assert find_annotations(tmp_path) == ("coco", tmp_path / "annotations" / "instances_default.json")
    coco(tmp_path / "annotations" / "instances_val.json")
    with pytest.raises(UserError, match=r"found annotations/\S+_default\.json, annotations/\S+_val\.json;"):
        find_annotations(tmp_path)


def test_splits_with_their_labels_among_the_images_are_checked_or_named(script, tmp_path):
    for i, split in enumerate(("train", "valid", "test")):
        draw_image(tmp_path / split / "a.jpg", [(30 + 10 * i, 20, 40 - 3 * i, 50)])
        coco(tmp_path / split / "_annotations.coco.json")
    (tmp_path / "README.dataset.txt").write_text("faces\nhttps://example.com\n")
    outcome = script("tools/check/__main__.py", tmp_path, "--num_workers", 1, "--json")
    assert list(json.loads(outcome.out)["parts"]) == ["train", "valid", "test"]
    with pytest.raises(
        UserError, match=r"found test/_\S+json, train/_\S+json, valid/_\S+json in sub-folders; name one"
    ):
        find_annotations(tmp_path)
    source, out = tmp_path / "train" / "_annotations.coco.json", tmp_path / "train" / "out.txt"
    script("tools/convert/__main__.py", tmp_path, out).refuses("among the images")
    assert script("tools/convert/__main__.py", source, out).status == 0  # the source lies among them, too


def test_an_export_in_a_sub_folder_is_not_taken_for_the_list_of_a_folder(tmp_path):
    write_files(tmp_path, {"tvval.txt": "a.jpg\nb.jpg\n", "old/label.txt": "# a.jpg\n1 2 3 4\n"})
    assert find_annotations(tmp_path) == ("list", tmp_path / "tvval.txt")
    assert find_annotations(tmp_path, "label") == ("label", tmp_path / "old" / "label.txt")
    (tmp_path / "tvval.txt").unlink()
    assert find_annotations(tmp_path) == ("label", tmp_path / "old" / "label.txt")
