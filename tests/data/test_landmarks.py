"""Landmarks from the label file through augmentation, loss and training to the drawn detections."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data import cfg_mnet
from data.augmentation import FLIPPED_LANDMARKS
from data.dataset import FaceDataset
from layers.functions.prior_box import PriorBox
from layers.matching import match_priors
from layers.modules import MultiBoxLoss
from tests.helpers.detections import lines
from utils.box_utils import point_form
from utils.drawing import LANDMARK_COLORS, draw_boxes, draw_detections

# As fractions of a face: left and right eye, nose, corners of the mouth; not symmetric.
PLACES = np.array([[0.3, 0.35], [0.72, 0.37], [0.55, 0.58], [0.36, 0.78], [0.68, 0.8]])


def landmarks_of(boxes) -> np.ndarray:
    """Return (N, 5, 2) landmarks of drawn faces x y w h."""
    boxes = np.array(boxes, float).reshape(-1, 4)
    return boxes[:, None, :2] + PLACES * boxes[:, None, 2:]


def draw_face_image(size: tuple[int, int], boxes, seed: int) -> np.ndarray:
    """Return an image of (height, width), dark at the left and light at the right, with faces that have five dots."""
    noise = np.random.default_rng(seed).integers(-10, 10, (*size, 1))
    image = np.repeat(np.linspace(60, 190, size[1])[None, :, None] + noise, 3, axis=2).astype(np.uint8)
    for (x, y, w, h), points in zip(boxes, landmarks_of(boxes), strict=True):
        cv2.ellipse(image, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, (150, 180, 220), cv2.FILLED)
        for (px, py), color in zip(points, LANDMARK_COLORS, strict=True):
            cv2.circle(image, (round(px), round(py)), max(2, w // 12), color, cv2.FILLED)
    return image


def write_dataset(folder: Path, images: list[tuple[list, list]], size: tuple[int, int]) -> Path:
    """Write images of faces x y w h: (faces annotated with landmarks, faces annotated without) for each image."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, (annotated, others) in enumerate(images):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), draw_face_image(size, [*annotated, *others], number))
        rows.append(f"# {number}.png")
        for box, points in zip(annotated, landmarks_of(annotated), strict=True):
            rows.append(" ".join(map(str, [*box, *(value for x, y in points for value in (x, y, 0.0)), 0.9])))
        rows += [" ".join(map(str, [*box, *[-1.0] * 15, 0.9])) for box in others]
    (folder / "label.txt").write_text("\n".join(rows) + "\n")
    return folder / "label.txt"


# With landmarks, with and without in one image, without, and no face.
MIXED = [
    ([(40, 30, 72, 90)], []),
    ([(30, 20, 60, 80)], [(120, 60, 66, 84)]),
    ([], [(60, 40, 70, 90)]),
    ([], []),
]


@pytest.fixture
def mixed(tmp_path) -> FaceDataset:
    return FaceDataset(write_dataset(tmp_path / "mixed", MIXED, (160, 240)), 128)


def test_the_landmark_loss_has_only_faces_with_landmarks(mixed):
    """The reference computes one positive prior and one coordinate at a time."""
    priors = PriorBox(cfg_mnet, (128, 128)).forward()
    generator = torch.Generator().manual_seed(0)
    predictions = [torch.randn(4, len(priors), n, generator=generator).requires_grad_() for n in (4, 2, 10)]
    targets = [mixed[(2, index)][1] for index in range(4)]
    assert [sorted(target[:, 14].tolist()) for target in targets] == [[1], [-1, 1], [-1], []]
    loss = MultiBoxLoss()(tuple(predictions), priors, targets)[2]
    loss.backward()

    total, supervised = 0.0, set()
    for image, target in enumerate(targets):
        positives, faces = match_priors(target[:, :4], point_form(priors).T, 0.35)
        for prior, face in zip(positives.tolist(), faces.tolist(), strict=True):
            if target[face, 14] != 1:
                continue
            supervised.add((image, prior))
            center, size = priors[prior, :2].numpy(), priors[prior, 2:].numpy()
            for k in range(10):
                wanted = (float(target[face, 4 + k]) - center[k % 2]) / (0.1 * size[k % 2])
                distance = abs(predictions[2][image, prior, k].item() - wanted)
                total += distance**2 / 2 if distance < 1 else distance - 0.5
    assert loss.item() == pytest.approx(total / len(supervised), rel=1e-4)
    moved = {tuple(place) for place in predictions[2].grad.ne(0).any(dim=2).nonzero().tolist()}
    assert moved == supervised and {image for image, _ in supervised} == {0, 1}


