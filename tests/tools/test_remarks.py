"""Every command says which objects are faces, what is not read, and how many faces are ignored."""

import json
from pathlib import Path

import pytest

from data.dataset import FaceDataset
from tests.helpers.images import draw_image
from tests.helpers.training import FAST

BOXES = [[30, 20, 40, 50], [80, 40, 24, 30], [10, 10, 30, 40]]
IMAGES = [0, 0, 1]  # of each box
SPELLED = ("Face", "Face", "face", "head")
REMARKS = [
    "the faces are the objects of classes 'Face' (2) and 'face' (1)",
    "not read: 1 object of other classes: 1 'head'",
]
ALL_IGNORED = "all 3 faces are marked to be ignored (iscrowd)"


def write_coco(folder: Path, classes=("face",) * 3, crowd: int = 0) -> Path:
    """Draw two images with three faces of these classes; a fourth class has an object of its own."""
    for i, name in enumerate("ab"):
        draw_image(
            folder / "images" / f"{name}.jpg", [box for box, at in zip(BOXES, IMAGES, strict=True) if at == i], seed=i
        )
    numbers = {name: number for number, name in enumerate(dict.fromkeys(classes))}
    boxes = [*zip(BOXES, IMAGES, strict=True), *[([1, 1, 5, 5], 1)] * (len(classes) - 3)]
    content = {
        "images": [{"id": i, "file_name": f"{name}.jpg", "width": 128, "height": 96} for i, name in enumerate("ab")],
        "annotations": [
            {"id": i, "image_id": at, "category_id": numbers[name], "bbox": box, "iscrowd": crowd}
            for i, ((box, at), name) in enumerate(zip(boxes, classes, strict=True))
        ],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    (folder / "faces.json").write_text(json.dumps(content))
    return folder / "faces.json"


@pytest.fixture
def spelled(tmp_path) -> Path:
    return write_coco(tmp_path / "spelled", SPELLED)


@pytest.fixture
def crowd(tmp_path) -> Path:
    return write_coco(tmp_path / "crowd", crowd=1)


@pytest.fixture
def train(script, tmp_path):
    options = (*FAST, "--epochs", 1, "--tensorboard", "false", "--save_folder", tmp_path / "weights")
    return lambda *arguments: script("train.py", *options, *arguments)


def test_training_says_it_of_both_sets_in_its_first_lines(train, spelled):
    outcome = train("--training_dataset", spelled, "--val_dataset", spelled, "--val_every", 9, "--lr", 0)
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[2:6] == [*(f"labels   {each}" for each in REMARKS), *(f"dev set  {each}" for each in REMARKS)]
    assert "2 images with 3 faces" in lines[1]


def test_training_needs_faces_that_count_in_both_sets(train, spelled, crowd):
    train("--training_dataset", crowd).refuses(f"{crowd}: has no faces to train on; {ALL_IGNORED}")
    train("--training_dataset", spelled, "--category", "nose").refuses(
        "no class 'nose' but Face (2), face (1), head (1)"
    )
    content = json.loads(spelled.read_text())
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(("visage", "bust", "head", "face"))]
    spelled.write_text(json.dumps(content))
    train("--training_dataset", spelled).refuses(
        "has no faces to train on; not read: 4 objects of other classes: 2 'visage', 1 'bust', 1 'head'"
    )
    outcome = train("--training_dataset", spelled, "--category", "visage,bust", "--lr", 0)
    assert "2 images with 3 faces" in outcome.out


def score(script, tmp_path, truth: Path):
    folder = tmp_path / "found"
    folder.mkdir()
    for i, name in enumerate("ab"):
        rows = [f"{x} {y} {w} {h} 0.9\n" for (x, y, w, h), at in zip(BOXES, IMAGES, strict=True) if at == i]
        (folder / f"{name}.txt").write_text(f"{name}\n{len(rows)}\n{''.join(rows)}")
    result = tmp_path / "result"
    outcome = script("val_dataset_evaluate/eval.py", "-p", folder, "-g", truth, "--result", result)
    assert outcome.status == 0, outcome.err
    return outcome, json.loads((result / "ap.json").read_text())


def test_scores_say_it_and_keep_it(script, tmp_path, spelled):
    outcome, content = score(script, tmp_path, spelled)
    assert [line for line in outcome.err.splitlines() if line.startswith("note: ")] == [
        f"note: {spelled}: {each}" for each in REMARKS
    ]
    assert content["ground_truth_remarks"] == REMARKS
    assert content["models"]["found"]["subsets"]["all"]["ap"] == 1


def test_a_score_without_faces_that_count_says_why(script, tmp_path, crowd):
    outcome, content = score(script, tmp_path, crowd)
    assert f"note: {crowd}: {ALL_IGNORED}\n" in outcome.err and "AP is undefined" in outcome.err
    assert content["models"]["found"]["subsets"]["all"]["ap"] is None


def test_the_check_reports_it_and_finds_what_may_be_faces(script, spelled, crowd):
    outcome = script("tools/check/__main__.py", spelled, crowd, "--num_workers", 1)
    assert all(f"spelled: {each}\n" in outcome.out for each in REMARKS)
    assert f"{spelled}: not read: 1 object of class 'head'\n" in outcome.out
    assert f"{crowd}: {ALL_IGNORED} and would not be trained on" in outcome.out
    described = json.loads(script("tools/check/__main__.py", spelled, "--num_workers", 1, "--json").out)
    assert described["parts"]["spelled"]["remarks"] == REMARKS
    assert [each["kind"] for each in described["findings"]] == ["class"]


def test_show_and_statistics_say_it(script, tmp_path, spelled):
    for flags in (("--names", "a"), ("--augmented", "--image_size", 64)):
        outcome = script("tools/show/__main__.py", spelled, *flags, "--out", tmp_path / "sheet.jpg")
        assert outcome.err.splitlines() == [f"note: {spelled}: {each}" for each in REMARKS]
    outcome = script("tools/statistics/__main__.py", spelled)
    assert outcome.err.splitlines() == [f"note: {spelled}: {each}" for each in REMARKS]


def test_a_conversion_names_the_mark_of_the_file_and_formats_that_have_one(convert, tmp_path, crowd):
    convert(crowd, tmp_path / "out.txt").refuses("no face is left", ALL_IGNORED, "formats with such a mark: ", "coco")
    outcome = convert(crowd, tmp_path / "out.json", "--to", "coco")
    assert outcome.status == 0 and ALL_IGNORED in outcome.out


def test_an_image_that_is_listed_twice_is_said(convert, tmp_path, spelled):
    content = json.loads(spelled.read_text())
    content["images"][1]["file_name"] = "a.jpg"
    spelled.write_text(json.dumps(content))
    convert(spelled, tmp_path / "out.txt").refuses("'a.jpg': is listed twice")
    said = [*REMARKS, "listed more than once: 1 image; python -m tools.check --fix joins their faces"]
    assert FaceDataset(spelled, 64).annotations.remarks == said
