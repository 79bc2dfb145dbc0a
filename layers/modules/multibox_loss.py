"""The MultiBox loss: SSD's (Liu et al. 2016, section 2.2) with RetinaFace's landmark term (Deng et al. 2019, eq. 1).

`MultiBoxLoss()(predictions, priors, targets)` is the whole loss. Training computes it in three steps:

1. `match` finds the prior for each face and codes the faces. It needs no predictions, so the loader's workers do it
   (engine.train.loader.MatchedCollate), and the batch holds the resulting PriorMatches instead of the targets.
2. `sums` compares the predictions with the PriorMatches on the training device: sums of losses over a batch, which add
   up over accumulated batches and over ranks (engine.train.step).
3. `divisors` turns PriorMatches.counts, summed over these batches and ranks as well, into what the sums are divided by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers.matching import POSITIVE_IOU, ignored_priors, match_priors
from utils.box_utils import decode, encode, encode_landm, point_form

BOX_LOSSES = ("smooth_l1", "giou")
USUAL_POSITIVES = 20  # of a face, whose weight is then 1; in samples of WIDER FACE the mean is 10 to 23


@dataclass
class PriorMatches:
    """Targets of the predictions for a batch of B images with P priors each.

    The host knows all shapes, so that the loss is queued on a GPU without synchronization. Positions are indices into
    the batch's B * P priors, ascending.
    """

    positives: Tensor  # (K,) int64, positions of the positive priors
    priors: Tensor  # (K, 4) float32, the positive priors, cx cy w h
    boxes: Tensor  # (K, 4) float32, coded boxes of the positives
    with_landmarks: Tensor  # (L,) int64, positions of the positives of label 1
    landmarks: Tensor  # (L, 10) float32, coded landmarks of these
    ignored: Tensor  # (E,) int64, positions of the unmatched priors on ignored faces
    hardest: Tensor  # (M,) int64, entries of the flat (B, most) table of hardest negatives that are in the loss
    most: int  # largest number of negatives of one image
    weights: Tensor | None  # (K,) float32, weights of the positives in the box and class sums; None: all 1
    counts: Tensor  # (3,) float32, for `divisors`: K, L, and the number of negatives of background images

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "PriorMatches":
        """Return a copy on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "PriorMatches":
        """Return a copy in page-locked memory; DataLoader calls this."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "PriorMatches":
        values = vars(self).items()
        return PriorMatches(**{key: change(value) if torch.is_tensor(value) else value for key, value in values})


class MultiBoxLoss(nn.Module):
    """Box, class and landmark losses of a batch; the module's docstring says how its methods fit together.

    Args:
        positive_iou: smallest IoU of a positive prior with its best face.
        negatives_per_positive: number of hard negatives of an image for each of its positives; at least 1.
        background_negatives: number of hard negatives of a background image.
        variances: of the box coding, for centers and sizes.
        box_loss: one of BOX_LOSSES.
        balance: exponent of the weight (USUAL_POSITIVES / n) ** balance of each positive of a face that has n of them:
            with 0 all positives count alike, with 1 all faces.
    """

    def __init__(
        self,
        positive_iou: float = POSITIVE_IOU,
        negatives_per_positive: int = 7,
        background_negatives: int = 0,
        variances: tuple[float, float] = (0.1, 0.2),
        box_loss: str = "smooth_l1",
        balance: float = 0.0,
    ):
        super().__init__()
        self.positive_iou = positive_iou
        self.negatives_per_positive = negatives_per_positive
        self.background_negatives = background_negatives
        self.variances = variances
        self.box_loss = box_loss
        self.balance = balance

    def forward(
        self, predictions: tuple[Tensor, Tensor, Tensor], priors: Tensor, targets: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the losses of a batch.

        Args:
            predictions: boxes (B, P, 4), class logits (B, P, 2) and landmarks (B, P, 10) of a RetinaFace of phase
                "train".
            priors: (P, 4) cx cy w h, relative to the image's size.
            targets: (N, 15) per image, N may be 0: x1 y1 x2 y2, five landmarks x y, all relative to the image's size,
                and the label: 1 with landmarks, -1 without, 0 an ignored face or region.

        Returns:
            Scalars: `box_loss` of the boxes, cross entropy of the classes, and smooth L1 of the landmarks.
        """
        matches = self.match(targets, priors)
        sums, divisors = self.sums(predictions, matches), self.divisors(matches.counts.tolist())
        return tuple(value / divisor for value, divisor in zip(sums, divisors, strict=True))

    def match(self, targets: list[Tensor], priors: Tensor, is_background: list[bool] | None = None) -> PriorMatches:
        """Match the faces of a batch with the priors, and code them.

        Args:
            targets, priors: as in `forward`.
            is_background: which images are known to have no face; None: those without targets.
        """
        if is_background is None:
            is_background = [len(target) == 0 for target in targets]
        corners = point_form(priors).T.contiguous()
        positives, faces, ignored, weights = [], [], [], []  # a tensor for each image
        for target in targets:
            kept, dropped = _split(target)
            positive, face = match_priors(kept[:, :4], corners, self.positive_iou)
            positives.append(positive)
            faces.append(kept[face])
            if self.balance:
                weights.append((USUAL_POSITIVES / face.bincount()[face]) ** self.balance)
            ignored.append(ignored_priors(dropped[:, :4], corners, self.positive_iou, positive))
        prior, face = priors[torch.cat(positives)], torch.cat(faces)
        labelled = face[:, 14] > 0

        negatives = [
            min(
                self.background_negatives if background else self.negatives_per_positive * len(positive),
                len(priors) - len(positive) - len(excluded),
            )
            for positive, excluded, background in zip(positives, ignored, is_background, strict=True)
        ]
        most = max(negatives)
        of_background = sum(n for n, background in zip(negatives, is_background, strict=True) if background)
        positions = _positions(positives, len(priors))
        with_landmarks = positions[labelled]
        return PriorMatches(
            positives=positions,
            priors=prior,
            boxes=encode(face[:, :4], prior, self.variances),
            with_landmarks=with_landmarks,
            landmarks=encode_landm(face[labelled, 4:14], prior[labelled], self.variances),
            ignored=_positions(ignored, len(priors)),
            hardest=_positions([torch.arange(n, device=priors.device) for n in negatives], most),
            most=most,
            weights=torch.cat(weights) if self.balance else None,
            counts=torch.tensor([len(positions), len(with_landmarks), of_background], device=priors.device).float(),
        )

    def sums(self, predictions: tuple[Tensor, Tensor, Tensor], matches: PriorMatches) -> tuple[Tensor, Tensor, Tensor]:
        """Sum the losses over a batch, on one device and without synchronization.

        Args:
            predictions: as in `forward`, of any floating type.
            matches: of the same images, on the same device.

        Returns:
            float32 scalars: `box_loss` of the boxes, cross entropy of the classes, smooth L1 of the landmarks. Without
            a face they are 0, and so are their gradients.
        """
        boxes, logits, landmarks = predictions
        boxes = _pick(boxes, matches.positives)
        landmarks = _pick(landmarks, matches.with_landmarks)
        logits = _pick(logits, torch.cat([matches.positives, _hardest_negatives(logits, matches)]))
        is_face = torch.arange(len(logits), device=logits.device) < len(matches.positives)
        class_losses = F.cross_entropy(logits, is_face.long(), reduction="none")
        if self.box_loss == "giou":
            box_losses = giou_loss(*(decode(each, matches.priors, self.variances) for each in (boxes, matches.boxes)))
        else:
            box_losses = F.smooth_l1_loss(boxes, matches.boxes, reduction="none").sum(dim=1)
        if matches.weights is not None:
            box_losses = box_losses * matches.weights
            class_losses = class_losses * F.pad(matches.weights, (0, len(logits) - len(boxes)), value=1.0)
        return box_losses.sum(), class_losses.sum(), F.smooth_l1_loss(landmarks, matches.landmarks, reduction="sum")

    def divisors(self, counts: Sequence[float]) -> tuple[float, float, float]:
        """Return the divisors of the box, class and landmark sums, each at least 1.

        Boxes and classes are divided by the number of positives, landmarks by the number of positives that have
        landmarks. In a batch of nearly all background images, the class sum is divided by the number of positives that
        would have as many negatives: divided by few positives, its gradients would be a hundred times as large as in
        other steps.

        Args:
            counts: PriorMatches.counts, summed over the batches and ranks of a step.
        """
        positives, with_landmarks, background = counts
        return (
            max(positives, 1.0),
            max(positives, background / self.negatives_per_positive, 1.0),
            max(with_landmarks, 1.0),
        )


