"""The errors of a detector at one score threshold: missed faces and false positives, with their reasons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations.record import box_sides
from evaluation.detection_matching import DetectionMatches, order_by_score
from evaluation.groups import SIZES
from evaluation.protocol import EvaluationResult
from evaluation.scoring_loops import match_by_iou

# A face is missed because its detection is below the threshold, because an unmatched detection overlaps it by too
# little, or because there is neither.
MISS_REASONS = ("scored too low", "badly placed", "not detected")
FALSE_POSITIVE_KINDS = ("no face here", "badly placed", "second box on a face")
# Below this IoU a detection is not an attempt at a face: neighbors in a row overlap as much.
MIN_ATTEMPT_IOU = 0.1
# The median offset of fewer boxes says little about the detector.
MIN_BOXES_FOR_OFFSET = 20


@dataclass(frozen=True, eq=False)
class ErrorAnalysis:
    """The outcome of F faces and D detections if only the detections above one score are kept.

    Attributes:
        matches: the faces and detections.
        threshold: the score; -inf keeps all detections.
        evaluated: (F,) bool, the faces that are not ignored.
        found: (F,) bool, the evaluated faces that are found.
        miss_reason: (F,) int64, index in MISS_REASONS; -1 if the face is found or ignored.
        nearest: (F,) int64, the detection nearest to finding a missed face: its matched detection with the highest
            score, or else the unmatched detection with the highest IoU of at least MIN_ATTEMPT_IOU; -1 if none.
        nearest_iou: (F,) float64, IoU with that detection, 0 if none.
        false_positive_kind: (D,) int64, index in FALSE_POSITIVE_KINDS; -1 if the detection finds a face, is ignored
            or is below the threshold.
    """

    matches: DetectionMatches
    threshold: float
    evaluated: np.ndarray
    found: np.ndarray
    miss_reason: np.ndarray
    nearest: np.ndarray
    nearest_iou: np.ndarray
    false_positive_kind: np.ndarray

    @property
    def missed(self) -> np.ndarray:
        """(F,) bool, the missed faces."""
        return self.miss_reason >= 0

    @property
    def false_positive(self) -> np.ndarray:
        """(D,) bool, the false positives."""
        return self.false_positive_kind >= 0


@dataclass(frozen=True)
class DetectorError:
    """A missed face or a false positive.

    Attributes:
        row: index of the face among the faces, or of the detection among the detections.
        name: name of the image.
        box: box of the face or false positive, x1 y1 x2 y2 in pixels.
        kind: one of MISS_REASONS or FALSE_POSITIVE_KINDS.
        score: score of the false positive, or of the detection nearest to finding the face; None if there is none.
        other: box that explains the error, x1 y1 x2 y2: that detection, or the face that a false positive overlaps;
            None if there is none.
        iou: IoU of both boxes, 0 if there is no other one.
    """

    row: int
    name: str
    box: tuple[float, ...]
    kind: str
    score: float | None
    other: tuple[float, ...] | None
    iou: float

    @property
    def side(self) -> float:
        """Square root of the box's area, in pixels."""
        return float(box_sides(np.array([self.box]))[0])


@dataclass(frozen=True)
class ImageErrors:
    """The number of errors in one image.

    Attributes:
        image: index in the ground truth.
        name: name of the image.
        faces: number of faces, without ignored ones.
        missed: number of missed faces.
        false_positives: number of false positives.
    """

    image: int
    name: str
    faces: int
    missed: int
    false_positives: int


def analyze_errors(result: EvaluationResult, threshold: float | None = None) -> ErrorAnalysis:
    """Classify each face of the main subset and each detection.

    Args:
        result: the score of a set of predictions.
        threshold: keep the detections above this score; None: the score of the main subset's best F1, or all
            detections if no face is found.
    """
    if threshold is None:
        best = result.subsets[result.main].best
        threshold = best.score if best else -np.inf
    matches = result.matches
    found = result.evaluated & (matches.face_scores > threshold)
    missed = result.evaluated & ~found
    nearest, nearest_iou = _nearest_detections(matches, missed)
    reason = np.where(matches.found_by >= 0, 0, np.where(nearest >= 0, 1, 2))
    kind = np.select([matches.matched, matches.best_iou < MIN_ATTEMPT_IOU], [2, 0], 1)
    wrong = _finds_no_face(result) & (matches.detections[:, 4] > threshold)
    return ErrorAnalysis(
        matches=matches,
        threshold=threshold,
        evaluated=result.evaluated,
        found=found,
        miss_reason=np.where(missed, reason, -1),
        nearest=nearest,
        nearest_iou=nearest_iou,
        false_positive_kind=np.where(wrong, kind, -1),
    )


