"""Match prior boxes with faces, and find the priors on ignored faces."""

from collections.abc import Sequence

import torch
from torch import Tensor

POSITIVE_IOU = 0.35  # a prior with this IoU with its best face is positive
MIN_BEST_IOU = 0.2  # a face takes its best prior from this IoU on
IGNORE_IOA = 0.5  # a prior is ignored if this share of its area is in an ignored region


def match_priors(boxes: Tensor, corners: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Match the faces of one image with the prior boxes (SSD, section 2.2, with RetinaFace's thresholds).

    A prior is positive if its best face has an IoU of `threshold` or more with it. In addition, each face takes its
    best prior if their IoU is MIN_BEST_IOU or more; if several faces have the same best prior, the last one takes it.

    Args:
        boxes: (N, 4) faces, x1 y1 x2 y2.
        corners: (4, P) rows x1, y1, x2 and y2 of the priors, in the same unit.
        threshold: smallest IoU of a positive prior with its best face.

    Returns:
        positives: (K,) int64, indices of the positive priors, ascending.
        faces: (K,) int64, index of the face that each of them is matched with.
    """
    iou = pairwise_iou(boxes, corners)
    has_prior = iou.amax(dim=1) >= MIN_BEST_IOU
    if not has_prior.any():
        empty = torch.zeros(0, dtype=torch.int64, device=corners.device)
        return empty, empty
    best_prior = iou.argmax(dim=1)
    positive = iou.amax(dim=0) >= threshold
    positive[best_prior[has_prior]] = True
    positives = positive.nonzero().squeeze(1)

    # The best face is needed for the positives alone; argmax over all priors takes as long as the IoU.
    face = torch.zeros_like(positive, dtype=torch.int64)
    face[positives] = iou.index_select(1, positives).argmax(dim=0)
    # A face below MIN_BEST_IOU makes no prior positive, but takes its best prior if another face made it positive.
    owners = torch.arange(len(boxes), device=boxes.device)
    face.scatter_reduce_(0, best_prior, owners, "amax", include_self=False)
    return positives, face[positives]


def ignored_priors(ignored: Tensor, corners: Tensor, threshold: float, positives: Tensor) -> Tensor:
    """Find the unmatched priors on ignored faces and regions, which are excluded from the loss.

    A prior is on an ignored face if their IoU is `threshold` or more, or if IGNORE_IOA of the prior is inside it.

    Args:
        ignored: (N, 4) ignored faces and regions of one image, x1 y1 x2 y2.
        corners: (4, P) rows x1, y1, x2 and y2 of the priors, in the same unit.
        threshold: smallest IoU.
        positives: (K,) int64, indices of the priors that are matched with a face.

    Returns:
        (E,) int64, indices of the ignored priors, ascending.
    """
    if len(ignored) == 0:
        return positives[:0]
    left, top, right, bottom = rows = corners.unbind()
    areas = (right - left) * (bottom - top)
    is_ignored = _intersection(ignored.T.unsqueeze(-1).unbind(), rows) >= IGNORE_IOA * areas
    is_ignored = (is_ignored | (pairwise_iou(ignored, corners) >= threshold)).any(dim=0)
    is_ignored[positives] = False
    return is_ignored.nonzero().squeeze(1)


def pairwise_iou(boxes: Tensor, corners: Tensor) -> Tensor:
    """Return the (N, P) IoU of (N, 4) boxes x1 y1 x2 y2 with boxes in (4, P) rows x1, y1, x2 and y2.

    The values equal those of torchvision.ops.box_iou. This function is five to ten times as fast, because each
    coordinate is contiguous in memory and no (N, P, 2) tensor of corners is built.
    """
    x1, y1, x2, y2 = columns = boxes.T.unsqueeze(-1).unbind()
    left, top, right, bottom = rows = corners.unbind()
    intersection = _intersection(columns, rows)
    areas = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top)
    return intersection.div_(areas.sub_(intersection))


def _intersection(boxes: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Return the (N, P) area of intersection of boxes x1, y1, x2, y2 of shapes (N, 1) and (P,)."""
    x1, y1, x2, y2 = boxes
    left, top, right, bottom = others
    width = torch.minimum(x2, right).sub_(torch.maximum(x1, left)).clamp_(min=0)
    height = torch.minimum(y2, bottom).sub_(torch.maximum(y1, top)).clamp_(min=0)
    return width.mul_(height)
