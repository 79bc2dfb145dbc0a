"""WIDER FACE as it is downloaded: trained on, detected in and scored on easy, medium and hard, with both networks."""

import csv
import json

import numpy as np
import pytest
import scipy.io

from tests.helpers.annotations import cells
from tests.helpers.images import draw_image

# Of each image the faces x y w h, and which of them are invalid; names as in the downloaded file.
TRAIN = {
    "0--Parade/0_Parade_marchingband_1_849.jpg": ([(20, 20, 40, 48), (80, 30, 30, 40)], [False, True]),
    "0--Parade/0_Parade_Parade_0_904.jpg": ([(30, 30, 44, 50)], [False]),
    "12--Group/12_Group_Team_0_2.jpg": ([], []),  # one row of zeros
    "12--Group/12_Group_Team_0_7.jpg": ([(40, 20, 50, 60)], [True]),  # nothing to learn, yet no image without faces
}
VAL = {"0--Parade": {"a": [(20, 20, 40, 48), (84, 40, 12, 14)]}, "12--Group": {"b": [(30, 30, 44, 50)]}}


def write_train(folder):
    """Write wider_face_train_bbx_gt.txt and the images in images/ beside it."""
    text = ""
    for name, (boxes, invalid) in TRAIN.items():
        draw_image(folder / "images" / name, boxes)
        rows = [f"{x} {y} {w} {h} 0 0 0 {int(no)} 0 0" for (x, y, w, h), no in zip(boxes, invalid, strict=True)]
        text += f"{name}\n{len(rows)}\n" + "".join(f"{row} \n" for row in rows or ["0 0 0 0 0 0 0 0 0 0"])
    (folder / "wider_face_train_bbx_gt.txt").write_text(text)
    return folder / "wider_face_train_bbx_gt.txt"


def write_val(folder) -> None:
    """Write images, their list and the .mat set: the small face counts in the hard subset alone."""
    for event, images in VAL.items():
        for name, boxes in images.items():
            draw_image(folder / "images" / event / f"{name}.jpg", boxes)
    names = [f"{event}/{name}.jpg" for event, images in VAL.items() for name in images]
    (folder / "list.txt").write_text("\n".join(names) + "\n")
    events = np.empty((2, 1), object)
    events[:, 0] = list(VAL)
    faces = {
        "event_list": events,
        "file_list": cells(*map(list, VAL.values())),
        "face_bbx_list": cells(*(list(images.values()) for images in VAL.values())),
    }
    (folder / "ground_truth").mkdir()
    scipy.io.savemat(folder / "ground_truth" / "wider_face_val.mat", faces)
    for subset, first in (("easy", [[1]]), ("medium", [[1]]), ("hard", [[1], [2]])):
        scipy.io.savemat(folder / "ground_truth" / f"wider_{subset}_val.mat", {"gt_list": cells([first], [[[1]]])})


@pytest.mark.parametrize(
    ("network", "name", "size"), [("mobile0.25", "mobilenet0.25", 128), ("resnet50", "Resnet50", 64)]
)
def test_wider_face_is_trained_on_detected_in_and_scored(script, tmp_path, network, name, size):
    label = write_train(tmp_path / "train")
    write_val(tmp_path / "val")
    weights = tmp_path / "weights"
    outcome = script("train.py", "--training_dataset", label, "--save_folder", weights, "--network", network,
                     "--no_pretrain", "--device", "cpu", "--num_workers", 0, "--tensorboard", "false",
                     "--image_size", size, "--batch_size", 2, "--epochs", 1)  # fmt: skip
    assert outcome.status == 0, outcome.err
    assert "4 images with 2 faces, 2 ignored, 1 background" in outcome.out
    with open(weights / f"{name}_log.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["box"]) > 0 and float(row["class"]) > 0 == float(row["landmark"])

    outcome = script("val_tvface.py", "--trained_model", weights / f"{name}_Final.pth", "--cpu",
                     "--dataset_folder", tmp_path / "val" / "images", "--list_file", tmp_path / "val" / "list.txt",
                     "--save_folder", tmp_path / "found")  # fmt: skip
    assert outcome.status == 0, outcome.err
    assert {path.parent.name for path in (tmp_path / "found").rglob("*.txt")} == set(VAL)
    # Which faces count where shows with detections of all but the small face.
    for event, images in VAL.items():
        for image, boxes in images.items():
            x, y, w, h = boxes[0]
            (tmp_path / "large" / event).mkdir(parents=True)
            (tmp_path / "large" / event / f"{image}.txt").write_text(f"{image}\n1\n{x} {y} {w} {h} 0.9\n")
    ground_truth = ("-g", tmp_path / "val" / "ground_truth", "--result", tmp_path / "result")
    found = {}
    for predictions in ("found", "large"):
        outcome = script("val_dataset_evaluate/eval.py", "-p", tmp_path / predictions, *ground_truth)
        assert outcome.status == 0, outcome.err
        (model,) = json.loads((tmp_path / "result" / "ap.json").read_text())["models"].values()
        assert model["pictures_without_predictions"] == []
        found[predictions] = {subset: values["ap"] for subset, values in model["subsets"].items()}
        assert {subset: values["faces"] for subset, values in model["subsets"].items()} == {
            "easy": 2,
            "medium": 2,
            "hard": 3,
        }
    assert all(0 <= ap <= 1 for ap in found["found"].values())
    assert found["large"] == {"easy": 1, "medium": 1, "hard": pytest.approx(2 / 3)}
