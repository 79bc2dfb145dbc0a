"""Resizing and look-up tables of the augmentation."""

import cv2
import numpy as np
import pytest

from data.augmentation import IDENTITY, INTERPOLATIONS, ColorChange, change_colors, resize

SCALES = (0.9, 3 / 4, 2 / 3, 1 / 2, 1 / 3, 1 / 7, 0.29, 1.0, 1.5, 2.0, 7.3)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("scale", [0.013, 0.37, 1.7])
def test_resizing_takes_any_memory_layout_and_leaves_its_input(interpolation, scale):
    image = np.random.default_rng(0).integers(0, 256, (90, 121, 3), dtype=np.uint8)
    expected = resize(image, scale, interpolation)
    turned = np.ascontiguousarray(image.transpose(1, 0, 2)).transpose(1, 0, 2)
    backwards, upside_down = np.ascontiguousarray(image[:, ::-1])[:, ::-1], np.ascontiguousarray(image[::-1])[::-1]
    wide = np.zeros((90, 121, 4), np.uint8)
    wide[..., :3] = image
    for view in (turned, backwards, upside_down, wide[..., :3]):
        np.testing.assert_array_equal(resize(view, scale, interpolation), expected)
    image.flags.writeable = False
    np.testing.assert_array_equal(resize(image, scale, interpolation), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("value", [0, 1, 254, 255])
def test_resizing_keeps_a_uniform_color_and_scales_the_size(interpolation, value):
    for shape in ((1, 1), (1, 9), (3, 2), (7, 7), (8, 8), (60, 47)):
        for scale in SCALES:
            resized = resize(np.full((*shape, 3), value, np.uint8), scale, interpolation)
            assert resized.shape == (*(max(1, round(length * scale)) for length in shape), 3)
            assert resized.dtype == np.uint8 and (resized == value).all()


@pytest.mark.parametrize("channel", [0, 1])
def test_a_table_of_hue_or_saturation_changes_its_channel_only(channel):
    rng = np.random.default_rng(0)
    image, table = rng.integers(0, 256, (31, 17, 3), dtype=np.uint8), rng.integers(0, 180, 256, dtype=np.uint8)
    expected = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    expected[..., channel] = table[expected[..., channel]]
    tables = [table if channel == each else IDENTITY for each in range(2)]
    changed = change_colors(image, ColorChange(IDENTITY, *tables, IDENTITY))
    np.testing.assert_array_equal(changed, cv2.cvtColor(expected, cv2.COLOR_HSV2BGR))
