"""Matching and the MultiBox loss against the reference and against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import cfg_mnet
from layers.functions.prior_box import PriorBox
from layers.matching import match
from layers.modules import MultiBoxLoss
from utils.box_utils import point_form

SIZE = 128
PRIORS = PriorBox(cfg_mnet, (SIZE, SIZE)).forward()


def test_losses_and_gradients_equal_the_reference(shared):
    reference = np.load(shared / "reference" / "loss.npz")
    size = int(reference["image_size"])
    predictions = [torch.from_numpy(reference[name]).requires_grad_() for name in ("loc", "conf", "landm")]
    targets = [torch.from_numpy(reference[f"target{i}"]) for i in range(5)]
    losses = MultiBoxLoss()(tuple(predictions), PriorBox(cfg_mnet, (size, size)).forward(), targets)
    (2 * losses[0] + losses[1] + losses[2]).backward()
    for loss, name in zip(losses, ("loc", "conf", "landm"), strict=True):
        assert loss.item() == pytest.approx(float(reference[f"loss_{name}"]), rel=1e-5)
    for prediction, name in zip(predictions, ("loc", "conf", "landm"), strict=True):
        expected = reference[f"grad_{name}"]
        assert np.abs(prediction.grad.numpy() - expected).max() <= 1e-5 * np.abs(expected).max(), name


def match_by_loops(boxes: np.ndarray, priors: np.ndarray, threshold: float):
    """The design's words, one prior and one face at a time."""

    def iou(a, b):
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        inter = np.float32(max(width, 0) * max(height, 0))
        area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
        return inter / (area - inter)

    overlaps = np.array([[iou(box, prior) for prior in priors] for box in boxes], np.float32)
    face = overlaps.argmax(axis=0)
    positive = overlaps.max(axis=0) >= threshold
    for i, row in enumerate(overlaps):
        face[row.argmax()] = i
        if row.max() >= 0.2:
            positive[row.argmax()] = True
    if overlaps.max() < 0.2:
        positive[:] = False
    return face, positive


coordinates = st.integers(0, SIZE - 4)
sizes = st.integers(2, 90)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(coordinates, coordinates, sizes, sizes), min_size=1, max_size=6))
def test_matching_equals_plain_loops(faces):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in faces], np.float32) / SIZE
    face, positive = match(torch.from_numpy(boxes), PRIORS, 0.35)
    expected_face, expected_positive = match_by_loops(boxes, point_form(PRIORS).numpy(), 0.35)
    assert positive.tolist() == expected_positive.tolist()
    assert face[positive].tolist() == expected_face[expected_positive].tolist()


def prior_at(index: int) -> torch.Tensor:
    return point_form(PRIORS[index : index + 1])


def test_the_last_of_two_equal_faces_takes_the_prior():
    face, positive = match(prior_at(100).repeat(2, 1), PRIORS, 0.35)
    assert positive[100]
    assert face[100] == 1


def test_a_face_between_both_thresholds_gets_one_prior():
    center = PRIORS[0, :2]  # a face of 8 px in the middle of a prior of 16 px overlaps it by 0.25
    boxes = torch.cat([center - 4 / SIZE, center + 4 / SIZE])[None]
    _, positive = match(boxes, PRIORS, 0.35)
    assert positive.nonzero().tolist() == [[0]]


def test_a_face_too_small_for_every_prior_has_none():
    center = PRIORS[0, :2]
    boxes = torch.cat([center - 1 / SIZE, center + 1 / SIZE])[None]
    assert not match(boxes, PRIORS, 0.35)[1].any()


def test_a_tiny_face_becomes_the_face_of_a_prior_that_another_makes_positive():
    center = PRIORS[100, :2]
    tiny = torch.cat([center - 1 / SIZE, center + 1 / SIZE])[None]
    size_of_prior = PRIORS[100, 2] * SIZE
    assert size_of_prior == 16
    face, positive = match(torch.cat([prior_at(100), tiny]), PRIORS, 0.35)
    assert positive[100]
    assert face[100] == 1


def random_predictions(pictures: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(pictures, len(PRIORS), values, generator=generator, requires_grad=True) for values in (4, 2, 10)
    )


def target(boxes: torch.Tensor, label: int) -> torch.Tensor:
    landmarks = torch.full((len(boxes), 10), 0.5)
    return torch.cat([boxes, landmarks, torch.full((len(boxes), 1), float(label))], dim=1)


def test_a_batch_without_faces_has_no_loss_and_finite_gradients():
    predictions = random_predictions(2)
    losses = MultiBoxLoss()(predictions, PRIORS, [torch.zeros(0, 15)] * 2)
    assert [loss.item() for loss in losses] == [0, 0, 0]
    sum(losses).backward()
    assert all(torch.isfinite(prediction.grad).all() for prediction in predictions)


def test_a_picture_without_faces_beside_one_with_a_face_changes_nothing():
    predictions = random_predictions(2)
    both = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), 1), torch.zeros(0, 15)])
    first = tuple(prediction[:1] for prediction in predictions)
    alone = MultiBoxLoss()(first, PRIORS, [target(prior_at(100), 1)])
    torch.testing.assert_close(both, alone)


def test_a_face_without_landmarks_adds_to_the_box_and_class_losses_only():
    predictions = random_predictions(1)
    with_landmarks = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), 1)])
    without = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), -1)])
    assert without[2].item() == 0 < with_landmarks[2].item()
    torch.testing.assert_close(without[:2], with_landmarks[:2])


def test_each_positive_learns_seven_negatives_the_hardest():
    predictions = random_predictions(1)
    losses = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), -1)])
    losses[1].backward()
    learnt = predictions[1].grad[0].abs().sum(dim=1) > 0
    _, positive = match(prior_at(100), PRIORS, 0.35)
    assert learnt.sum() == 8 * positive.sum()
    background = predictions[1].detach()[0].log_softmax(dim=1)[:, 0].masked_fill(positive, 0)
    hardest = background.argsort()[: 7 * positive.sum()]
    assert learnt[hardest].all()


def test_a_thousand_faces_are_matched():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(1000, 2, generator=generator) * 0.9
    losses = MultiBoxLoss()(random_predictions(1), PRIORS, [target(torch.cat([corners, corners + 0.1], dim=1), 1)])
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses)
