"""Average precision by the WIDER FACE protocol (Yang et al. 2016), computed from arrays in memory.

The protocol visits the detections of an image by descending score. At each of 1000 thresholds it counts the proposals
and the found faces among the detections that reach the threshold. No count depends on the order of the visits: a
detection is matched with the face of the highest IoU, regardless of earlier matches, and a face is found at a
threshold if any detection matched with it reaches that threshold. Each detection and each face therefore has a first
threshold at which it counts, and all curves are cumulative sums of histograms.

The MATLAB tools of the authors of WIDER FACE differ in one point. Their ground truth holds boxes as 32-bit integers,
and MATLAB rounds the results of integer arithmetic: every IoU becomes 0 or 1, and 1 from IoU 0.5 on. A detection is
then matched with the first face in the file that it overlaps by half, which can be another face where two faces are
close together. This changes AP on the validation set by up to 6e-5; tests/evaluation/test_scoring_loops.py reproduces
their figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.annotations import Annotation
from evaluation.detection_matching import DetectionMatches, match_detections
from evaluation.groups import FaceGroup, division_groups, subset_groups
from evaluation.metrics import (
    ExactCounts,
    OperatingPoint,
    average_precision,
    bootstrap_ap,
    exact_counts,
    precision_recall,
)
from evaluation.scoring_loops import count_by_threshold
from utils.errors import UserError

STEPS = 1000
THRESHOLDS = 1 - np.arange(1, STEPS + 1) / STEPS
MEAN_IOUS = np.linspace(0.5, 0.95, 10)
# Recall is reported at these numbers of false positives per image.
FALSE_POSITIVE_RATES = (1.0, 0.1)


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The score of a group of faces.

    Attributes:
        ap: area under the precision envelope over recall, 0..1; nan without faces.
        mean_ap: mean AP at IoU 0.50, 0.55 .. 0.95, 0..1; nan without faces.
        precision: (1000,) found / proposals at each threshold, 0 where there are no proposals.
        recall: (1000,) found / faces at each threshold, 0 without faces.
        faces: number of faces in the group.
        found: number of faces found by a detection of any score.
        found_at_best: number of faces found above the score of the main subset's best F1.
    """

    ap: float
    mean_ap: float
    precision: np.ndarray
    recall: np.ndarray
    faces: int
    found: int
    found_at_best: int