def largest_missed_faces(analysis: ErrorAnalysis, limit: int, among: np.ndarray | None = None) -> list[DetectorError]:
    """Return up to `limit` missed faces, the largest first.

    Args:
        analysis: errors of one detector.
        limit: maximum number of faces.
        among: (F,) mask of the faces to select from; None: all. The `found` of another detector on the same ground
            truth selects the faces that only that one finds.
    """
    matches = analysis.matches
    rows = np.flatnonzero(analysis.missed & (True if among is None else among))
    rows = rows[np.argsort(-box_sides(matches.faces[rows]), kind="stable")[:limit]]
    return [_missed_face(analysis, row) for row in rows]


def top_false_positives(analysis: ErrorAnalysis, limit: int) -> list[DetectorError]:
    """Return up to `limit` false positives, the highest score first."""
    matches = analysis.matches
    rows = np.flatnonzero(analysis.false_positive)
    rows = rows[order_by_score(matches.detections[rows], matches.detection_images[rows])][:limit]
    return [_false_positive(analysis, row) for row in rows]


def missed_by_reason(analysis: ErrorAnalysis) -> dict[str, int]:
    """Return the number of missed faces for each of MISS_REASONS."""
    return _count(MISS_REASONS, analysis.miss_reason)


def missed_by_size(analysis: ErrorAnalysis) -> dict[str, int]:
    """Return the number of missed faces for each of `groups.SIZES`."""
    sides = box_sides(analysis.matches.faces[analysis.missed])
    return _count(tuple(SIZES), np.searchsorted(list(SIZES.values()), sides, side="right") - 1)


def false_positives_by_kind(analysis: ErrorAnalysis) -> dict[str, int]:
    """Return the number of false positives for each of FALSE_POSITIVE_KINDS."""
    return _count(FALSE_POSITIVE_KINDS, analysis.false_positive_kind)


def median_box_offset(analysis: ErrorAnalysis) -> tuple[float, float]:
    """Return the median offset (x, y) of box centers from face centers, relative to the face's width and height.

    The median is over the faces that a detection finds or is nearest to. Both are nan if there are fewer than
    MIN_BOXES_FOR_OFFSET.
    """
    matches = analysis.matches
    boxes = np.where(analysis.found, matches.found_by, analysis.nearest)
    rows = np.flatnonzero(analysis.evaluated & (boxes >= 0))
    faces, boxes = matches.faces[rows], matches.detections[boxes[rows], :4]
    sizes = faces[:, 2:] - faces[:, :2]
    valid = (sizes > 0).all(axis=1)
    if valid.sum() < MIN_BOXES_FOR_OFFSET:
        return math.nan, math.nan
    offsets = ((boxes - faces)[:, :2] + (boxes - faces)[:, 2:]) / 2
    right, down = np.median(offsets[valid] / sizes[valid], axis=0)
    return float(right), float(down)


def worst_images(analysis: ErrorAnalysis, limit: int) -> list[ImageErrors]:
    """Return up to `limit` images with the most errors, the sum of missed faces and false positives."""
    matches = analysis.matches
    images = len(matches.ground_truth)
    faces = np.bincount(matches.face_images[analysis.evaluated], minlength=images)
    missed = np.bincount(matches.face_images[analysis.missed], minlength=images)
    wrong = np.bincount(matches.detection_images[analysis.false_positive], minlength=images)
    worst = np.argsort(-(missed + wrong), kind="stable")[:limit]
    return [
        ImageErrors(int(i), matches.ground_truth[i].name, int(faces[i]), int(missed[i]), int(wrong[i]))
        for i in worst
        if missed[i] + wrong[i]
    ]


