"""The prior check, compared with the prior boxes, the matching and the samples of training."""

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data import cfg_mnet
from data.annotations import read_annotations
from data.dataset import FaceDataset
from data.image_header import image_size
from layers.functions.prior_box import PriorBox
from layers.matching import pairwise_iou
from tools.check.priors import best_iou, faces_in_samples, suggest_min_sizes
from utils.box_utils import point_form

SIZES, STEPS = cfg_mnet["min_sizes"], cfg_mnet["steps"]
corner = st.floats(0, 230)
length = st.floats(0.5, 256)


@given(st.sampled_from([64, 200, 256]), st.lists(st.tuples(corner, corner, length, length), min_size=1, max_size=5))
@example(64, [(56.0, 56.0, 8.0, 8.0)])
@example(200, [(0.0, 196.0, 4.0, 4.0)])
@settings(deadline=None)
def test_best_iou_equals_the_maximum_over_all_priors(image_size, boxes):
    boxes = np.array(boxes)
    boxes[:, :2] *= image_size / 256
    boxes[:, 2:] = np.minimum(boxes[:, :2] + boxes[:, 2:], image_size)
    priors = point_form(PriorBox(cfg_mnet, (image_size, image_size)).forward().double() * image_size)
    expected = pairwise_iou(torch.from_numpy(boxes), priors.T).amax(dim=1)
    np.testing.assert_allclose(best_iou(boxes, image_size, SIZES, STEPS), expected, atol=1e-5)


def test_faces_equal_the_targets_of_the_first_epoch(dataset):
    annotations = read_annotations(dataset)
    sizes = np.array([image_size(dataset.parent / "images" / name) for name in annotations.names])
    found = faces_in_samples(annotations, sizes, 96)
    samples = FaceDataset(dataset, 96)
    targets = np.concatenate([samples[0, index][1].numpy() for index in range(len(samples))])[:, :4] * 96
    assert len(found) == len(targets) >= 6
    # Half of the samples are mirrored, which changes x alone, and no width.
    np.testing.assert_allclose(found[:, [1, 3]], targets[:, [1, 3]], atol=1e-4)
    np.testing.assert_allclose(found[:, 2] - found[:, 0], targets[:, 2] - targets[:, 0], atol=1e-4)


def test_images_of_unknown_size_are_skipped(dataset):
    annotations = read_annotations(dataset)
    assert faces_in_samples(annotations, np.zeros((6, 2), int), 96).shape == (0, 4)


def test_suggested_sizes_match_more_faces():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 600, (400, 2))
    sides = rng.choice([7.0, 9.0, 40.0], 400)
    boxes = np.hstack([corners, corners + sides[:, None]])
    before = (best_iou(boxes, 640, SIZES, STEPS) >= 0.35).mean()
    suggested = suggest_min_sizes(boxes, 640, STEPS, 0.35)
    after = (best_iou(boxes, 640, suggested, STEPS) >= 0.35).mean()
    assert before < 0.4 and after > 0.75
    every = [size for sizes in suggested for size in sizes]
    assert every == sorted(every) and [len(sizes) for sizes in suggested] == [2, 2, 2]
