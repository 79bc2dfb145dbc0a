"""Geometry and coding of boxes."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.box_utils import center_size, clip_boxes, decode, decode_landm, encode, encode_landm, point_form

VARIANCES = [0.1, 0.2]
positive = st.floats(0.01, 1)
rows = st.lists(st.tuples(positive, positive, positive, positive), min_size=1, max_size=8)


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@settings(deadline=None)
@given(rows, rows)
def test_decode_undoes_encode(boxes, priors):
    count = min(len(boxes), len(priors))
    boxes, priors = point_form(tensor(boxes[:count])), tensor(priors[:count])
    torch.testing.assert_close(decode(encode(boxes, priors, VARIANCES), priors, VARIANCES), boxes)


@settings(deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=10, max_size=10), st.tuples(positive, positive, positive, positive))
def test_decode_landm_undoes_encode_landm(points, prior):
    points, priors = tensor([points]), tensor([prior])
    torch.testing.assert_close(decode_landm(encode_landm(points, priors, VARIANCES), priors, VARIANCES), points)


@settings(deadline=None)
@given(rows)
def test_center_size_undoes_point_form(boxes):
    torch.testing.assert_close(center_size(point_form(tensor(boxes))), tensor(boxes))


def test_encode_is_the_formula_of_the_paper():
    code = encode(tensor([[0.2, 0.2, 0.6, 0.4]]), tensor([[0.5, 0.5, 0.2, 0.4]]), VARIANCES)
    expected = [(0.4 - 0.5) / (0.1 * 0.2), (0.3 - 0.5) / (0.1 * 0.4), np.log(0.4 / 0.2) / 0.2, np.log(0.2 / 0.4) / 0.2]
    torch.testing.assert_close(code, tensor([expected]))


def test_clip_boxes_uses_width_for_x_and_height_for_y():
    clipped = clip_boxes(np.array([[-5.0, -6.0, 500.0, 500.0]]), width=30, height=20)
    assert clipped.tolist() == [[0, 0, 30, 20]]
