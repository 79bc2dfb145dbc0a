"""Training samples, priors and landmarks on the sheets of tools.show."""

import re
from dataclasses import fields

import cv2
import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from data.augmentation import AugmentationOptions
from data.config import RECIPES, cfg_mnet
from data.dataset import FaceDataset
from data.sampler import EpochBatches
from layers.functions.prior_box import PriorBox
from layers.matching import match_priors
from tests.helpers.images import draw_image
from tests.helpers.sheets import cell, has, names_of, outside_boxes
from tools.show.grid import (
    FORCED_COLOR,
    GAP,
    LEGEND,
    LINE,
    PRIOR_COLOR,
    UNMATCHED_COLOR,
)
from tools.show.sample_cells import OPACITY
from tools.show.show_cli import prior_matcher
from utils.box_utils import point_form
from utils.drawing import BOX_COLOR, LANDMARK_COLORS

POINTS = [(40, 40), (60, 40), (50, 50), (42, 60), (58, 60)]


@pytest.fixture
def landmark_label(tmp_path):
    """An image that is dark to the left and bright to the right, with a face that has landmarks."""
    path = tmp_path / "images" / "a.png"
    draw_image(path, [(30, 20, 40, 50)])
    image = cv2.imread(str(path))
    image[:, :50], image[:, 50:] = 20, 200
    cv2.imwrite(str(path), image)
    label = tmp_path / "label.txt"
    label.write_text("# a.png\n30 20 40 50 " + " ".join(f"{x} {y} 0" for x, y in POINTS) + " 0.9\n")
    return label


def test_landmarks_are_dots_in_their_colors(show, landmark_label):
    _, sheet = show(landmark_label, "--side", 256)
    image = cell(sheet, 0, 1, 256, 192)
    for (x, y), color in zip(POINTS, LANDMARK_COLORS, strict=True):
        assert image[2 * y, 2 * x].tolist() == list(color)
    legend = sheet[GAP + 192 + LINE + GAP :]
    for name in ("face", "left eye", "right eye", "nose", "left mouth corner", "right mouth corner"):
        assert has(legend, LEGEND[name]).any()


