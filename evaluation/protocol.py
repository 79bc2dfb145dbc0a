"""Average precision by the protocol of WIDER FACE (Yang et al. 2016), from arrays in memory.

The protocol visits the detections of a picture by descending score and counts, at each of 1000 thresholds,
the proposals and the found faces among those that reach it. No count depends on the visit's order: a
detection is matched with the face that it overlaps most whatever was matched before, and a face is found at a
threshold if any detection matched with it reaches that threshold. So nothing is sorted here: each detection
and each face gets the first threshold at which it counts, and both curves are running sums of histograms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations import Annotation, picture_key
from evaluation.matching import best_faces
from utils.errors import UserError

STEPS = 1000
THRESHOLDS = 1 - np.arange(1, STEPS + 1) / STEPS

# The subset of formats that define none: all faces but those that WIDER FACE marks as invalid.
WHOLE_SET = "all"


@dataclass(frozen=True, eq=False)
class SubsetResult:
    """The score of one subset of the faces.

    Attributes:
        ap: area under the precision envelope over recall, 0..1; nan where no face counts.
        precision: (1000,) found / proposals at each threshold, 0 where there are no proposals.
        recall: (1000,) found / faces that count, 0 where there are none.
        thresholds: (1000,) on the normalised score, falling from 0.999 to 0.
        faces: number of faces that count.
        found: number of them that are found at the last threshold, thus by any detection.
    """

    ap: float
    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray
    faces: int
    found: int


def evaluate(
    predictions: Mapping[str, np.ndarray], ground_truth: Sequence[Annotation], iou: float = 0.5
) -> dict[str, SubsetResult]:
    """Score the detections of a set of pictures.

    Args:
        predictions: picture_key(name) -> (N, 5) float64, x1 y1 x2 y2 score in pixels with x2 = x + w, finite,
            in any order. Pictures without an entry have no detections: their faces are missed. Keys that are
            not in the ground truth are not looked at.
        ground_truth: the pictures, all with the same subsets. A picture without faces belongs here too:
            whatever was detected in it is a false positive.
        iou: smallest overlap of a detection with its face, over 0 and up to 1.

    Returns:
        The subsets of the annotations, or "all" where they define none.

    Raises:
        UserError: iou is outside its range.
    """
    if not 0 < iou <= 1:
        raise UserError(f"IoU threshold: found {iou}; expected a number over 0 and up to 1")
    nothing = np.empty((0, 5))
    detected = [predictions.get(picture_key(annotation.name), nothing) for annotation in ground_truth]
    detections, detection_starts = _join(detected, 5)
    faces, face_starts = _join([annotation.boxes for annotation in ground_truth], 4)

    face, overlap = best_faces(detections, detection_starts, faces, face_starts)
    matched = overlap >= iou
    counted_from = _first_threshold(normalise(detections[:, 4]))
    found_from = np.full(len(faces), STEPS)  # STEPS: at no threshold
    np.minimum.at(found_from, face[matched], counted_from[matched])

    results = {}
    for subset, counts in _faces_that_count(ground_truth).items():
        voided = matched.copy()
        voided[matched] = ~counts[face[matched]]
        results[subset] = _score(counted_from[~voided], found_from[counts])
    return results


def normalise(scores: np.ndarray) -> np.ndarray:
    """Stretch the (N,) scores of a whole set to 0..1.

    Where all are equal there is no range to stretch; they become 1, so that all count at every threshold and
    the curve is the single point that such a detector has.
    """
    if len(scores) == 0 or scores.min() == scores.max():
        return np.ones_like(scores)
    return (scores - scores.min()) / (scores.max() - scores.min())


def average_precision(precision: np.ndarray, recall: np.ndarray) -> float:
    """Return the area under the precision envelope of (T,) points ordered by rising recall.

    The envelope at a recall is the best precision at that recall or a higher one; the curve is continued to
    recall 1 with precision 0.
    """
    recall = np.concatenate([[0], recall, [1]])
    envelope = np.maximum.accumulate(np.concatenate([[0], precision, [0]])[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


def _join(arrays: Sequence[np.ndarray], columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Put the (N_p, columns) arrays of P pictures below one another: the rows and the (P + 1,) starts."""
    rows = np.concatenate([np.empty((0, columns)), *arrays]).astype(np.float64, copy=False)
    return rows, np.cumsum([0, *map(len, arrays)], dtype=np.int64)


def _faces_that_count(ground_truth: Sequence[Annotation]) -> dict[str, np.ndarray]:
    """Return, for each subset, the (F,) bool over the faces of all pictures."""
    nobody = np.empty(0, bool)
    if ground_truth and ground_truth[0].subsets:
        return {
            subset: np.concatenate([nobody, *(annotation.subsets[subset] for annotation in ground_truth)])
            for subset in ground_truth[0].subsets
        }
    valid = [a.attributes.get("invalid", np.zeros(len(a.boxes))) != 1 for a in ground_truth]
    return {WHOLE_SET: np.concatenate([nobody, *valid])}


def _first_threshold(scores: np.ndarray) -> np.ndarray:
    """Return the (N,) indices of the first threshold that each normalised score reaches (>=)."""
    return STEPS - np.searchsorted(THRESHOLDS[::-1], scores, side="right")


def _score(proposed_from: np.ndarray, found_from: np.ndarray) -> SubsetResult:
    """Turn first thresholds into curves.

    Args:
        proposed_from: (N,) int, of each proposal.
        found_from: (M,) int, of each face that counts, STEPS for one that is never found.
    """
    proposals = np.bincount(proposed_from, minlength=STEPS).cumsum()
    found = np.bincount(found_from, minlength=STEPS + 1)[:STEPS].cumsum()
    faces = len(found_from)
    precision = found / np.maximum(proposals, 1)  # without proposals nothing is found either: 0 / 1
    recall = found / max(faces, 1)
    ap = average_precision(precision, recall) if faces else float("nan")
    return SubsetResult(ap, precision, recall, THRESHOLDS, faces, int(found[-1]))
