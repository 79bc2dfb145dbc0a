"""What a detector gets wrong at one score: the faces that it misses, and the detections that find none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.detection_matching import Matches, by_falling_score
from evaluation.groups import SIZES, sides
from evaluation.kernel import best_faces
from evaluation.protocol import Result

# Why a face is missed: a detection is on it, but not over the score; one that is on no face overlaps it; or neither.
MISSES = ("scored too low", "badly placed", "not seen")
FALSE_POSITIVES = ("no face here", "badly placed", "second box on a face")
# A detection that overlaps a face by less was not meant for it: neighbours in a row touch as much.
MEANT_FOR = 0.1
# From so many boxes on, their median says something of the detector.
FEWEST_BOXES = 20


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What becomes of F faces and D detections where only the detections over one score are kept.

    Attributes:
        matches: the faces and detections.
        threshold: the score; -inf keeps all detections.
        counts: (F,) bool, the faces that count.
        found: (F,) bool, those of them that are found.
        misses: (F,) int64, the place in MISSES of why a face is missed; -1 where it is found or does not count.
        nearest: (F,) int64, for a missed face the detection that comes closest to finding it: that on it with the
            highest score, or else, of those on no face, that which overlaps it most by MEANT_FOR or more; -1: none.
        nearest_overlap: (F,) float64, the IoU with it, 0 where there is none.
        false_positives: (D,) int64, the place in FALSE_POSITIVES; -1 where a detection finds a face, is void or is
            not kept.
    """

    matches: Matches
    threshold: float
    counts: np.ndarray
    found: np.ndarray
    misses: np.ndarray
    nearest: np.ndarray
    nearest_overlap: np.ndarray
    false_positives: np.ndarray


@dataclass(frozen=True)
class Failure:
    """A missed face or a false positive.

    Attributes:
        row: of the face among the faces, or of the detection among the detections.
        name: of the image.
        box: of the face or the false positive, x1 y1 x2 y2 in pixels.
        kind: one of MISSES or FALSE_POSITIVES.
        score: of the false positive, or of the detection that comes closest to finding the face, None without one.
        other: what explains it, x1 y1 x2 y2: that detection, or the face that a false positive was meant for; None
            without one.
        overlap: IoU of both boxes, 0 without the other one.
    """

    row: int
    name: str
    box: tuple[float, ...]
    kind: str
    score: float | None
    other: tuple[float, ...] | None
    overlap: float

    @property
    def side(self) -> float:
        """Side of the square of the box's area, in pixels."""
        return float(sides(np.array([self.box]))[0])


@dataclass(frozen=True)
class ImageErrors:
    """How often a detector fails in one image.

    Attributes:
        image: its place in the ground truth.
        name: of the image.
        faces: number of faces that count.
        missed: number of them that are missed.
        false_positives: number of detections that find none.
    """

    image: int
    name: str
    faces: int
    missed: int
    false_positives: int


def outcomes(result: Result, threshold: float | None = None) -> Outcomes:
    """Judge each face that counts and each detection.

    Args:
        result: a score.
        threshold: keep the detections over this score; None: over that of the main subset's best F1, or all of them
            where no face is found at any score.
    """
    if threshold is None:
        best = result.subsets[result.main].best
        threshold = best.score if best else -np.inf
    matches = result.matches
    found = result.counts & (matches.face_scores > threshold)
    nearest, nearest_overlap = _nearest(matches, result.counts & ~found)
    missed = np.where(matches.found_by >= 0, 0, np.where(nearest >= 0, 1, 2))
    overlap = np.where(matches.matched, np.inf, matches.overlap)
    kind = np.select([overlap < MEANT_FOR, ~matches.matched], [0, 1], 2)
    wrong = _finds_none(result) & (matches.detections[:, 4] > threshold)
    return Outcomes(
        matches=matches,
        threshold=threshold,
        counts=result.counts,
        found=found,
        misses=np.where(result.counts & ~found, missed, -1),
        nearest=nearest,
        nearest_overlap=nearest_overlap,
        false_positives=np.where(wrong, kind, -1),
    )


def missed_faces(judged: Outcomes, limit: int, among: np.ndarray | None = None) -> list[Failure]:
    """Return the largest missed faces, the largest first.

    Args:
        judged: of one detector.
        limit: the most faces to return.
        among: (F,) bool, the faces to look at; None: all. The `found` of another detector on the same ground truth
            gives the faces that only that one finds.
    """
    matches = judged.matches
    rows = np.flatnonzero((judged.misses >= 0) & (True if among is None else among))
    rows = rows[np.argsort(-sides(matches.faces[rows]), kind="stable")[:limit]]
    return [_missed_face(judged, row) for row in rows]


def false_positives(judged: Outcomes, limit: int) -> list[Failure]:
    """Return the false positives of the highest scores, the highest first, at most `limit`."""
    matches = judged.matches
    rows = np.flatnonzero(judged.false_positives >= 0)
    rows = rows[by_falling_score(matches.detections[rows], matches.detection_images[rows])][:limit]
    return [_false_positive(judged, row) for row in rows]


def missed_by_reason(judged: Outcomes) -> dict[str, int]:
    """Return the number of missed faces for each of MISSES."""
    return _count(MISSES, judged.misses)


def missed_by_size(judged: Outcomes) -> dict[str, int]:
    """Return the number of missed faces for each of `groups.SIZES`."""
    missed = judged.matches.faces[judged.misses >= 0]
    return _count(tuple(SIZES), np.searchsorted(list(SIZES.values()), sides(missed), side="right") - 1)