def test_augmentation_keeps_landmarks_on_their_pixels(mixed, monkeypatch):
    monkeypatch.setattr("data.augmentation.change_colors", lambda image, change: image)
    colors = np.array([*LANDMARK_COLORS, (150, 180, 220)], float)
    counts = {"flipped": 0, "whole": 0, "cut": 0}
    for epoch in range(60):
        for index in (0, 1):
            image, target, _ = mixed[(epoch, index)]
            image = image.permute(1, 2, 0).numpy().astype(float)
            top = image[0, :, 0]
            flipped = np.median(top[:40]) > np.median(top[-40:])  # the images grow lighter to the right
            counts["flipped"] += flipped
            for row in target[target[:, 14] == 1].numpy():
                points = row[4:14].reshape(5, 2) * 128
                (left_eye, right_eye, _, left_mouth, right_mouth) = points
                assert left_eye[0] <= right_eye[0] and left_mouth[0] <= right_mouth[0]
                inside = ((points > 2) & (points < 126)).all(axis=1)  # a crop may cut landmarks off
                counts["whole" if inside.all() else "cut"] += 1
                for i in inside.nonzero()[0]:
                    x, y = points[i].astype(int)
                    nearest = np.abs(colors - image[y, x]).sum(axis=1).argmin()
                    assert nearest == (FLIPPED_LANDMARKS[i] if flipped else i), (epoch, index, i)
    assert 30 < counts["flipped"] < 90 and counts["whole"] > 60 and counts["cut"] > 0, counts


def random_faces(count: int, rng: np.random.Generator) -> list[tuple]:
    """Return images of a face each, of 96 px; every third face is not annotated, every ninth image is empty."""
    images = []
    for number in range(count):
        w = int(rng.integers(36, 60))
        x, y = (int(value) for value in rng.integers(2, [94 - w, 94 - w * 6 // 5]))
        face = [(x, y, w, w * 6 // 5)]
        images.append(([], []) if number % 9 == 8 else ([], face) if number % 3 == 2 else (face, []))
    return images


def test_training_on_a_mixed_dataset_fits_landmarks(script, tmp_path):
    rng = np.random.default_rng(0)
    label = write_dataset(tmp_path / "train", random_faces(36, rng), (96, 96))
    shown = [pair for pair in random_faces(12, rng) if pair[0]]  # not in the training set
    write_dataset(tmp_path / "shown", shown, (96, 96))
    weights = tmp_path / "weights"
    outcome = script("train.py", "--training_dataset", label, "--save_folder", weights, "--no_pretrain", "--device",
                     "cpu", "--num_workers", 0, "--tensorboard", "false", "--image_size", 96, "--batch_size", 4,
                     "--epochs", 16, "--lr", 1e-2, "--schedule", "cosine", "--save_every", 1000)  # fmt: skip
    assert outcome.status == 0, outcome.err
    with open(weights / "mobilenet0.25_log.csv", newline="") as file:
        losses = [float(row["landmark"]) for row in csv.DictReader(file)]
    assert 0 < losses[-1] < 0.5 * losses[0]

    flags = ("-m", weights / "mobilenet0.25_Final.pth", "--network", "mobile0.25", "--cpu", "--keep_top_k", 1,
             "--confidence_threshold", 0.02, "--save_folder", tmp_path / "out")  # fmt: skip
    outcome = script("detect.py", tmp_path / "shown" / "images", *flags)
    assert outcome.status == 0, outcome.err
    records = {Path(record["picture"]).name: record["faces"] for record in lines(tmp_path / "out" / "detections.jsonl")}
    errors, guesses = [], []
    for number, (annotated, _) in enumerate(shown):
        (face,) = records[f"{number}.png"]
        wanted, w = landmarks_of(annotated)[0], annotated[0][2]
        errors.append(np.linalg.norm(face["landmarks"] - wanted, axis=1).mean() / w)
        guesses.append(np.linalg.norm(wanted.mean(axis=0) - wanted, axis=1).mean() / w)
    # The guesses put all five landmarks in their mean, as a network that fits boxes only could do.
    assert np.mean(errors) < 0.5 * np.mean(guesses)


def test_detections_have_dots_of_the_right_colors_at_their_landmarks():
    boxes, image = np.array([[20.0, 20, 80, 95], [100, 30, 160, 100]]), np.full((120, 180, 3), 90, np.uint8)
    landmarks = landmarks_of(np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]))
    for drawn in (draw_detections(image, boxes, np.array([0.9, 0.8]), landmarks), draw_boxes(image, boxes, landmarks)):
        for points in landmarks:
            for (x, y), color in zip(points, LANDMARK_COLORS, strict=True):
                assert np.abs(drawn[round(y), round(x)].astype(int) - color).max() < 60
