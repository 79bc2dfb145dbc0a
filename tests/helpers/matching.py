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


def random_batch(images: list[list[tuple]], priors: torch.Tensor, seed: int):
    """Predictions, and targets of the faces x, y, width, height, label of each image."""
    generator = torch.Generator().manual_seed(seed)
    predictions = tuple(2 * torch.randn(len(images), len(priors), values, generator=generator) for values in (4, 2, 10))
    targets = []
    for faces in images:
        rows = torch.rand(len(faces), 15, generator=generator)
        for row, (x, y, width, height, label) in zip(rows, faces, strict=True):
            row[:4] = torch.tensor([x, y, x + width, y + height]) / SIZE
            row[14] = label
        targets.append(rows)
    return predictions, targets


# Two large faces, one with landmarks; no face; a small face with landmarks.
MIXED = [[(30, 30, 60, 70, 1), (50, 50, 70, 70, -1)], [], [(20, 30, 16, 18, 1)]]
VARIANCES = (0.1, 0.2)
