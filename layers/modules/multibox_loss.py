"""The MultiBox loss of SSD with RetinaFace's landmark term."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers.matching import match
from utils.box_utils import encode, encode_landm


class MultiBoxLoss(nn.Module):
    """Box, class and landmark losses of a batch (SSD, section 2.2; RetinaFace, equation 1).

    Args:
        overlap_threshold: IoU from which a prior is positive.
        negatives_per_positive: how many of the hardest background priors of a picture are learnt for each positive.
        variances: of the box coding, for centres and sizes.
    """

    def __init__(
        self,
        overlap_threshold: float = 0.35,
        negatives_per_positive: int = 7,
        variances: tuple[float, float] = (0.1, 0.2),
    ):
        super().__init__()
        self.overlap_threshold = overlap_threshold
        self.negatives_per_positive = negatives_per_positive
        self.variances = variances

    def forward(
        self, predictions: tuple[Tensor, Tensor, Tensor], priors: Tensor, targets: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compare a batch's predictions with its faces.

        Args:
            predictions: boxes (B, P, 4), class logits (B, P, 2) and landmarks (B, P, 10), as the network gives them
                in training.
            priors: (P, 4) cx cy w h in parts of the picture's size.
            targets: per picture (N, 15): x1 y1 x2 y2, five landmarks x y, all in parts of the picture's size, and
                the label: 1 with landmarks, -1 box only. N may be 0.

        Returns:
            Scalars: smooth L1 of the boxes and cross entropy, both divided by the batch's positives, and smooth L1
            of the landmarks divided by the positives that have landmarks; each divisor is at least 1.
        """
        loc, logits, landm = predictions
        matched, positive = self._match(targets, priors)
        with_landmarks = positive & (matched[..., 14] > 0)

        # Boolean indexing picks the same priors from a prediction, its target and the prior itself.
        prior_of = priors.expand(len(targets), -1, -1)
        loc_target = encode(matched[positive][:, :4], prior_of[positive], self.variances)
        loss_loc = F.smooth_l1_loss(loc[positive], loc_target, reduction="sum")
        landm_target = encode_landm(matched[with_landmarks][:, 4:14], prior_of[with_landmarks], self.variances)
        loss_landm = F.smooth_l1_loss(landm[with_landmarks], landm_target, reduction="sum")

        cross_entropy = F.cross_entropy(logits.transpose(1, 2), positive.long(), reduction="none")
        learnt = positive | self._hardest_negatives(cross_entropy.detach(), positive)
        loss_class = cross_entropy[learnt].sum()

        positives = positive.sum().clamp(min=1)
        return loss_loc / positives, loss_class / positives, loss_landm / with_landmarks.sum().clamp(min=1)

    def _match(self, targets: list[Tensor], priors: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, P, 15) the target of each prior's face (0 where there is none) and (B, P) bool, positive."""
        matched, positives = [], []
        for target in targets:
            face, positive = match(target[:, :4], priors, self.overlap_threshold)
            # A picture without faces has no row to pick, so a row of zeros stands behind the real ones.
            matched.append(F.pad(target, (0, 0, 0, 1))[face])
            positives.append(positive)
        return torch.stack(matched), torch.stack(positives)

    def _hardest_negatives(self, cross_entropy: Tensor, positive: Tensor) -> Tensor:
        """Return (B, P) bool: per picture, the background priors of highest loss, a multiple of its positives."""
        order = cross_entropy.masked_fill(positive, 0).argsort(dim=1, descending=True)
        wanted = (self.negatives_per_positive * positive.sum(dim=1, keepdim=True)).clamp(max=positive.shape[1] - 1)
        rank = torch.arange(positive.shape[1], device=positive.device)
        return torch.zeros_like(positive).scatter(1, order, rank < wanted)
