"""Augmentation beyond the published one: crops larger than the image, mosaics, and shifted boxes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.augmentation import AugmentationOptions, Faces, arrange_mosaic, augment
from tests.helpers.samples import Recorded, dimension, faces_of
from utils.pixels import MEAN_BGR

WIDE = AugmentationOptions(crop_scales=(1.3, 2.0))


@settings(deadline=None, max_examples=100)
@given(dimension, dimension, st.sampled_from([64, 200]), st.integers(0, 2**32))
def test_a_crop_larger_than_the_image_shrinks_it_in_a_canvas_of_the_mean(height, width, size, seed):
    image = np.full((height, width, 3), 250, np.uint8)
    faces = faces_of([(0, 0, width, height)])
    sample, found = augment(image, faces, size, Recorded(seed), WIDE)
    assert sample.shape == (size, size, 3)
    assert len(found) == 1
    assert (found.boxes >= -1e-9).all()
    assert (found.boxes <= size + 1e-9).all()
    shape = (found.boxes[0, 2:] - found.boxes[0, :2]) / (width, height)
    assert shape[0] == pytest.approx(shape[1], rel=0.05)  # not distorted, but for the clipping of a rounded place
    x1, y1, x2, y2 = found.boxes[0]
    rows, columns = np.arange(size) + 0.5, np.arange(size) + 0.5
    outside = (rows < y1 - 3) | (rows > y2 + 3)
    assert (sample[outside] == MEAN_BGR).all()
    assert (sample[:, (columns < x1 - 3) | (columns > x2 + 3)] == MEAN_BGR).all()


def test_faces_of_a_shrunk_image_stay_on_their_pixels():
    image = np.zeros((150, 220, 3), np.uint8)
    image[40:90, 60:130] = 255
    compared = 0
    for seed in range(40):
        rng = Recorded(seed)
        sample, found = augment(image, faces_of([(60, 40, 130, 90)]), 200, rng, WIDE)
        bright = cv2.absdiff(sample, np.full_like(sample, sample[0, 0])).max(axis=2)
        inside = np.argwhere(sample.min(axis=2) > np.array(MEAN_BGR).max())
        if len(inside) == 0 or bright.max() == 0:
            continue  # the change of colors has darkened the face
        (y1, x1), (y2, x2) = inside.min(axis=0), inside.max(axis=0) + 1
        np.testing.assert_allclose(found.boxes[0], (x1, y1, x2, y2), atol=2)
        compared += 1
    assert compared > 20


def test_a_mosaic_holds_four_samples_and_their_faces():
    side = 64
    tiles = []
    for number in range(4):
        image = np.zeros((side, side, 3), np.uint8)
        x1, y1, x2, y2 = box = (5 + number, 10, 20 + number, 30 + number)
        image[y1:y2, x1:x2] = 100 + number
        tiles.append((image, Faces(np.array([box], float), np.full((1, 5, 2), 12.0), np.array([1 - number % 2]))))
    image, faces = arrange_mosaic(tiles, side)
    assert image.shape == (2 * side, 2 * side, 3)
    for number, (x1, y1, x2, y2) in enumerate(faces.boxes.astype(int)):
        assert (image[y1:y2, x1:x2] == 100 + number).all()
    assert sum((image == 100 + number).all(axis=2).sum() for number in range(4)) == sum(
        (faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(axis=1)
    )
    assert faces.landmarks[:, 0].tolist() == [[12, 12], [76, 12], [12, 76], [76, 76]]
    assert faces.labels.tolist() == [1, 0, 1, 0]


def test_boxes_are_moved_to_the_right_and_down_also_in_flipped_samples():
    image, size = np.zeros((200, 200, 3), np.uint8), 400
    faces = faces_of([(60, 60, 160, 160), (20, 30, 60, 50)])
    flips = set()
    for seed in range(8):
        samples = [
            augment(image, faces, size, np.random.default_rng(seed), AugmentationOptions((1.0,), box_shift=shift))[1]
            for shift in (0, 0.5)
        ]
        np.testing.assert_allclose(samples[1].boxes - samples[0].boxes, 0.5 * size / 200)
        np.testing.assert_array_equal(samples[1].landmarks, samples[0].landmarks)
        flips.add(samples[0].boxes[1, 0] > 200)
    assert flips == {False, True}
