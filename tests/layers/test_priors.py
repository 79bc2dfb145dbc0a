"""Prior boxes equal the reference and plain loops."""

import json
from itertools import product
from math import ceil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import cfg_mnet
from layers.functions.prior_box import PriorBox


def test_priors_equal_the_reference(shared):
    reference = json.loads((shared / "reference" / "priors.json").read_text())
    assert len(reference) == 4
    for size, expected in reference.items():
        priors = PriorBox(cfg_mnet, image_size=tuple(map(int, size.split("x")))).forward()
        assert len(priors) == expected["count"]
        first, last = torch.tensor(expected["first"]), torch.tensor(expected["last"])
        torch.testing.assert_close(priors[: len(first)], first, rtol=0, atol=1e-6)
        torch.testing.assert_close(priors[-len(last) :], last, rtol=0, atol=1e-6)
        mean_error = (priors.double().sum(0) - torch.tensor(expected["sum"], dtype=torch.float64)) / len(priors)
        assert mean_error.abs().max() < 1e-6


def priors_by_loops(cfg: dict, height: int, width: int, clip: bool) -> list[list[float]]:
    priors = []
    for sizes, step in zip(cfg["min_sizes"], cfg["steps"], strict=True):
        for row, column in product(range(ceil(height / step)), range(ceil(width / step))):
            for size in sizes:
                prior = [(column + 0.5) * step / width, (row + 0.5) * step / height, size / width, size / height]
                priors.append([min(max(value, 0.0), 1.0) for value in prior] if clip else prior)
    return priors


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 200), st.integers(1, 200), st.booleans())
def test_priors_equal_plain_loops(height, width, clip):
    priors = PriorBox({**cfg_mnet, "clip": clip}, image_size=(height, width)).forward()
    expected = torch.tensor(priors_by_loops(cfg_mnet, height, width, clip))
    torch.testing.assert_close(priors, expected, rtol=1e-6, atol=1e-6)


def test_priors_are_built_once_for_a_size():
    assert PriorBox(cfg_mnet, (64, 96)).forward() is PriorBox(dict(cfg_mnet), (64, 96)).forward()


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_priors_distinguish_height_and_width(size):
    assert PriorBox(cfg_mnet, size).forward()[0, 2] == pytest.approx(16 / size[1])
