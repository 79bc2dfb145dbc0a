"""Augmentation: what stays true of a sample whatever is drawn."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.augmentation import (
    CROP_SCALES,
    Faces,
    augment,
    distort_colors,
    mirror,
    pad_to_square,
    random_crop,
    resize,
)
from utils.pixels import MEAN_BGR


def faces_of(boxes, landmarks=None) -> Faces:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    mask = np.full(len(boxes), landmarks is not None)
    points = np.full((len(boxes), 5, 2), -1.0) if landmarks is None else np.array(landmarks, np.float64)
    return Faces(boxes, points, mask)


def gradient_image(height: int, width: int) -> np.ndarray:
    """Blue tells x, green tells y, so that a pixel knows where it came from."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


dimension = st.integers(1, 250)


@st.composite
def labelled_pictures(draw):
    height, width = draw(dimension), draw(dimension)
    boxes = []
    for _ in range(draw(st.integers(0, 5))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append((x, y, draw(st.integers(x + 1, width)), draw(st.integers(y + 1, height))))
    return gradient_image(height, width), faces_of(boxes)


@settings(deadline=None, max_examples=60)
@given(labelled_pictures(), st.integers(0, 2**32))
def test_a_sample_is_square_and_its_boxes_are_inside_and_not_empty(picture, seed):
    image, faces = augment(*picture, 64, np.random.default_rng(seed))
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    assert (faces.boxes >= 0).all() and (faces.boxes <= 64 + 1e-9).all()
    assert (faces.boxes[:, 2:] > faces.boxes[:, :2]).all()
    assert bool(len(faces)) == bool(len(picture[1]))


@settings(deadline=None, max_examples=60)
@given(labelled_pictures(), st.integers(0, 2**32))
def test_a_crop_is_square_holds_a_whole_face_and_keeps_the_faces_centred_in_it(picture, seed):
    image, faces = picture
    cropped, kept = random_crop(image, faces, np.random.default_rng(seed))
    if cropped is image:
        assert kept is faces
        return
    height, width = cropped.shape[:2]
    x, y = cropped[0, 0, 0], cropped[0, 0, 1]
    assert height == width
    assert height in [max(1, int(scale * min(image.shape[:2]))) for scale in CROP_SCALES]
    np.testing.assert_array_equal(cropped, image[y : y + height, x : x + width])
    shifted = faces.boxes - (x, y, x, y)
    inside = ((shifted[:, :2] >= 0) & (shifted[:, 2:] <= height)).all(axis=1)
    assert inside.any()
    centers = (shifted[:, :2] + shifted[:, 2:]) / 2
    centred = ((centers > 0) & (centers < height)).all(axis=1)
    np.testing.assert_array_equal(kept.boxes, np.clip(shifted[centred], 0, height))


def test_crops_have_all_five_sizes():
    faces = faces_of([(100, 100, 104, 104)])
    rng = np.random.default_rng(0)
    sides = {random_crop(gradient_image(200, 250), faces, rng)[0].shape[0] for _ in range(200)}
    assert sides == {60, 90, 120, 160, 200}


def test_a_face_that_no_square_holds_leaves_the_picture_whole():
    image, faces = gradient_image(100, 200), faces_of([(0, 10, 200, 90)])
    cropped, kept = random_crop(image, faces, np.random.default_rng(0))
    assert cropped is image
    assert kept is faces


def test_landmarks_follow_the_pixels_through_crop_mirror_and_resize():
    points = [(100, 60), (130, 62), (115, 80), (102, 95), (128, 96)]
    faces = faces_of([(90, 50, 140, 110)], [points])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, moved = random_crop(gradient_image(200, 250), faces, rng)
        if seed % 2:
            image, moved = mirror(image, moved)
        image, moved = resize(pad_to_square(image), moved, image.shape[0], cv2.INTER_NEAREST)
        side_swapped = [points[i] for i in (1, 0, 2, 4, 3)] if seed % 2 else points
        for (x, y), origin in zip(moved.landmarks[0], side_swapped, strict=True):
            column = min(int(x) - (seed % 2), image.shape[1] - 1)  # a mirrored point lies on the pixel's other edge
            assert tuple(image[int(y), column, :2]) == origin


def test_mirroring_twice_changes_nothing():
    faces = faces_of([(3, 4, 30, 20)], [[(5, 6), (20, 6), (12, 10), (8, 15), (18, 15)]])
    image = gradient_image(40, 50)
    twice, again = mirror(*mirror(image, faces))
    np.testing.assert_array_equal(twice, image)
    np.testing.assert_array_equal(again.boxes, faces.boxes)
    np.testing.assert_array_equal(again.landmarks, faces.landmarks)


def test_padding_keeps_the_picture_at_the_top_left_and_fills_with_the_mean():
    image = gradient_image(30, 50)
    padded = pad_to_square(image)
    assert padded.shape == (50, 50, 3)
    np.testing.assert_array_equal(padded[:30], image)
    assert (padded[30:] == MEAN_BGR).all()


def test_colour_distortion_changes_colours_moderately_and_leaves_its_input():
    image = np.random.default_rng(0).integers(40, 200, (20, 20, 3), dtype=np.uint8)
    before = image.copy()
    outputs = [distort_colors(image, np.random.default_rng(seed)).astype(float) for seed in range(300)]
    np.testing.assert_array_equal(image, before)
    shifts = [output.mean() - before.mean() for output in outputs]
    assert min(shifts) < -30 and max(shifts) > 30
    # Each of the four changes is left out with probability 1/2, so one sample in sixteen stays as it is.
    unchanged = sum(np.array_equal(output, before) for output in outputs)
    assert 5 <= unchanged <= 40


def test_grey_stays_grey():
    grey = np.full((4, 4, 3), 100, np.uint8)
    for seed in range(50):
        distorted = distort_colors(grey, np.random.default_rng(seed))
        assert (distorted == distorted[..., :1]).all()


def test_the_same_seed_gives_the_same_sample():
    image, faces = gradient_image(120, 200), faces_of([(50, 50, 80, 90)])
    first, second, other = (augment(image, faces, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1].boxes, second[1].boxes)
    assert not np.array_equal(first[0], other[0])