def false_positives_by_kind(judged: Outcomes) -> dict[str, int]:
    """Return the number of false positives for each of FALSE_POSITIVES."""
    return _count(FALSE_POSITIVES, judged.false_positives)


def displacement(judged: Outcomes) -> tuple[float, float]:
    """Return how far to the right of and below the faces their boxes sit, in parts of a face's width and height.

    Both are medians over the faces that have a box: the one that finds it, or comes closest to it. They are nan where
    there are fewer than FEWEST_BOXES.
    """
    matches = judged.matches
    boxes = np.where(judged.found, matches.found_by, judged.nearest)
    rows = np.flatnonzero(judged.counts & (boxes >= 0))
    faces, boxes = matches.faces[rows], matches.detections[boxes[rows], :4]
    sizes = faces[:, 2:] - faces[:, :2]
    whole = (sizes > 0).all(axis=1)
    if whole.sum() < FEWEST_BOXES:
        return math.nan, math.nan
    centres = ((boxes - faces)[:, :2] + (boxes - faces)[:, 2:]) / 2
    right, below = np.median(centres[whole] / sizes[whole], axis=0)
    return float(right), float(below)


def worst_images(judged: Outcomes, limit: int) -> list[ImageErrors]:
    """Return the images with the most errors, missed faces and false positives alike, at most `limit`."""
    matches = judged.matches
    images = len(matches.ground_truth)
    faces = np.bincount(matches.face_images[judged.counts], minlength=images)
    missed = np.bincount(matches.face_images[judged.misses >= 0], minlength=images)
    wrong = np.bincount(matches.detection_images[judged.false_positives >= 0], minlength=images)
    worst = np.argsort(-(missed + wrong), kind="stable")[:limit]
    return [
        ImageErrors(int(p), matches.ground_truth[p].name, int(faces[p]), int(missed[p]), int(wrong[p]))
        for p in worst
        if missed[p] + wrong[p]
    ]


def score_samples(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the detections that find a face that counts, (N,), and of all that find none, (M,).

    Only the best detection on a face finds it; void detections are in neither.
    """
    matches = result.matches
    finders = matches.found_by[result.counts & (matches.found_by >= 0)]
    return matches.detections[finders, 4], matches.detections[_finds_none(result), 4]


def shortest_score(result: Result, score: float) -> str:
    """Return a decimal as short as keeps the same detections over it as a score does, to be shown and typed."""
    scores = result.matches.detections[:, 4]
    below = scores[scores <= score].max(initial=-np.inf)
    above = scores[scores > score].min(initial=np.inf)
    for digits in range(2, 17):
        step = 10**digits
        for number in (round(score, digits), math.floor(score * step) / step):
            if below <= number < above:
                return f"{number:.{digits}f}"
    return repr(float(score))


def _finds_none(result: Result) -> np.ndarray:
    """Return the (D,) bool of the detections that are wrong at whatever score they are kept."""
    matches = result.matches
    on_counted = np.append(result.counts, False)[matches.face]
    wrong = np.where(matches.matched, on_counted, ~matches.in_crowd)
    wrong[matches.found_by[matches.found_by >= 0]] = False
    return wrong


def _nearest(matches: Matches, missed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (F,) `nearest` and `nearest_overlap` of Outcomes, given the (F,) bool of the missed faces."""
    nearest = np.where(missed, matches.found_by, -1)
    overlap = np.append(matches.overlap, 0)[nearest]
    # Among the detections on no face: one on a neighbour found that, and overlaps this face by chance.
    faces, loose = np.flatnonzero(missed & (nearest < 0)), np.flatnonzero(~matches.matched)
    images = np.arange(len(matches.ground_truth) + 1)
    closest, closest_overlap = best_faces(
        matches.faces[faces],
        np.searchsorted(matches.face_images[faces], images),
        np.ascontiguousarray(matches.detections[loose, :4]),
        np.searchsorted(matches.detection_images[loose], images),
    )
    meant = closest_overlap >= MEANT_FOR
    nearest[faces[meant]] = loose[closest[meant]]
    overlap[faces[meant]] = closest_overlap[meant]
    return nearest, overlap


def _missed_face(judged: Outcomes, row: int) -> Failure:
    matches, nearest = judged.matches, judged.nearest[row]
    return Failure(
        row=int(row),
        name=matches.ground_truth[matches.face_images[row]].name,
        box=_box(matches.faces[row]),
        kind=MISSES[judged.misses[row]],
        score=float(matches.detections[nearest, 4]) if nearest >= 0 else None,
        other=_box(matches.detections[nearest]) if nearest >= 0 else None,
        overlap=float(judged.nearest_overlap[row]),
    )


def _false_positive(judged: Outcomes, row: int) -> Failure:
    matches, kind = judged.matches, judged.false_positives[row]
    meant = kind > 0
    return Failure(
        row=int(row),
        name=matches.ground_truth[matches.detection_images[row]].name,
        box=_box(matches.detections[row]),
        kind=FALSE_POSITIVES[kind],
        score=float(matches.detections[row, 4]),
        other=_box(matches.faces[matches.face[row]]) if meant else None,
        overlap=float(matches.overlap[row]) if meant else 0.0,
    )


def _box(row: np.ndarray) -> tuple[float, ...]:
    return tuple(row[:4].tolist())


def _count(names: Sequence[str], places: np.ndarray) -> dict[str, int]:
    """Return how often each name's place is among the (N,) places, of which negative ones are none."""
    return dict(zip(names, np.bincount(places[places >= 0], minlength=len(names)).tolist(), strict=True))
