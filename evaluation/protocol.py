"""Average precision by the protocol of WIDER FACE (Yang et al. 2016), from arrays in memory.

The protocol visits the detections of an image by descending score and counts, at each of 1000 thresholds,
the proposals and the found faces among those that reach it. No count depends on the visit's order: a
detection is matched with the face that it overlaps most whatever was matched before, and a face is found at a
threshold if any detection matched with it reaches that threshold. So each detection and each face gets the first
threshold at which it counts, and all curves are running sums of histograms.

The MATLAB tools of WIDER FACE's authors differ in one thing. Their ground truth holds boxes as 32-bit integers, and
MATLAB rounds what it computes with integers: every overlap becomes 0 or 1, 1 from IoU 0.5 on. The face that a
detection overlaps "most" is then the first one in the file that it overlaps by half, and where two faces are that
close together it is another one now and then. That moves AP on the validation set by up to 6e-5;
tests/test_evaluation.py reproduces their figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations import Annotation
from evaluation.detection_matching import Matches, match
from evaluation.groups import Group, divisions_of, subsets_of
from evaluation.kernel import count_by_threshold
from evaluation.metrics import (
    ExactCounts,
    OperatingPoint,
    average_precision,
    bootstrap,
    exact_counts,
    precision_recall,
)
from utils.errors import UserError

STEPS = 1000
THRESHOLDS = 1 - np.arange(1, STEPS + 1) / STEPS
MEAN_IOUS = np.linspace(0.5, 0.95, 10)
# Rates of false positives an image at which recall is given.
FALSE_POSITIVE_RATES = (1.0, 0.1)


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The score of a group of faces.

    Attributes:
        ap: area under the precision envelope over recall, 0..1; nan where no face counts.
        mean_ap: the mean of that at IoU 0.50, 0.55 .. 0.95, 0..1; nan likewise.
        precision: (1000,) found / proposals at each threshold, 0 where there are no proposals.
        recall: (1000,) found / faces that count, 0 where there are none.
        faces: number of faces that count.
        found: number of them that are found by any detection, whatever its score.
        found_at_best: number of them that are found over the score of the main subset's best F1.
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
    """The score of a subset, as easy, medium and hard are.

    Attributes:
        recall_at: false positives an image -> the highest recall with no more of them; nan where no face counts.
        best: the point of the highest F1; None where nothing is found.
        samples: (resamples,) AP of as many sets drawn from the images with replacement.
    """

    recall_at: dict[float, float]
    best: OperatingPoint | None
    samples: np.ndarray


@dataclass(frozen=True, eq=False)
class Result:
    """The score of a set of predictions.

    Attributes:
        iou: smallest overlap of a detection with its face, in all but `mean_ap`.
        subsets: those of the annotations, or "all" where they define none.
        main: the subset with the most faces, which sizes, heights and attributes divide.
        groups: "size", "height" (if the size of every image is known) and each attribute that all faces have ->
            range or value -> its score.
        scores: (1000,) what the thresholds of precision and recall are among the scores of the predictions.
        counts: (F,) bool, the faces of the main subset.
        matches: which detection is on which face.
    """

    iou: float
    subsets: dict[str, SubsetResult]
    main: str
    groups: dict[str, dict[str, GroupResult]]
    scores: np.ndarray
    counts: np.ndarray
    matches: Matches


def evaluate(
    predictions: Mapping[str, np.ndarray],
    ground_truth: Sequence[Annotation],
    iou: float = 0.5,
    resamples: int = 0,
    seed: int = 0,
) -> Result:
    """Score the detections of a set of images.

    Args:
        predictions: image's name, with or without its suffix -> (N, 5) float64, x1 y1 x2 y2 score in pixels with
            x2 = x + w, in any order. Images without an entry have no detections: their faces are missed. Names
            that are not in the ground truth are not looked at.
        ground_truth: the images, all with the same subsets. An image without faces belongs here too:
            whatever was detected in it is a false positive. A box whose attribute "crowd" is 1 is a region and no
            face: a detection on no face is void if half of it lies in such a region.
        iou: smallest overlap of a detection with its face, over 0 and up to 1.
        resamples: number of bootstrap samples of the images.
        seed: of these samples.

    Raises:
        UserError: iou is outside its range; numbers that are not finite or beyond 1e9; predictions of an image twice,
            or of none of the images.
    """
    check_iou(iou)
    matches = match(predictions, ground_truth, iou)
    subsets = subsets_of(matches)
    main = max(subsets, key=lambda group: group.counts.sum())
    divisions = divisions_of(main, matches)
    rankings = {group.name: _ranking(group, matches) for group in subsets}
    best = rankings[main.name].best_f1()

    scores = matches.detections[:, 4]
    reached_at = _first_threshold(normalise(scores))
    found_at_best = matches.face_scores > (best.score if best else np.inf)
    results = _score([*subsets, *divisions], matches, reached_at, found_at_best, iou)
    by_kind: dict[str, dict[str, GroupResult]] = {}
    for group, result in zip(divisions, results[len(subsets) :], strict=True):
        by_kind.setdefault(group.kind, {})[group.name] = result
    return Result(
        iou=iou,
        subsets={
            group.name: SubsetResult(
                **vars(result),
                recall_at={
                    rate: rankings[group.name].recall_at(rate * len(ground_truth)) for rate in FALSE_POSITIVE_RATES
                },
                best=rankings[group.name].best_f1(),
                samples=_resample(group, matches, reached_at, resamples, seed),
            )
            for group, result in zip(subsets, results, strict=False)
        },
        main=main.name,
        groups=by_kind,
        scores=scores.min() + THRESHOLDS * (scores.max() - scores.min()) if len(scores) else np.full(STEPS, np.nan),
        counts=main.counts,
        matches=matches,
    )


def check_iou(iou: float) -> None:
    """Raise a UserError where an overlap is not over 0 and up to 1."""
    if not 0 < iou <= 1:
        raise UserError(f"IoU threshold (--iou): found {iou}; expected a number over 0 and up to 1")


def normalise(scores: np.ndarray) -> np.ndarray:
    """Stretch the (N,) scores of a whole set to 0..1.

    Where all are equal there is no range to stretch; they become 1, so that all count at every threshold and
    the curve is the single point that such a detector has.
    """
    if len(scores) == 0 or scores.min() == scores.max():
        return np.ones_like(scores)
    return (scores - scores.min()) / (scores.max() - scores.min())


def _first_threshold(scores: np.ndarray) -> np.ndarray:
    """Return the (N,) indices of the first threshold that each normalised score reaches (>=)."""
    return STEPS - np.searchsorted(THRESHOLDS[::-1], scores, side="right")


def _score(
    groups: list[Group], matches: Matches, reached_at: np.ndarray, found_at_best: np.ndarray, iou: float
) -> list[GroupResult]:
    """Score G groups; reached_at is (D,), the first threshold of each detection, found_at_best (F,) bool."""
    by_iou = count_by_threshold(
        STEPS,
        reached_at,
        matches.face,
        matches.overlap,
        [iou, *MEAN_IOUS],
        [group.proposes for group in groups],
        [group.counts for group in groups],
    )
    faces = np.array([group.counts.sum() for group in groups])
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
            found_at_best=int((group.counts & found_at_best).sum()),
        )
        for g, group in enumerate(groups)
    ]


def _proposed(group: Group, matches: Matches) -> np.ndarray:
    """Return the (D,) bool of the detections that are proposals of a group."""
    proposed = group.proposes.copy()
    proposed[matches.matched] = group.counts[matches.face[matches.matched]]
    return proposed


def _ranking(group: Group, matches: Matches) -> ExactCounts:
    finds = np.zeros(len(matches.detections), bool)
    finds[matches.found_by[group.counts & (matches.found_by >= 0)]] = True
    by_score = matches.order
    scores = matches.detections[by_score, 4]
    return exact_counts(scores, _proposed(group, matches)[by_score], finds[by_score], int(group.counts.sum()))


def _resample(group: Group, matches: Matches, reached_at: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return the (resamples,) AP of a group in sets drawn from the images with replacement."""
    if not resamples:
        return np.empty(0)
    proposed = _proposed(group, matches)
    found_at = np.append(reached_at, STEPS)[matches.found_by]
    return bootstrap(
        resamples,
        seed,
        len(matches.ground_truth),
        STEPS,
        (matches.detection_images[proposed], reached_at[proposed]),
        (matches.face_images[group.counts], found_at[group.counts]),
    )
