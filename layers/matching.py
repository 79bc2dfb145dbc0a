"""Which prior box learns which face."""

import torch
from torch import Tensor
from torchvision.ops import box_iou

from utils.box_utils import point_form

# A face whose best prior overlaps it less than this has no prior that could learn it.
WORTH_LEARNING = 0.2


def match(boxes: Tensor, priors: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Match the faces of one picture with the prior boxes (SSD, section 2.2, with RetinaFace's thresholds).

    A prior is positive where its best face overlaps it by `threshold` or more; each face whose best prior overlaps
    it by 0.2 or more takes that prior too, the last face where several want the same one.

    Args:
        boxes: (N, 4) faces, x1 y1 x2 y2.
        priors: (P, 4) cx cy w h in the same unit.
        threshold: smallest IoU that makes a prior positive.

    Returns:
        face: (P,) int64, the index of the face of each prior (0 where there is none: look at `positive`).
        positive: (P,) bool.
    """
    count = len(priors)
    if len(boxes) == 0:
        nothing = torch.zeros(count, dtype=torch.int64, device=priors.device)
        return nothing, nothing.bool()
    overlaps = box_iou(boxes, point_form(priors))
    best_prior_overlap, best_prior = overlaps.max(dim=1)
    best_face_overlap, face = overlaps.max(dim=0)

    # A face too small for every prior makes nothing positive, yet it owns its best prior if another face does.
    owner = torch.full((count,), -1, dtype=torch.int64, device=priors.device)
    owner.scatter_reduce_(0, best_prior, torch.arange(len(boxes), device=priors.device), "amax")
    face = torch.where(owner >= 0, owner, face)

    learnable = best_prior_overlap >= WORTH_LEARNING
    taken = torch.zeros(count, dtype=torch.int64, device=priors.device)
    taken.scatter_reduce_(0, best_prior, learnable.long(), "amax")
    positive = ((best_face_overlap >= threshold) | taken.bool()) & learnable.any()
    return face, positive
