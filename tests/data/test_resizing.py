"""The compiled loops over pixels: what they make is what OpenCV makes."""

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data import pixel_ops as kernel
from data.augmentation import CROP_SCALES, INTERPOLATIONS
from data.pixel_ops import resize
from tests.helpers.compiled import without_compiled
from tests.helpers.samples import dimension, real_images


def by_opencv(image: np.ndarray, scale: float, interpolation: int) -> np.ndarray:
    """Resize by what the compiled loops must be equal to."""
    with without_compiled("data._pixel_ops"):
        return resize(image, scale, interpolation)


def share_that_differs(image: np.ndarray, scale: float, interpolation: int) -> float:
    """Assert that resizing is OpenCV's but for values next to a half; return the share of those that are off by 1."""
    before = image.copy()
    found, expected = resize(image, scale, interpolation), by_opencv(image, scale, interpolation)
    np.testing.assert_array_equal(image, before)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    off = found != expected
    if off.any():
        unrounded = cv2.resize(image.astype(np.float32), None, fx=scale, fy=scale, interpolation=interpolation)[off]
        assert np.abs(unrounded - np.floor(unrounded) - 0.5).max() < 2e-3
        assert np.abs(unrounded - found[off]).max() < 0.502
    return off.mean()


# Area at 3/4 and 9/10 makes many halves; 1/2, 1/3, 1/7 and 1 are left to OpenCV.
AWKWARD_SCALES = (0.9, 3 / 4, 2 / 3, 1 / 2, 1 / 3, 1 / 7, 0.29, 1.0, 1.5, 2.0, 7.3)


@settings(deadline=None, max_examples=300)
@given(
    st.tuples(dimension, dimension),
    st.sampled_from(AWKWARD_SCALES) | st.floats(0.004, 4),
    st.sampled_from([2, 256]),
    st.sampled_from([cv2.INTER_AREA, cv2.INTER_LANCZOS4]),
    st.integers(0, 2**32),
)
@example((3, 2001), 0.9995, 2, cv2.INTER_AREA, 0)  # slivers of pixels, some of which OpenCV leaves out
def test_compiled_resizing_is_opencvs(shape, scale, colours, interpolation, seed):
    values = np.random.default_rng(seed).integers(0, colours, (shape[0] + 5, shape[1] + 7, 3), dtype=np.uint8)
    share_that_differs((values * (255 // (colours - 1)))[2:-3, 3:-4], scale, interpolation)


@pytest.mark.parametrize("interpolation", [cv2.INTER_AREA, cv2.INTER_LANCZOS4])
@pytest.mark.parametrize("size", [300, 513])
def test_crops_of_real_images_are_resized_as_opencv_does(shared, interpolation, size):
    shares = []
    for image, _ in real_images(shared / "faces" / "train"):
        short = min(image.shape[:2])
        for side in (int(scale * short) for scale in CROP_SCALES):
            shares.append(share_that_differs(image[-side:, 7 : 7 + side], size / side, interpolation))
        shares.append(share_that_differs(image, size / max(image.shape), interpolation))
    assert max(shares) <= 1e-3
    assert np.mean(shares) <= 1e-4


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("scale", [0.013, 0.37, 1.7])
def test_any_layout_of_a_image_is_resized(interpolation, scale):
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


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("value", [0, 1, 254, 255])
def test_one_colour_stays_that_colour(interpolation, value):
    for shape in ((1, 1), (1, 9), (3, 2), (7, 7), (8, 8), (60, 47)):
        for scale in AWKWARD_SCALES:
            assert (resize(np.full((*shape, 3), value, np.uint8), scale, interpolation) == value).all()


def test_only_what_opencv_is_slow_at_is_resized_compiled(monkeypatch):
    compiled, calls = kernel._compiled(), []

    class Counted:
        @staticmethod
        def resample(*arguments):
            calls.append(len(arguments))
            return compiled.resample(*arguments)

    monkeypatch.setattr(kernel, "_compiled", lambda: Counted)
    image = np.zeros((120, 90, 3), np.uint8)
    used = set()
    for interpolation in INTERPOLATIONS:
        for scale in (1 / 300, 1 / 3, 0.4, 1.0, 1.5):
            calls.clear()
            resize(image, scale, interpolation)
            if calls:
                used.add((interpolation, scale))
    lanczos = {(cv2.INTER_LANCZOS4, scale) for scale in (1 / 3, 0.4, 1.5)}
    assert used == lanczos | {(cv2.INTER_AREA, 0.4)}


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("channel", range(3))
def test_a_table_changes_its_channel_alone(channel):
    rng = np.random.default_rng(0)
    image, table = rng.integers(0, 256, (31, 17, 3), dtype=np.uint8), rng.integers(0, 256, 256, dtype=np.uint8)
    expected = image.copy()
    expected[..., channel] = table[image[..., channel]]
    kernel.look_up(image, channel, table)
    np.testing.assert_array_equal(image, expected)


def test_a_missing_extension_is_told_once_and_by_no_worker(capsys):
    image = np.zeros((9, 9, 3), np.uint8)
    with without_compiled("data._pixel_ops"):
        for _ in range(2):
            kernel.look_up(image, 0, np.arange(256, dtype=np.uint8))
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "build_ext --inplace" in error
    with without_compiled("data._pixel_ops"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("utils.compiled.parent_process", lambda: "a process")
        kernel.look_up(image, 0, np.arange(256, dtype=np.uint8))
        assert capsys.readouterr().err == ""
    kernel.look_up(image, 0, np.arange(256, dtype=np.uint8))
    assert kernel._compiled() and capsys.readouterr().err == ""
