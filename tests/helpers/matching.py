"""A slow reference of the matching, and priors and faces to match."""

import numpy as np
import torch
from hypothesis import strategies as st

from data import cfg_mnet
from layers.functions.prior_box import PriorBox
from utils.box_utils import point_form

SIZE = 128
PRIORS = PriorBox(cfg_mnet, (SIZE, SIZE)).forward()
CORNERS = point_form(PRIORS).T.contiguous()

coordinates = st.integers(0, SIZE - 4)
sizes = st.integers(2, 90)


def match_by_loops(boxes: np.ndarray, priors: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Match one prior and one face at a time.

    Returns:
        (P,) index of each prior's face, and (P,) bool, whether the prior is positive.
    """

    def iou(a, b):
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        inter = np.float32(max(width, 0) * max(height, 0))
        area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
        return inter / (area - inter)

    overlaps = np.array([[iou(box, prior) for prior in priors] for box in boxes], np.float32)
    face = overlaps.argmax(axis=0)
    positive = overlaps.max(axis=0) >= threshold
    for i, row in enumerate(overlaps):
        face[row.argmax()] = i
        if row.max() >= 0.2:
            positive[row.argmax()] = True
    if overlaps.max() < 0.2:
        positive[:] = False
    return face, positive


def prior_at(index: int) -> torch.Tensor:
    """Return (1, 4) x1 y1 x2 y2 of a prior, as a face."""
    return point_form(PRIORS[index : index + 1])
