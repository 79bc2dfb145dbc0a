"""Geometry of boxes, and their coding relative to prior boxes.

Boxes are x1 y1 x2 y2; priors are cx cy w h; both in the same unit, usually relative to the image's size.
The coding is that of SSD (Liu et al. 2016, section 2.2), with landmarks coded like box centers as in RetinaFace
(Deng et al. 2019, section 3).
"""

import numpy as np
import torch
from torch import Tensor


def point_form(priors: Tensor) -> Tensor:
    """Convert (..., 4) cx cy w h to x1 y1 x2 y2."""
    half = priors[..., 2:] / 2
    return torch.cat([priors[..., :2] - half, priors[..., :2] + half], dim=-1)


def center_size(boxes: Tensor) -> Tensor:
    """Convert (..., 4) x1 y1 x2 y2 to cx cy w h."""
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], dim=-1)


def encode(matched: Tensor, priors: Tensor, variances: list[float]) -> Tensor:
    """Code the box that each prior is matched with, relative to the prior.

    Args:
        matched: (..., P, 4) boxes, x1 y1 x2 y2.
        priors: (P, 4) cx cy w h.
        variances: of center and size.

    Returns:
        (..., P, 4): center offset / (variances[0] * prior size), log of the size ratio / variances[1].
    """
    boxes = center_size(matched)
    centers = (boxes[..., :2] - priors[:, :2]) / (variances[0] * priors[:, 2:])
    sizes = torch.log(boxes[..., 2:] / priors[:, 2:]) / variances[1]
    return torch.cat([centers, sizes], dim=-1)


def decode(loc: Tensor, priors: Tensor, variances: list[float]) -> Tensor:
    """Undo `encode`: (..., P, 4) codes -> (..., P, 4) boxes, x1 y1 x2 y2."""
    centers = priors[:, :2] + loc[..., :2] * variances[0] * priors[:, 2:]
    sizes = priors[:, 2:] * torch.exp(loc[..., 2:] * variances[1])
    return point_form(torch.cat([centers, sizes], dim=-1))


def encode_landm(matched: Tensor, priors: Tensor, variances: list[float]) -> Tensor:
    """Code five landmarks like box centers: (..., P, 10) x y pairs -> (..., P, 10)."""
    points = matched.unflatten(-1, (5, 2))
    return ((points - priors[:, None, :2]) / (variances[0] * priors[:, None, 2:])).flatten(-2)


def decode_landm(pre: Tensor, priors: Tensor, variances: list[float]) -> Tensor:
    """Undo `encode_landm`: (..., P, 10) codes -> (..., P, 10) x y pairs."""
    offsets = pre.unflatten(-1, (5, 2)) * variances[0] * priors[:, None, 2:]
    return (priors[:, None, :2] + offsets).flatten(-2)


def clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Clip (N, 4) pixel boxes x1 y1 x2 y2 to the image."""
    return np.clip(boxes, 0, (width, height, width, height))


def paired_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (...) the IoU of (..., 4) boxes with others, x1 y1 x2 y2, none of them empty; the shapes broadcast."""
    shared = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    intersection = shared.clip(0).prod(axis=-1)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) + (others[..., 2:] - others[..., :2]).prod(axis=-1)
    return intersection / (areas - intersection)
