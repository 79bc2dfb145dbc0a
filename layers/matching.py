"""Which prior box learns which face, and which learns nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor

# A face whose best prior overlaps it less than this has no prior that could learn it.
MIN_BEST_IOU = 0.2
POSITIVE_IOU = 0.35  # of a positive prior with its face
# A prior of which this part lies in a region that does not count cannot tell what it sees.
IGNORE_IOA = 0.5


def match(boxes: Tensor, corners: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Match the faces of one image with the prior boxes (SSD, section 2.2, with RetinaFace's thresholds).

    A prior is positive where its best face overlaps it by `threshold` or more; each face whose best prior overlaps
    it by 0.2 or more takes that prior too, the last face where several want the same one.

    Args:
        boxes: (N, 4) faces, x1 y1 x2 y2.
        corners: (4, P) rows x1, y1, x2 and y2 of the priors, in the same unit.
        threshold: smallest IoU that makes a prior positive.

    Returns:
        positives: (K,) int64, the indices of the positive priors, ascending.
        faces: (K,) int64, the index of the face that each of them learns.
    """
    overlaps = pairwise_iou(boxes, corners)
    learnable = overlaps.amax(dim=1) >= MIN_BEST_IOU
    if not learnable.any():
        nothing = torch.zeros(0, dtype=torch.int64, device=corners.device)
        return nothing, nothing
    best_prior = overlaps.argmax(dim=1)
    positive = overlaps.amax(dim=0) >= threshold
    positive[best_prior[learnable]] = True
    positives = positive.nonzero().squeeze(1)

    # The best face is looked up for the positives alone: over all priors argmax takes as long as the overlaps.
    face = torch.zeros_like(positive, dtype=torch.int64)
    face[positives] = overlaps.index_select(1, positives).argmax(dim=0)
    # A face too small for every prior makes nothing positive, yet it owns its best prior if another face does.
    owners = torch.arange(len(boxes), device=boxes.device)
    face.scatter_reduce_(0, best_prior, owners, "amax", include_self=False)
    return positives, face[positives]


def ignored_priors(ignored: Tensor, corners: Tensor, threshold: float, positives: Tensor) -> Tensor:
    """Find the prior boxes that learn nothing: they see a face that does not count, or a crowd of such, and no other.

    A prior sees it where their IoU is `threshold` or more, or where half of the prior or more lies in it.

    Args:
        ignored: (N, 4) the faces of one image that do not count, x1 y1 x2 y2.
        corners: (4, P) rows x1, y1, x2 and y2 of the priors, in the same unit.
        positives: (K,) int64, the priors that learn a face.

    Returns:
        (E,) int64, the indices of the priors, ascending.
    """
    if len(ignored) == 0:
        return positives[:0]
    left, top, right, bottom = rows = corners.unbind()
    areas = (right - left) * (bottom - top)
    sees = _intersection(ignored.T.unsqueeze(-1).unbind(), rows) >= IGNORE_IOA * areas
    sees = (sees | (pairwise_iou(ignored, corners) >= threshold)).any(dim=0)
    sees[positives] = False
    return sees.nonzero().squeeze(1)


def pairwise_iou(boxes: Tensor, corners: Tensor) -> Tensor:
    """Return (N, P) the IoU of (N, 4) boxes x1 y1 x2 y2 with boxes in (4, P) rows x1, y1, x2 and y2.

    It gives what torchvision.ops.box_iou gives, five to ten times as fast: each coordinate lies in one piece of
    memory, and no table of N x P pairs of coordinates is built.
    """
    x1, y1, x2, y2 = columns = boxes.T.unsqueeze(-1).unbind()
    left, top, right, bottom = rows = corners.unbind()
    intersection = _intersection(columns, rows)
    areas = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top)
    return intersection.div_(areas.sub_(intersection))


def _intersection(boxes: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Return (N, P) the area that boxes have in common with others: x1, y1, x2, y2 of shape (N, 1) and (P,)."""
    x1, y1, x2, y2 = boxes
    left, top, right, bottom = others
    width = torch.minimum(x2, right).sub_(torch.maximum(x1, left)).clamp_(min=0)
    height = torch.minimum(y2, bottom).sub_(torch.maximum(y1, top)).clamp_(min=0)
    return width.mul_(height)
