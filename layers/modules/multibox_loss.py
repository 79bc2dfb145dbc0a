"""The MultiBox loss of SSD with RetinaFace's landmark term."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers.matching import POSITIVE_IOU, ignored_priors, match
from utils.box_utils import encode, encode_landm, point_form


@dataclass
class Matches:
    """What the predictions of a batch of B images with P priors each are compared with.

    Every size in it is known on the host, so that the loss can be queued on a GPU without waiting for one.
    """

    positives: Tensor  # (K,) int64, positions of the positive priors among the batch's B * P, ascending
    boxes: Tensor  # (K, 4) float32, the coded box that each of them learns
    with_landmarks: Tensor  # (L,) int64, positions of the positives of label 1 among the batch's B * P
    landmarks: Tensor  # (L, 10) float32, the coded landmarks that each of those learns
    left_out: Tensor  # (E,) int64, positions of the priors that learn nothing, for they see a face that does not count
    hardest: Tensor  # (M,) int64, the learnt entries of the flat (B, most) table of each image's hardest negatives
    most: int  # the largest number of negatives learnt in one image
    counts: Tensor  # (3,) float32, K, L and the negatives learnt in images without a face, for `divisors`

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Matches":
        """Return the same on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Matches":
        """Return the same in page-locked memory; torch's DataLoader calls this."""
        return self._map(Tensor.pin_memory)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Matches":
        return Matches(**{key: change(value) if torch.is_tensor(value) else value for key, value in vars(self).items()})


