"""COCO as labelling tools export it: the folder out of the zip goes into every command."""

import json
from pathlib import Path

import pytest

from data.annotations import read_annotations
from data.dataset import FaceDataset
from tests.helpers.images import draw_image

BOX = [30, 20, 40, 50]
PARENT = (
    {"id": 0, "name": "tv faces", "supercategory": "none"},
    {"id": 1, "name": "face", "supercategory": "tv faces"},
)
# Tool: the annotation file, and file_name -> image.
EXPORTS = {
    "CVAT": ("annotations/instances_default.json", {"a.jpg": "images/default/a.jpg"}),
    "CVAT, flat": ("annotations/instances_default.json", {"a.jpg": "images/a.jpg", "x/b.jpg": "images/x/b.jpg"}),
    "Roboflow": ("_annotations.coco.json", {"a_jpg.rf.0f3a.jpg": "a_jpg.rf.0f3a.jpg"}),
    "Label Studio": ("result.json", {"images\\0f3ab1c2-a.jpg": "images/0f3ab1c2-a.jpg"}),
    "Label Studio, own files": (
        "result.json",
        {
            "..\\..\\label-studio\\media\\upload\\4\\0f3ab1c2-a.jpg": "images/a.jpg",
            "/data/local-files/?d=x/b%20c.jpg": "images/b c.jpg",
        },
    ),
    "FiftyOne": ("labels.json", {"a.jpg": "data/a.jpg"}),
    "Supervisely": ("dataset/annotations/instances.json", {"a.jpg": "dataset/images/a.jpg"}),
    "VIA": ("via_project_coco.json", {"a.jpg": "a.jpg"}),
    "makesense.ai": ("labels_my-project-name_2026-01-02-03-04-05.json", {"a.jpg": "images/a.jpg"}),
    "COCO": ("annotations/instances_train2017.json", {"a.jpg": "train2017/a.jpg"}),
    "other computer": ("faces.json", {"C:\\Users\\me\\a.jpg": "images/a.jpg", "/home/me/b.jpg": "images/b.jpg"}),
    "prefix": ("train.json", {"images/train/a.jpg": "images/train/a.jpg"}),
}


def write_coco(path: Path, names, **faces) -> None:
    """Write a COCO file with a face in each image, and other values in all of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": i, "file_name": name, "width": 128, "height": 96} for i, name in enumerate(names)]
    attributes = {"occluded": False, "rotation": 0.0}
    face = {"category_id": 1, "bbox": BOX, "iscrowd": 0, "attributes": attributes} | faces
    content = {
        "images": images,
        "annotations": [{"id": i, "image_id": i} | face for i in range(len(images))],
        "categories": PARENT,
    }
    path.write_text(json.dumps(content))


def write_export(folder: Path, export: str) -> Path:
    annotation, images = EXPORTS[export]
    for seed, image in enumerate(images.values()):
        draw_image(folder / image, [BOX], seed=seed)
    write_coco(folder / annotation, images)
    (folder / "README.dataset.txt").write_text("faces > 2026\nhttps://example.com\n")
    return folder


@pytest.mark.parametrize("export", EXPORTS)
def test_the_unpacked_folder_is_converted_and_trained_on(script, tmp_path, export):
    folder = write_export(tmp_path / "export", export)
    count = len(EXPORTS[export][1])
    converted = script("tools/convert/__main__.py", folder, tmp_path / "label.txt")
    assert converted.status == 0 and f"label: {count} image" in converted.out, converted.err
    assert (tmp_path / "label.txt").read_text().count("\n30 20 40 50\n") == count
    dataset = FaceDataset(folder, 64)
    assert len(dataset) == dataset.count_faces() == count
    assert all(dataset.path(index).is_file() for index in range(count))
    assert FaceDataset(folder / EXPORTS[export][0], 64).images == dataset.images


@pytest.mark.parametrize("export", ["CVAT", "Roboflow", "COCO"])
def test_the_unpacked_folder_is_checked_and_shown(script, tmp_path, export):
    folder = write_export(tmp_path / "export", export)
    checked = script("tools/check/__main__.py", folder, "--num_workers", 1)
    assert (checked.status, checked.out.strip().splitlines()[-1]) == (0, "Nothing wrong was found."), checked.err
    shown = script("tools/show/__main__.py", folder, "--out", tmp_path / "sheet.jpg")
    assert (shown.status, shown.out.splitlines()[-1]) == (0, f"{tmp_path / 'sheet.jpg'}: 1 image"), shown.err


def test_subsets_are_named_to_choose_from_and_checked_together(script, tmp_path):
    for seed, subset in enumerate(("Train", "Validation")):
        draw_image(tmp_path / "images" / subset / f"{subset}.jpg", [BOX], seed=seed)
        write_coco(tmp_path / "annotations" / f"instances_{subset}.json", [f"{subset}.jpg"])
    script("train.py", "--training_dataset", tmp_path).refuses(
        "found annotations/instances_Train.json, annotations/instances_Validation.json; name one of them"
    )
    # Captions and keypoints of the same images lie beside them.
    (tmp_path / "annotations" / "captions_Train.json").write_text('{"images": [], "annotations": []}')
    files = [tmp_path / "annotations" / f"instances_{subset}.json" for subset in ("Validation", "Train")]
    for named in (files, [tmp_path], [tmp_path / "annotations"]):
        checked = script("tools/check/__main__.py", *named, "--num_workers", 1, "--json")
        assert list(json.loads(checked.out)["parts"]) == ["Train", "Validation"], checked.err


def test_coco_files_beside_their_folders_of_images_are_checked_as_splits(script, tmp_path):
    for seed, subset in enumerate(("val2017", "train2017")):
        draw_image(tmp_path / subset / f"{subset}.jpg", [BOX], seed=seed)
        write_coco(tmp_path / "annotations" / f"instances_{subset}.json", [f"{subset}.jpg"])
    checked = script("tools/check/__main__.py", tmp_path, "--num_workers", 1, "--json")
    assert list(json.loads(checked.out)["parts"]) == ["train2017", "val2017"], checked.err


def test_a_rotated_rectangle_of_cvat_becomes_the_box_around_it(tmp_path):
    path = tmp_path / "a.json"
    write_coco(path, ["a.jpg"], attributes={"occluded": False, "rotation": 90.0, "pose": "side"})
    annotations = read_annotations(path)
    assert annotations[0].boxes.tolist() == [pytest.approx([25, 25, 75, 65])]
    assert set(annotations[0].attributes) == {"occluded", "pose", "crowd"}
    assert annotations.remarks == ["rotated rectangles: the box around them is read for 1 face"]
    write_coco(path, ["a.jpg"], attributes={"rotation": 90.0})  # of a head: CVAT writes `occluded`, too
    annotations = read_annotations(path)
    assert annotations[0].boxes.tolist() == [[30, 20, 70, 70]]
    assert annotations[0].attributes["rotation"].tolist() == [90] and annotations.remarks == []
