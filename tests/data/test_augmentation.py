"""Augmentation: the properties of every sample, and that it equals tests/helpers/slow_augmentation.py."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.augmentation import (
    CROP_SCALES,
    INTERPOLATIONS,
    Faces,
    augment,
    change_colors,
    draw_color_change,
    flip_faces,
    place_in_square,
    random_crop,
    resize,
)
from tests.helpers import slow_augmentation
from tests.helpers.samples import Recorded, dimension, faces_of, real_images
from utils.pixels import MEAN_BGR


def whole(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return a box that fills an image, so that only a square image is cropped."""
    return 0, 0, image.shape[1], image.shape[0]


def gradient_image(height: int, width: int) -> np.ndarray:
    """Return an image with x in blue and y in green, so that each pixel tells its origin."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


@st.composite
def labelled_images(draw):
    height, width = draw(dimension), draw(dimension)
    boxes = []
    for _ in range(draw(st.integers(0, 5))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        boxes.append((x, y, draw(st.integers(x + 1, width)), draw(st.integers(y + 1, height))))
    labels = [draw(st.sampled_from([1, -1, -1, 0])) for _ in boxes]
    return gradient_image(height, width), faces_of(boxes, labels=labels)


@settings(deadline=None, max_examples=60)
@given(labelled_images(), st.integers(0, 2**32))
def test_a_sample_is_square_and_its_boxes_are_inside_and_not_empty(labelled, seed):
    image, faces = augment(*labelled, 64, np.random.default_rng(seed))
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    assert (faces.boxes >= 0).all() and (faces.boxes <= 64 + 1e-9).all()
    assert (faces.boxes[:, 2:] > faces.boxes[:, :2]).all()
    assert faces.labels.any() == labelled[1].labels.any()


@settings(deadline=None, max_examples=60)
@given(labelled_images(), st.integers(0, 2**32))
def test_a_crop_is_square_holds_a_whole_face_and_keeps_faces_with_their_center_inside(labelled, seed):
    image, faces = labelled
    cropped, kept, _ = random_crop(image, faces, np.random.default_rng(seed))
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
    assert inside[faces.labels != 0].any() or not faces.labels.any()
    centers = (shifted[:, :2] + shifted[:, 2:]) / 2
    centered = ((centers > 0) & (centers < height)).all(axis=1)
    overlaps = ((shifted[:, :2] < height) & (shifted[:, 2:] > 0)).all(axis=1)
    stays = np.where(faces.labels == 0, overlaps, centered)
    np.testing.assert_array_equal(kept.boxes, np.clip(shifted[stays], 0, height))
    np.testing.assert_array_equal(kept.labels, faces.labels[stays])


def test_crops_have_all_five_sizes():
    faces = faces_of([(100, 100, 104, 104)])
    rng = np.random.default_rng(0)
    sides = {random_crop(gradient_image(200, 250), faces, rng)[0].shape[0] for _ in range(200)}
    assert sides == {60, 90, 120, 160, 200}


def test_an_image_is_not_cropped_where_no_square_holds_a_face():
    image, faces = gradient_image(100, 200), faces_of([(0, 10, 200, 90)])
    cropped, kept, _ = random_crop(image, faces, np.random.default_rng(0))
    assert cropped is image
    assert kept is faces


def test_an_ignored_crowd_is_kept_where_a_crop_shows_part_of_it_and_does_not_steer_the_crop():
    crowd, face = (0, 0, 250, 110), (200, 150, 206, 156)
    faces = faces_of([crowd, face], labels=[0, -1])
    center_outside = 0
    for seed in range(100):
        image, kept, _ = random_crop(gradient_image(200, 250), faces, np.random.default_rng(seed))
        y = int(image[0, 0, 1])
        assert kept.labels.tolist() == ([0, -1] if y < 110 else [-1])  # each crop holds the face
        if y < 110:
            assert kept.boxes[0].tolist() == [0, 0, len(image), min(110 - y, len(image))]
        center_outside += 55 <= y < 110
    assert center_outside > 5
    alone = {
        random_crop(gradient_image(200, 250), faces[:1], np.random.default_rng(seed))[0].shape for seed in range(9)
    }
    assert len(alone) > 1  # a crop need not hold the whole of a crowd


def test_landmarks_follow_the_pixels_through_crop_and_flip():
    points = [(100, 60), (130, 62), (115, 80), (102, 95), (128, 96)]
    faces = faces_of([(90, 50, 140, 110)], [points])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, moved, _ = random_crop(gradient_image(200, 250), faces, rng)
        if seed % 2:
            image, moved = cv2.flip(image, 1), flip_faces(moved, image.shape[1])
        side_swapped = [points[i] for i in (1, 0, 2, 4, 3)] if seed % 2 else points
        for (x, y), origin in zip(moved.landmarks[0], side_swapped, strict=True):
            column = min(int(x) - (seed % 2), image.shape[1] - 1)  # a flipped point lies on the pixel's other edge
            assert tuple(image[int(y), column, :2]) == origin


def test_flipping_twice_changes_nothing():
    faces = faces_of([(3, 4, 30, 20)], [[(5, 6), (20, 6), (12, 10), (8, 15), (18, 15)]])
    again = flip_faces(flip_faces(faces, 50), 50)
    np.testing.assert_array_equal(again.boxes, faces.boxes)
    np.testing.assert_array_equal(again.landmarks, faces.landmarks)


def test_padding_keeps_the_image_at_the_top_left_and_fills_with_the_mean():
    image = gradient_image(30, 50)
    padded = place_in_square(image, 0, 0, 50)
    assert padded.shape == (50, 50, 3)
    np.testing.assert_array_equal(padded[:30], image)
    assert (padded[30:] == MEAN_BGR).all()


def test_color_distortion_is_moderate_and_leaves_its_input():
    image = np.random.default_rng(0).integers(40, 200, (20, 20, 3), dtype=np.uint8)
    before = image.copy()
    changes = [draw_color_change(np.random.default_rng(seed)) for seed in range(300)]
    outputs = [change_colors(image, change).astype(float) for change in changes]
    np.testing.assert_array_equal(image, before)
    shifts = [output.mean() - before.mean() for output in outputs]
    assert min(shifts) < -30 and max(shifts) > 30
    # Each of the four changes has probability 1/2, so one sample in sixteen is unchanged.
    unchanged = sum(np.array_equal(output, before) for output in outputs)
    assert 5 <= unchanged <= 40


def test_gray_stays_gray():
    gray = np.full((4, 4, 3), 100, np.uint8)
    for seed in range(50):
        distorted = change_colors(gray, draw_color_change(np.random.default_rng(seed)))
        assert (distorted == distorted[..., :1]).all()


def test_the_same_seed_gives_the_same_sample():
    image, faces = gradient_image(120, 200), faces_of([(50, 50, 80, 90)])
    first, second, other = (augment(image, faces, 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1].boxes, second[1].boxes)
    assert not np.array_equal(first[0], other[0])


def drawn_image(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Return colored blobs. No value is near 0, 255 or gray, where a change of colors would be cut off."""
    coarse = rng.uniform((90, 105, 120), (130, 145, 160), (max(2, height // 12), max(2, width // 12), 3))
    return cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)


def assert_same_faces(quick: Faces, slow: Faces) -> None:
    np.testing.assert_array_equal(quick.boxes, slow.boxes, strict=True)
    np.testing.assert_array_equal(quick.landmarks, slow.landmarks, strict=True)
    np.testing.assert_array_equal(quick.labels, slow.labels, strict=True)


@settings(deadline=None, max_examples=200)
@given(labelled_images(), st.booleans(), st.sampled_from([17, 64, 300]), st.integers(0, 2**32))
def test_faces_equal_those_of_the_slow_augmentation_to_the_last_bit(labelled, has_landmarks, size, seed):
    image, faces = labelled
    if has_landmarks:
        parts = np.random.default_rng(seed).random((len(faces), 5, 2))
        landmarks = faces.boxes[:, None, :2] + parts * (faces.boxes[:, None, 2:] - faces.boxes[:, None, :2])
        faces = Faces(faces.boxes, landmarks, np.abs(faces.labels))
    quick, slow = np.random.default_rng(seed), np.random.default_rng(seed)
    _, found = augment(image, faces, size, quick)
    _, expected = slow_augmentation.augment(image, faces, size, slow)
    assert_same_faces(found, expected)
    assert quick.random() == slow.random()  # as many draws


@settings(deadline=None, max_examples=200)
@given(st.tuples(*[st.integers(40, 250)] * 2), st.booleans(), st.sampled_from([48, 100, 300]), st.integers(0, 2**32))
def test_pixels_are_close_to_those_of_the_slow_augmentation(shape, crop, size, seed):
    image = drawn_image(*shape, np.random.default_rng(seed))
    faces = faces_of([(5, 5, 12, 13) if crop else whole(image)])
    rng = Recorded(seed)
    quick, _ = augment(image, faces, size, rng)
    slow, _ = slow_augmentation.augment(image, faces, size, np.random.default_rng(seed))
    if rng.nearest and rng.flipped:  # takes the nearest pixel from the other side
        slow = cv2.flip(nearest_before_flipping(image, faces, size, np.random.default_rng(seed)), 1)
    difference = np.abs(quick.astype(int) - slow)
    used, _, _ = random_crop(image, faces, np.random.default_rng(seed))
    columns, rows = _near_padding(used, size), _near_padding(used.transpose(1, 0, 2), size)
    difference[:, columns[::-1] if rng.flipped else columns] = 0
    difference[rows] = 0
    assert difference.max() <= 12
    assert difference.mean() < 1.5


def nearest_before_flipping(image: np.ndarray, faces: Faces, size: int, rng: np.random.Generator) -> np.ndarray:
    image, faces = slow_augmentation.random_crop(image, faces, rng)
    image = slow_augmentation.pad_to_square(slow_augmentation.distort_colors(image, rng))
    return slow_augmentation.resize(image, faces, size, cv2.INTER_NEAREST)[0]


def _near_padding(image: np.ndarray, size: int) -> np.ndarray:
    """Return (size,) bool: the columns that an interpolation of the padded image mixes from image and padding."""
    side, width = max(image.shape), image.shape[1]
    centers = (np.arange(size) + 0.5) * side / size
    return (np.abs(centers - width) < max(5, 2 * side / size)) & (width < side)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("shape", "size"), [((100, 171), 64), ((171, 100), 64), ((61, 47), 200), ((90, 160), 160)])
def test_an_uncropped_image_is_scaled_like_its_boxes(interpolation, shape, size):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    quick = place_in_square(resize(image, size / max(shape), interpolation), 0, 0, size)
    slow, _ = slow_augmentation.resize(slow_augmentation.pad_to_square(image), faces_of([]), size, interpolation)
    inside = np.ix_(~_near_padding(image.transpose(1, 0, 2), size), ~_near_padding(image, size))
    assert quick.shape == slow.shape
    assert np.abs(quick.astype(int) - slow)[inside].max() <= 1


@settings(deadline=None, max_examples=100)
@given(dimension, dimension, st.sampled_from([17, 64, 300]), st.integers(0, 2**32))
def test_padding_is_the_mean_after_any_change_of_colors(height, width, size, seed):
    sample, _ = augment(
        gray := np.full((height, width, 3), 200, np.uint8), faces_of([whole(gray)]), size, rng := Recorded(seed)
    )
    if rng.flipped:
        sample = cv2.flip(sample, 1)
    scale = size / max(height, width)
    assert (sample[int(height * scale) + 1 :] == MEAN_BGR).all()
    assert (sample[:, int(width * scale) + 1 :] == MEAN_BGR).all()
    content = sample[: max(1, round(height * scale)), : max(1, round(width * scale))]
    assert (content == content[0, 0, 0]).all()  # gray


def samples_of(images: list[tuple[np.ndarray, Faces]], size: int, seeds: int) -> Iterator[tuple]:
    """Yield sample and faces of each image and seed, by data.augmentation and by slow_augmentation."""
    for image, faces in images:
        for seed in range(seeds):
            quick = augment(image, faces, size, np.random.default_rng(seed))
            yield *quick, *slow_augmentation.augment(image, faces, size, np.random.default_rng(seed))


def statistics_of(sample: np.ndarray) -> dict[str, np.ndarray]:
    """Return a sample's statistics by channel of BGR and of HSV, as fractions of 255."""
    hsv = cv2.cvtColor(sample, cv2.COLOR_BGR2HSV)
    both = np.concatenate([sample, hsv[..., 1:]], axis=2).reshape(-1, 5)
    angles = hsv[..., 0].ravel() * (np.pi / 90)
    weights = hsv[..., 1].ravel() / 255
    return {
        "mean": both.mean(axis=0) / 255,
        "spread": both.std(axis=0) / 255,
        "hue": np.array([(np.cos(angles) * weights).mean(), (np.sin(angles) * weights).mean()]),
        "histogram": np.stack([np.bincount(channel >> 4, minlength=16) / len(both) for channel in both.T[:3]]),
    }


def assert_same_samples(images: list[tuple[np.ndarray, Faces]], size: int, seeds: int, limits: dict) -> None:
    """Assert that the faces are equal and the statistics of the pixels agree.

    Args:
        limits: name of a statistic -> largest difference in one sample, and in the mean of all samples.
    """
    differences = []
    for quick, quick_faces, slow, slow_faces in samples_of(images, size, seeds):
        assert_same_faces(quick_faces, slow_faces)
        one, other = statistics_of(quick), statistics_of(slow)
        differences.append({name: one[name] - other[name] for name in one})
    for name, (each, average) in limits.items():
        values = np.stack([difference[name] for difference in differences])
        assert np.abs(values).max() < each, name
        assert np.abs(values.mean(axis=0)).max() < average, name


def drawn_images() -> list[tuple[np.ndarray, Faces]]:
    rng = np.random.default_rng(0)
    images = []
    for height, width in ((180, 320), (320, 180), (200, 200), (90, 130)):
        boxes = [(30, 20, 60, 62), (70, 30, 85, 52)]
        images.append((drawn_image(height, width, rng), faces_of(boxes)))
        image = drawn_image(height, width, rng)
        images.append((image, faces_of([whole(image)])))
    return images


def test_drawn_samples_have_the_statistics_of_the_slow_augmentation():
    limits = {"mean": (3e-3, 5e-4), "spread": (2e-3, 2e-4), "hue": (3e-3, 3e-4), "histogram": (0.05, 2e-3)}
    assert_same_samples(drawn_images(), 128, 40, limits)


@pytest.mark.parametrize("size", [128, 320])
def test_real_samples_have_the_statistics_of_the_slow_augmentation(shared, size):
    # Cutting colors to 0 to 255 before an interpolation differs from cutting them after it.
    limits = {"mean": (0.03, 2e-3), "spread": (0.02, 2e-3), "hue": (0.01, 3e-4), "histogram": (0.1, 0.01)}
    assert_same_samples(real_images(shared / "faces" / "train"), size, 8, limits)