def test_landmarks_keep_their_colors_in_a_flipped_sample(show, landmark_label):
    size, seen = 512, set()
    dataset = FaceDataset(landmark_label, size)
    for epoch in range(6):
        image, target, _ = dataset[(epoch, 0)]
        bright = image.float().mean(dim=(0, 1))
        seen.add(flipped := bool(bright[: size // 2].mean() > bright[size // 2 :].mean()))
        _, sheet = show(landmark_label, "--augmented", "--epoch", epoch, "--image_size", size, "--side", size)
        shown = cell(sheet, 0, 1, size, size)
        width = float(target[0, 2] - target[0, 0])
        x0 = float(target[0, 0])
        centers = []
        for (x, y), color in zip(POINTS, LANDMARK_COLORS, strict=True):
            rows, columns = np.nonzero(has(shown, color))
            centers.append((columns.mean() / size, rows.mean() / size))
            order = [POINTS[i] for i in (1, 0, 2, 4, 3)][POINTS.index((x, y))] if flipped else (x, y)
            part = (order[0] - 30) / 40
            part = 1 - part if flipped else part
            assert centers[-1][0] == pytest.approx(x0 + part * width, abs=0.01)
        assert centers[0][0] < centers[1][0] and centers[3][0] < centers[4][0]
        assert centers[0][1] < centers[2][1] < centers[3][1]
    assert seen == {True, False}


TUNED = {field.name: RECIPES["tuned"].get(field.name, field.default) for field in fields(AugmentationOptions)}


@pytest.mark.parametrize(("recipe", "options"), [("published", {}), ("tuned", TUNED)])
def test_augmented_samples_equal_those_of_the_training(show, dataset, recipe, options):
    flags = ("--image_size", 96, "--side", 96, "--count", 4, "--columns", 4, "--seed", 3, "--epoch", 2)
    outcome, sheet = show(dataset, "--augmented", *flags, "--recipe", recipe)
    faces = FaceDataset(dataset, 96, seed=3, augmentation=AugmentationOptions(**options))
    batches = EpochBatches(len(faces), 2, seed=3)
    batches.set_epoch(2)
    keys = [key for batch in batches for key in batch][:4]
    assert names_of(outcome) == [f"{index}.jpg" for _, index in keys]
    for place, key in enumerate(keys):
        image, target, _ = faces[key]
        shown = cell(sheet, place, 4, 96, 96)
        untouched = outside_boxes(96 * target[:, :4].numpy(), 96, 96)
        assert untouched.mean() > 0.3
        assert (shown[untouched] == image.permute(1, 2, 0).numpy()[untouched]).all()
        assert has(shown, BOX_COLOR, 16).any()


def test_background_images_are_among_the_samples(show, dataset, tmp_path):
    draw_image(tmp_path / "studio" / "desk.png", [])
    dataset.write_text(dataset.read_text() + "# 6.jpg\n")
    draw_image(dataset.parent / "images" / "6.jpg", [])
    flags = ("--augmented", "--image_size", 64, "--side", 64, "--columns", 8, "--negatives", tmp_path / "studio")
    outcome, sheet = show(dataset, *flags)
    assert outcome.status == 0 and "6.jpg  (0 faces)" in outcome.out
    assert f"{tmp_path / 'studio' / 'desk.png'}  (0 faces)" in outcome.out
    names = names_of(outcome)
    place = names.index(str(tmp_path / "studio" / "desk.png"))
    image, _, _ = FaceDataset(dataset, 64, negatives=tmp_path / "studio")[(0, 7)]
    assert len(names) == 8 and (cell(sheet, place, 8, 64, 64) == image.permute(1, 2, 0).numpy()).all()
    show(dataset, "--augmented", "--negatives", dataset.parent / "images")[0].refuses("has faces in")


def test_priors_equal_those_matched_in_the_loss():
    boxes = torch.tensor(
        [[0.1, 0.1, 0.3, 0.33], [0.5, 0.5, 0.53, 0.54], [0.6, 0.1, 0.61, 0.11], [0.7, 0.7, 0.73, 0.85]]
    )
    corners = point_form(PriorBox(cfg_mnet, (320, 320)).forward())
    positives, faces = match_priors(boxes, corners.T.contiguous(), 0.35)
    priors, forced, matched = prior_matcher(cfg_mnet, 320)(boxes)
    assert torch.equal(priors, corners[positives])
    overlaps = box_iou(boxes, priors)[faces, torch.arange(len(faces))]
    assert torch.equal(forced, overlaps < 0.35)
    assert forced.any() and not forced.all()
    assert (overlaps >= 0.2).all()
    assert matched.tolist() == [True, True, False, True]
    nothing = prior_matcher(cfg_mnet, 320)(torch.zeros(0, 4))
    assert [len(part) for part in nothing] == [0, 0, 0]


def test_matched_priors_and_unmatched_faces_are_drawn(show, tmp_path):
    """The faces fit a prior well, barely and not at all; a crop may exclude some."""
    boxes = [(100, 100, 64, 64), (300, 60, 6, 6), (40, 300, 12, 45)]
    draw_image(tmp_path / "images" / "a.png", [], (400, 400))
    rows = "".join(f"{x} {y} {w} {h}\n" for x, y, w, h in boxes)
    (tmp_path / "label.txt").write_text(f"# a.png\n{rows}")
    flags = ("--augmented", "--image_size", 320, "--side", 640, "--network", "resnet50")
    dataset = FaceDataset(tmp_path / "label.txt", 320)
    corners = point_form(PriorBox(cfg_mnet, (320, 320)).forward())
    colors = set()
    for epoch in range(8):
        outcome, sheet = show(tmp_path / "label.txt", *flags, "--epoch", epoch, "--priors")
        target = dataset[(epoch, 0)][1]
        positives, faces = match_priors(target[:, :4], corners.T.contiguous(), 0.35)
        overlaps = box_iou(target[:, :4], corners[positives])[faces, torch.arange(len(faces))]
        forced, lost = int((overlaps < 0.35).sum()), len(target) - len(set(faces.tolist()))
        printed = [int(number) for number in re.findall(r"\d+", outcome.out.splitlines()[-1].replace("0.35", ""))]
        assert printed[:4] == [len(positives), len(target), len(positives) - forced, forced]
        assert printed[-1] == lost
        image, legend = cell(sheet, 0, 1, 640, 640), sheet[GAP + 640 + LINE + GAP :]
        present = {FORCED_COLOR: forced, UNMATCHED_COLOR: lost, BOX_COLOR: len(target) - lost}
        for color, number in present.items():
            assert has(image, color, 3).any() == has(legend, color).any() == (number > 0)
            colors |= {color} if number else set()
        assert has(legend, PRIOR_COLOR).any() == (len(positives) > forced)
        without = cell(show(tmp_path / "label.txt", *flags, "--epoch", epoch)[1], 0, 1, 640, 640)
        changed = (image != without).any(axis=2)
        lines = 640 * corners[positives].numpy()
        assert not changed[outside_boxes(np.concatenate([lines, 640 * target[:, :4].numpy()]), 640, 640)].any()
        covered = changed | has(image, BOX_COLOR, 80)  # faces are drawn over priors
        for x1, y1, x2, _ in np.rint(lines).astype(int).tolist():
            assert not 0 < y1 < 640 or covered[y1, max(x1, 0) : x2].mean() > 0.8
        blend = without * (1 - OPACITY) + np.array(PRIOR_COLOR) * OPACITY
        assert (np.abs(image - blend).max(axis=2) <= 1)[changed].any() == (len(positives) > forced)
    assert colors == {FORCED_COLOR, UNMATCHED_COLOR, BOX_COLOR}