def giou_loss(boxes: Tensor, faces: Tensor) -> Tensor:
    """Return 1 - generalized IoU (Rezatofighi et al. 2019, algorithm 1) of pairs of boxes.

    The values equal those of torchvision.ops.generalized_box_iou_loss, whose masks make a GPU wait.

    Args:
        boxes, faces: (K, 4) x1 y1 x2 y2, of an area above 0.

    Returns:
        (K,), 0 for equal boxes and at most 2.
    """
    (x1, y1, x2, y2), (left, top, right, bottom) = boxes.unbind(1), faces.unbind(1)
    width = (torch.minimum(x2, right) - torch.maximum(x1, left)).clamp(min=0)
    height = (torch.minimum(y2, bottom) - torch.maximum(y1, top)).clamp(min=0)
    intersection = width * height
    union = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - intersection
    hull = (torch.maximum(x2, right) - torch.minimum(x1, left)) * (torch.maximum(y2, bottom) - torch.minimum(y1, top))
    return 2 - intersection / union - union / hull


def _split(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of a target with faces to match, and those of label 0."""
    kept = target[:, 14] != 0
    return (target, target[:0]) if kept.all() else (target[kept], target[~kept])


def _positions(indices: list[Tensor], size: int) -> Tensor:
    """Return indices into each image's `size` entries as indices into the entries of the whole batch."""
    return torch.cat([each + i * size for i, each in enumerate(indices)])


def _pick(predictions: Tensor, positions: Tensor) -> Tensor:
    """Return the (K, C) float32 rows of (B, P, C) predictions at K positions."""
    return predictions.flatten(0, 1).index_select(0, positions).float()


@torch.no_grad()
def _hardest_negatives(logits: Tensor, matches: PriorMatches) -> Tensor:
    """Return (M,) int64 positions of the unmatched priors with the highest class loss of each image."""
    images, priors, _ = logits.shape
    # The cross entropy of a negative, log(1 + exp(face - background)), grows with this difference. Values that are not
    # finite come first, so that the loss is not finite either.
    difference = (logits[..., 1].float() - logits[..., 0].float()).nan_to_num(nan=torch.inf, neginf=torch.inf)
    difference = difference.flatten().index_fill_(0, matches.positives, -torch.inf)
    if len(matches.ignored):
        difference.index_fill_(0, matches.ignored, -torch.inf)
    hardest = difference.view(images, priors).topk(matches.most).indices
    hardest += priors * torch.arange(images, device=hardest.device).unsqueeze(1)
    return hardest.flatten().index_select(0, matches.hardest)