class MultiBoxLoss(nn.Module):
    """Box, class and landmark losses of a batch (SSD, section 2.2; RetinaFace, equation 1).

    It comes in two halves: `match` needs the targets alone, so a loader's workers can do it, and `sums` compares
    the predictions with what that gave. Calling the loss does both.

    Args:
        overlap_threshold: IoU from which a prior is positive.
        negatives_per_positive: how many of the hardest background priors of an image are learnt for each positive;
            at least 1.
        faceless_negatives: how many of them are learnt of an image in which there is no face.
        variances: of the box coding, for centres and sizes.
    """

    def __init__(
        self,
        overlap_threshold: float = POSITIVE_IOU,
        negatives_per_positive: int = 7,
        faceless_negatives: int = 0,
        variances: tuple[float, float] = (0.1, 0.2),
    ):
        super().__init__()
        self.overlap_threshold = overlap_threshold
        self.negatives_per_positive = negatives_per_positive
        self.faceless_negatives = faceless_negatives
        self.variances = variances

    def forward(
        self, predictions: tuple[Tensor, Tensor, Tensor], priors: Tensor, targets: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compare a batch's predictions with its faces.

        Args:
            predictions: boxes (B, P, 4), class logits (B, P, 2) and landmarks (B, P, 10), as the network gives them
                in training.
            priors: (P, 4) cx cy w h in parts of the image's size.
            targets: per image (N, 15): x1 y1 x2 y2, five landmarks x y, all in parts of the image's size, and
                the label: 1 with landmarks, -1 box only, 0 a face that does not count, or a region of such ones: what
                sees it is learnt neither as a face nor as background. N may be 0.

        Returns:
            Scalars: smooth L1 of the boxes, cross entropy, and smooth L1 of the landmarks; see `divisors`.
        """
        matches = self.match(targets, priors)
        sums, divisors = self.sums(predictions, matches), self.divisors(matches.counts.tolist())
        return tuple(value / divisor for value, divisor in zip(sums, divisors, strict=True))

    def divisors(self, counts: Sequence[float]) -> tuple[float, float, float]:
        """Return what the box, class and landmark sums are divided by.

        These are the positives, again the positives, and those of them that have landmarks, each at least 1. Where
        nearly all images of a batch are without faces, the class sum's is the number of positives that would have
        had as many negatives: divided by the few positives, or by 1, it would give gradients a hundred times as large
        as those of other steps.

        Args:
            counts: of a Matches, or the sums of those of all parts of a batch.
        """
        positives, with_landmarks, background = counts
        return (
            max(positives, 1.0),
            max(positives, background / self.negatives_per_positive, 1.0),
            max(with_landmarks, 1.0),
        )

    def match(self, targets: list[Tensor], priors: Tensor, background: list[bool] | None = None) -> Matches:
        """Find and code what each prior of a batch learns; `targets` and `priors` as for the whole loss.

        Args:
            faceless: which images have no face in them, as opposed to none that can be learnt; None: those without
                targets.
        """
        if background is None:
            background = [len(target) == 0 for target in targets]
        corners = point_form(priors).T.contiguous()
        found, faces, left_out = [], [], []
        for target in targets:
            learnt, ignored = _split(target)
            positive, face = match(learnt[:, :4], corners, self.overlap_threshold)
            found.append(positive)
            faces.append(learnt[face])
            left_out.append(ignored_priors(ignored[:, :4], corners, self.overlap_threshold, positive))
        positives, nothing = (
            torch.cat([indices + i * len(priors) for i, indices in enumerate(each)]) for each in (found, left_out)
        )
        prior, face = priors[torch.cat(found)], torch.cat(faces)
        labelled = face[:, 14] > 0

        negatives = [
            min(
                self.faceless_negatives if none else self.negatives_per_positive * len(positive),
                len(priors) - len(positive) - len(out),
            )
            for positive, out, none in zip(found, left_out, background, strict=True)
        ]
        most = max(negatives)
        of_faceless = sum(n for n, none in zip(negatives, background, strict=True) if none)
        hardest = torch.cat([torch.arange(n, device=priors.device) + i * most for i, n in enumerate(negatives)])
        with_landmarks = positives[labelled]
        return Matches(
            positives=positives,
            boxes=encode(face[:, :4], prior, self.variances),
            with_landmarks=with_landmarks,
            landmarks=encode_landm(face[labelled, 4:14], prior[labelled], self.variances),
            left_out=nothing,
            hardest=hardest,
            most=most,
            counts=torch.tensor([len(positives), len(with_landmarks), of_faceless], device=priors.device).float(),
        )

    def sums(self, predictions: tuple[Tensor, Tensor, Tensor], matches: Matches) -> tuple[Tensor, Tensor, Tensor]:
        """Compare a batch's predictions with its matches, on one device and without waiting for it.

        Args:
            predictions: boxes (B, P, 4), class logits (B, P, 2) and landmarks (B, P, 10) of any floating type.
            matches: of the same images.

        Returns:
            float32 scalars, sums over the batch: smooth L1 of the boxes, cross entropy, smooth L1 of the landmarks.
            They add up over the parts of a batch; without a face they are 0 and so are their gradients.
        """
        boxes, logits, landmarks = predictions
        boxes = _pick(boxes, matches.positives)
        landmarks = _pick(landmarks, matches.with_landmarks)
        logits = _pick(logits, torch.cat([matches.positives, _hardest_negatives(logits, matches)]))
        is_face = torch.arange(len(logits), device=logits.device) < len(matches.positives)
        return (
            F.smooth_l1_loss(boxes, matches.boxes, reduction="sum"),
            F.cross_entropy(logits, is_face.long(), reduction="sum"),
            F.smooth_l1_loss(landmarks, matches.landmarks, reduction="sum"),
        )


def _split(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of a target that count, and those of label 0."""
    counts = target[:, 14] != 0
    return (target, target[:0]) if counts.all() else (target[counts], target[~counts])


def _pick(predictions: Tensor, positions: Tensor) -> Tensor:
    """Return (K, C) float32: the rows of (B, P, C) predictions at K positions among B * P."""
    return predictions.flatten(0, 1).index_select(0, positions).float()


@torch.no_grad()
def _hardest_negatives(logits: Tensor, matches: Matches) -> Tensor:
    """Return (M,) int64, positions among B * P: the background priors of highest loss, per image."""
    images, priors, _ = logits.shape
    # A background prior's cross entropy, log(1 + exp(face - background)), grows with that difference. What is not
    # finite goes first, so that it is learnt and the loss shows it.
    difference = (logits[..., 1].float() - logits[..., 0].float()).nan_to_num(nan=torch.inf, neginf=torch.inf)
    difference = difference.flatten().index_fill_(0, matches.positives, -torch.inf)
    if len(matches.left_out):
        difference.index_fill_(0, matches.left_out, -torch.inf)
    hardest = difference.view(images, priors).topk(matches.most).indices
    hardest += priors * torch.arange(images, device=hardest.device).unsqueeze(1)
    return hardest.flatten().index_select(0, matches.hardest)
