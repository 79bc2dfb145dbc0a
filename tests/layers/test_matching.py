"""Matching of faces with priors equals plain loops."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from layers.matching import ignored_priors, match_priors, pairwise_iou
from tests.helpers.matching import CORNERS, PRIORS, SIZE, coordinates, match_by_loops, prior_at, sizes


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(coordinates, coordinates, sizes, sizes), min_size=1, max_size=6))
def test_matching_equals_plain_loops(faces):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in faces], np.float32) / SIZE
    positives, face = match_priors(torch.from_numpy(boxes), CORNERS, 0.35)
    expected_face, expected_positive = match_by_loops(boxes, CORNERS.T.numpy(), 0.35)
    assert positives.tolist() == expected_positive.nonzero()[0].tolist()
    assert face.tolist() == expected_face[expected_positive].tolist()


def test_pairwise_iou_equals_torchvision():
    boxes = torch.cat([CORNERS.T[::7] + 0.013, CORNERS.T[:2], torch.tensor([[2.0, 2.0, 3.0, 3.0]])])
    assert torch.equal(pairwise_iou(boxes, CORNERS), box_iou(boxes, CORNERS.T))


def faces_of_priors(boxes: torch.Tensor) -> dict[int, int]:
    positives, faces = match_priors(boxes, CORNERS, 0.35)
    return dict(zip(positives.tolist(), faces.tolist(), strict=True))


def test_the_last_of_two_equal_faces_takes_the_prior():
    assert faces_of_priors(prior_at(100).repeat(2, 1))[100] == 1


def test_a_face_between_both_thresholds_gets_one_prior():
    center = PRIORS[0, :2]  # a face of 8 px in the middle of a prior of 16 px overlaps it by 0.25
    boxes = torch.cat([center - 4 / SIZE, center + 4 / SIZE])[None]
    assert faces_of_priors(boxes) == {0: 0}


def test_a_face_too_small_for_every_prior_is_unmatched():
    center = PRIORS[0, :2]
    boxes = torch.cat([center - 1 / SIZE, center + 1 / SIZE])[None]
    assert not faces_of_priors(boxes)


def test_an_image_whose_faces_are_below_the_second_threshold_has_no_positives():
    center = PRIORS[0, :2]  # an overlap of 0.14 with the best prior
    boxes = torch.cat([center - 3 / SIZE, center + 3 / SIZE])[None]
    assert len(match_priors(boxes, CORNERS, 0.1)[0]) == 0


def test_a_tiny_face_takes_its_best_prior_if_another_face_made_it_positive():
    center = PRIORS[100, :2]
    tiny = torch.cat([center - 1 / SIZE, center + 1 / SIZE])[None]
    size_of_prior = PRIORS[100, 2] * SIZE
    assert size_of_prior == 16
    assert faces_of_priors(torch.cat([prior_at(100), tiny]))[100] == 1


def test_a_prior_half_inside_an_ignored_region_or_over_the_iou_threshold_is_ignored():
    center = PRIORS[100, :2] * SIZE
    for (x1, y1, x2, y2), expected in (
        ((-8, -8, 0, 8), True),  # one half of a prior of 16 px
        ((-8, -8, -1, 8), True),  # less than that, but an IoU of 0.44
        ((-8, -8, -3, 8), False),  # an IoU of 0.31
        ((-100, -8, 0, 8), True),  # half of the prior, an IoU of 0.08
        ((-100, -8, -1, 8), False),
    ):
        region = torch.tensor([[x1, y1, x2, y2]]) + center.repeat(2)
        ignored = ignored_priors(region / SIZE, CORNERS, 0.35, torch.tensor([0]))
        assert (100 in ignored.tolist()) == expected
    everything = torch.tensor([[-1.0, -1, 2, 2]])
    assert ignored_priors(everything, CORNERS, 0.35, torch.tensor([3, 5])).tolist() == [
        i for i in range(len(PRIORS)) if i not in (3, 5)
    ]
