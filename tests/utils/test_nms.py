"""NMS keeps exactly the boxes that torchvision keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import ops

from tests.helpers.compiled import without_compiled
from utils.compiled import load_compiled
from utils.nms import WITHOUT, nms


def torchvision_nms(boxes: torch.Tensor, threshold: float) -> torch.Tensor:
    return ops.nms(boxes, torch.arange(len(boxes), 0, -1).float(), threshold)


@settings(max_examples=400, deadline=None)
@given(
    count=st.integers(0, 120),
    extent=st.sampled_from([1, 30, 1000, 1e6]),
    largest=st.sampled_from([0, 3, 50, 800, 1e6]),
    far=st.booleans(),
    whole=st.booleans(),
    threshold=st.sampled_from([0.0, 0.3, 0.4, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_nms_keeps_the_boxes_of_torchvision(count, extent, largest, far, whole, threshold, seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-extent / 10, extent, (count, 2))
    sizes = largest * rng.uniform(0, 1, (count, 2)) ** 3  # small ones and a few large ones
    boxes = np.hstack([corners, corners + sizes])
    if whole:  # equal boxes, boxes that touch, boxes of no size
        boxes = boxes.round()
    if far and count:  # as of a half-trained network
        boxes[rng.integers(count)] *= 1e9
    boxes = torch.from_numpy(boxes.astype(np.float32))
    assert torch.equal(nms(boxes, threshold), torchvision_nms(boxes, threshold))


@pytest.mark.parametrize("turned", [0, 1, 2])
def test_nms_keeps_the_boxes_of_torchvision_of_negative_sizes(turned):
    rng = np.random.default_rng(turned)
    boxes = torch.from_numpy(rng.uniform(0, 50, (200, 4)).astype(np.float32))
    if turned == 2:
        boxes = boxes.sort(dim=1, descending=True).values
    assert torch.equal(nms(boxes, 0.3), torchvision_nms(boxes, 0.3))


def test_nms_keeps_the_boxes_of_torchvision_in_a_crowd():
    rng = np.random.default_rng(0)
    centers = rng.uniform([0, 0], [1920, 1080], (400, 2)).repeat(30, axis=0) + rng.normal(0, 3, (12000, 2))
    sizes = rng.uniform(8, 60, (12000, 1))
    boxes = torch.from_numpy(np.hstack([centers - sizes, centers + sizes]).astype(np.float32))
    kept = nms(boxes, 0.4)
    assert torch.equal(kept, torchvision_nms(boxes, 0.4))
    assert 100 < len(kept) < 6000


def test_nms_without_the_extension_is_torchvisions(capsys):
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    assert load_compiled("utils._nms_loop", WITHOUT), "build the extension first: python setup.py build_ext --inplace"
    with without_compiled("utils._nms_loop"):
        assert nms(boxes, 0.4).tolist() == [0, 2]
    assert "compiled NMS is missing" in capsys.readouterr().err