@dataclass(frozen=True, eq=False)
class SubsetResult(GroupResult):
    """The score of a subset such as easy, medium or hard.

    Attributes:
        counts: proposals and found faces at each distinct score.
        images: number of images in the set.
        samples: (resamples,) AP of as many sets drawn from the images with replacement.
    """

    counts: ExactCounts
    images: int
    samples: np.ndarray

    @cached_property
    def best(self) -> OperatingPoint | None:
        """The point with the highest F1; None if no face is found."""
        return self.counts.best_f1()

    @cached_property
    def recall_at(self) -> dict[float, float]:
        """False positives per image -> the highest recall with at most as many; nan without faces."""
        return {rate: self.counts.recall_at(rate * self.images) for rate in FALSE_POSITIVE_RATES}


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The score of a set of predictions.

    Attributes:
        iou: IoU threshold of a match, for all metrics but `mean_ap`.
        subsets: the subsets of the annotations, or "all" if they define none.
        main: the subset with the most faces, which is divided by size, height and attributes.
        groups: "size", "height" (if the size of every image is known) and each attribute that all faces have ->
            range or value -> its score.
        scores: (1000,) the thresholds of precision and recall on the scale of the predictions' scores.
        evaluated: (F,) bool, the faces of the main subset; the other ones are ignored.
        matches: the face that each detection is matched with.
    """

    iou: float
    subsets: dict[str, SubsetResult]
    main: str
    groups: dict[str, dict[str, GroupResult]]
    scores: np.ndarray
    evaluated: np.ndarray
    matches: DetectionMatches


def evaluate(
    predictions: Mapping[str, np.ndarray],
    ground_truth: Sequence[Annotation],
    iou: float = 0.5,
    resamples: int = 0,
    seed: int = 0,
) -> EvaluationResult:
    """Score the detections of a set of images.

    Args:
        predictions: image name, with or without suffix -> (N, 5) float64, x1 y1 x2 y2 score in pixels with
            x2 = x + w, in any order. Images without an entry have no detections: their faces are missed. Names
            that are not in the ground truth are skipped.
        ground_truth: the images, all with the same subsets. Background images belong here too: every detection in
            them is a false positive. A box whose attribute "crowd" is 1 is a region and not a face: an unmatched
            detection with half of its area in the region is ignored.
        iou: IoU threshold of a match, greater than 0 and at most 1.
        resamples: number of bootstrap samples of the images.
        seed: seed of these samples.

    Raises:
        UserError: iou is out of range; numbers are not finite or beyond 1e9; the predictions have an image twice, or
            none of the images.
    """
    check_iou(iou)
    matches = match_detections(predictions, ground_truth, iou)
    subsets = subset_groups(matches)
    main = max(subsets, key=lambda group: group.members.sum())
    divisions = division_groups(main, matches)
    counts = {group.name: _count_exactly(group, matches) for group in subsets}
    best = counts[main.name].best_f1()

    scores = matches.detections[:, 4]
    first_threshold = _first_threshold(normalize_scores(scores))
    found_at_best = matches.face_scores > (best.score if best else np.inf)
    results = _score_groups([*subsets, *divisions], matches, first_threshold, found_at_best, iou)
    by_kind: dict[str, dict[str, GroupResult]] = {}
    for group, result in zip(divisions, results[len(subsets) :], strict=True):
        by_kind.setdefault(group.kind, {})[group.name] = result
    return EvaluationResult(
        iou=iou,
        subsets={
            group.name: SubsetResult(
                **vars(result),
                counts=counts[group.name],
                images=len(ground_truth),
                samples=_resample(group, matches, first_threshold, resamples, seed),
            )
            for group, result in zip(subsets, results, strict=False)
        },
        main=main.name,
        groups=by_kind,
        scores=scores.min() + THRESHOLDS * (scores.max() - scores.min()) if len(scores) else np.full(STEPS, np.nan),
        evaluated=main.members,
        matches=matches,
    )


def check_iou(iou: float) -> None:
    """Raise a UserError if an IoU threshold is not greater than 0 and at most 1."""
    if not 0 < iou <= 1:
        raise UserError(f"IoU threshold (--iou): found {iou}; expected a number greater than 0, at most 1")


def normalize_scores(scores: np.ndarray) -> np.ndarray:
    """Scale the (N,) scores of a whole set to 0..1.

    If all scores are equal they become 1: every detection reaches every threshold, and the curve is a single point.
    """
    if len(scores) == 0 or scores.min() == scores.max():
        return np.ones_like(scores)
    return (scores - scores.min()) / (scores.max() - scores.min())


def _first_threshold(scores: np.ndarray) -> np.ndarray:
    """Return the (N,) indices of the first threshold that each normalized score reaches (>=)."""
    return STEPS - np.searchsorted(THRESHOLDS[::-1], scores, side="right")


def _score_groups(
    groups: list[FaceGroup],
    matches: DetectionMatches,
    first_threshold: np.ndarray,
    found_at_best: np.ndarray,
    iou: float,
) -> list[GroupResult]:
    """Score G groups, given the (D,) first threshold of each detection and the (F,) mask of found_at_best."""
    by_iou = count_by_threshold(
        STEPS,
        first_threshold,
        matches.best_face,
        matches.best_iou,
        [iou, *MEAN_IOUS],
        [group.eligible for group in groups],
        [group.members for group in groups],
    )
    faces = np.array([group.members.sum() for group in groups])
    curves = (precision_recall(p.cumsum(axis=1), f.cumsum(axis=1)[:, :-1], faces) for p, f in by_iou)
    precision, recall = next(curves)
    ap = np.where(faces > 0, average_precision(precision, recall), np.nan)
    mean_ap = np.where(faces > 0, np.mean([average_precision(*curve) for curve in curves], axis=0), np.nan)
    found = by_iou[0][1][:, :-1].sum(axis=1)
    return [
        GroupResult(
            ap=float(ap[g]),
            mean_ap=float(mean_ap[g]),
            precision=precision[g],
            recall=recall[g],
            faces=int(faces[g]),
            found=int(found[g]),
            found_at_best=int((group.members & found_at_best).sum()),
        )
        for g, group in enumerate(groups)
    ]


def _is_proposal(group: FaceGroup, matches: DetectionMatches) -> np.ndarray:
    """Return the (D,) mask of the detections that are proposals of a group."""
    mask = group.eligible.copy()
    mask[matches.matched] = group.members[matches.best_face[matches.matched]]
    return mask


def _count_exactly(group: FaceGroup, matches: DetectionMatches) -> ExactCounts:
    finds = np.zeros(len(matches.detections), bool)
    finds[matches.found_by[group.members & (matches.found_by >= 0)]] = True
    order = matches.score_order
    scores = matches.detections[order, 4]
    return exact_counts(scores, _is_proposal(group, matches)[order], finds[order], int(group.members.sum()))


def _resample(
    group: FaceGroup, matches: DetectionMatches, first_threshold: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Return the (resamples,) AP of a group in sets drawn from the images with replacement."""
    if not resamples:
        return np.empty(0)
    proposals = _is_proposal(group, matches)
    found_at = np.append(first_threshold, STEPS)[matches.found_by]
    return bootstrap_ap(
        resamples,
        seed,
        len(matches.ground_truth),
        STEPS,
        (matches.detection_images[proposals], first_threshold[proposals]),
        (matches.face_images[group.members], found_at[group.members]),
    )