def true_and_false_scores(result: EvaluationResult) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the detections that find a face, (N,), and of all false positives, (M,).

    Only the matched detection with the highest score finds a face. Ignored detections are in neither.
    """
    matches = result.matches
    finders = matches.found_by[result.evaluated & (matches.found_by >= 0)]
    return matches.detections[finders, 4], matches.detections[_finds_no_face(result), 4]


def shortest_score(result: EvaluationResult, score: float) -> str:
    """Return the shortest decimal that keeps the same detections above it as a score does, to show and to type."""
    scores = result.matches.detections[:, 4]
    below = scores[scores <= score].max(initial=-np.inf)
    above = scores[scores > score].min(initial=np.inf)
    for digits in range(2, 17):
        step = 10**digits
        for number in (round(score, digits), math.floor(score * step) / step):
            if below <= number < above:
                return f"{number:.{digits}f}"
    return repr(float(score))


def _finds_no_face(result: EvaluationResult) -> np.ndarray:
    """Return the (D,) mask of the detections that are false positives at any threshold below their score."""
    matches = result.matches
    on_evaluated = np.append(result.evaluated, False)[matches.best_face]
    wrong = np.where(matches.matched, on_evaluated, ~matches.in_crowd)
    wrong[matches.found_by[matches.found_by >= 0]] = False
    return wrong


def _nearest_detections(matches: DetectionMatches, missed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (F,) `nearest` and `nearest_iou` of ErrorAnalysis, given the (F,) mask of the missed faces."""
    nearest = np.where(missed, matches.found_by, -1)
    nearest_iou = np.append(matches.best_iou, 0)[nearest]
    # Unmatched detections only: a detection matched with a neighbor overlaps this face by chance.
    faces, unmatched = np.flatnonzero(missed & (nearest < 0)), np.flatnonzero(~matches.matched)
    images = np.arange(len(matches.ground_truth) + 1)
    best, best_iou = match_by_iou(
        matches.faces[faces],
        np.searchsorted(matches.face_images[faces], images),
        np.ascontiguousarray(matches.detections[unmatched, :4]),
        np.searchsorted(matches.detection_images[unmatched], images),
    )
    is_attempt = best_iou >= MIN_ATTEMPT_IOU
    nearest[faces[is_attempt]] = unmatched[best[is_attempt]]
    nearest_iou[faces[is_attempt]] = best_iou[is_attempt]
    return nearest, nearest_iou


def _missed_face(analysis: ErrorAnalysis, row: int) -> DetectorError:
    matches, nearest = analysis.matches, analysis.nearest[row]
    return DetectorError(
        row=int(row),
        name=matches.ground_truth[matches.face_images[row]].name,
        box=_box(matches.faces[row]),
        kind=MISS_REASONS[analysis.miss_reason[row]],
        score=float(matches.detections[nearest, 4]) if nearest >= 0 else None,
        other=_box(matches.detections[nearest]) if nearest >= 0 else None,
        iou=float(analysis.nearest_iou[row]),
    )


def _false_positive(analysis: ErrorAnalysis, row: int) -> DetectorError:
    matches, kind = analysis.matches, analysis.false_positive_kind[row]
    overlaps_face = kind > 0
    return DetectorError(
        row=int(row),
        name=matches.ground_truth[matches.detection_images[row]].name,
        box=_box(matches.detections[row]),
        kind=FALSE_POSITIVE_KINDS[kind],
        score=float(matches.detections[row, 4]),
        other=_box(matches.faces[matches.best_face[row]]) if overlaps_face else None,
        iou=float(matches.best_iou[row]) if overlaps_face else 0.0,
    )


def _box(row: np.ndarray) -> tuple[float, ...]:
    return tuple(row[:4].tolist())


def _count(names: Sequence[str], indices: np.ndarray) -> dict[str, int]:
    """Return how often the index of each name is among the (N,) indices; negative ones are skipped."""
    return dict(zip(names, np.bincount(indices[indices >= 0], minlength=len(names)).tolist(), strict=True))
