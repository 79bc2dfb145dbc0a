"""Metrics computed from counts: average precision, recall at a false positive rate, best F1, confidence intervals."""

from dataclasses import dataclass

import numpy as np

# Quantiles of the bootstrap samples that bound a 95 % confidence interval.
INTERVAL = (0.025, 0.975)
# Samples drawn at a time, which bounds the memory.
BLOCK = 250


@dataclass(frozen=True)
class OperatingPoint:
    """Metrics of the detections above one score.

    Attributes:
        score: threshold, used as --confidence_threshold uses it; midway to the next lower score of the set.
        f1, precision, recall: 0..1.
    """

    score: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, eq=False)
class ExactCounts:
    """Counts at each distinct score of a set, without quantising scores to 1000 thresholds.

    Attributes:
        scores: (S,) descending.
        proposals: (S,) number of proposals with this score or a higher one.
        found: (S,) number of faces that they find.
        faces: number of faces, without ignored ones.
    """

    scores: np.ndarray
    proposals: np.ndarray
    found: np.ndarray
    faces: int

    def recall_at(self, false_positives: float) -> float:
        """Return the highest recall with at most this many false positives in the set; nan without faces.

        A proposal that finds no new face is a false positive, and so is the second detection of a face.
        """
        if not self.faces:
            return float("nan")
        allowed = np.searchsorted(self.proposals - self.found, false_positives, side="right")
        return float(self.found[allowed - 1]) / self.faces if allowed else 0.0

    def best_f1(self) -> OperatingPoint | None:
        """Return the point with the highest F1, the highest score on a tie; None if no face is found."""
        if not len(self.scores) or not self.found[-1]:
            return None
        f1 = 2 * self.found / (self.proposals + self.faces)
        best = int(f1.argmax())
        score = self.scores[best]
        lower = self.scores[best + 1] if best + 1 < len(self.scores) else np.nextafter(score, -np.inf)
        middle = score / 2 + lower / 2
        return OperatingPoint(
            score=float(middle if middle < score else lower),  # adjacent floats have no number between them
            f1=float(f1[best]),
            precision=float(self.found[best] / self.proposals[best]),
            recall=float(self.found[best] / self.faces),
        )


def exact_counts(scores: np.ndarray, is_proposal: np.ndarray, finds: np.ndarray, faces: int) -> ExactCounts:
    """Count at each distinct score.

    Args:
        scores: (D,) descending.
        is_proposal: (D,) bool.
        finds: (D,) bool, the detections that find a face, one for each found face.
        faces: number of faces, without ignored ones.
    """
    last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]  # equal scores cannot be separated
    return ExactCounts(scores[last], is_proposal.cumsum()[last], finds.cumsum()[last], faces)


def precision_recall(
    proposals: np.ndarray, found: np.ndarray, faces: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall of (..., T) cumulative counts; 0 where the denominator is 0."""
    return found / np.maximum(proposals, 1), found / np.maximum(faces, 1)[..., None]


def average_precision(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the area under the precision envelope of (..., T) points in order of ascending recall.

    The envelope at a recall is the highest precision at that recall or a higher one. The curve starts at recall 0;
    beyond the last point precision is 0.
    """
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.sum(np.diff(recall, axis=-1, prepend=0) * envelope, axis=-1)


def bootstrap_ap(
    repeats: int,
    seed: int,
    images: int,
    steps: int,
    proposed_at: tuple[np.ndarray, np.ndarray],
    found_at: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return the average precision of `repeats` sets drawn from the images with replacement (Efron 1979).

    The same seed draws the same images, so that samples of two models can be subtracted. The score thresholds are
    those of the whole set. The average precision of a draw without faces is nan.

    Args:
        images: number of images, P.
        steps: number of thresholds, T.
        proposed_at: image and first threshold, each (N,), of every proposal.
        found_at: image and first threshold, each (M,), of every face; T for a face that is never found.

    Returns:
        (repeats,) float64.
    """
    from scipy.sparse import coo_array  # here: the import takes longer than scoring a set

    proposed, finds = (
        coo_array((np.ones(len(at[0])), at), shape=(images, columns)).tocsr()
        for at, columns in ((proposed_at, steps), (found_at, steps + 1))
    )
    rng = np.random.default_rng(seed)
    samples = np.full(repeats, np.nan)
    for start in range(0, repeats if images else 0, BLOCK):
        block = samples[start : start + BLOCK]
        draws = rng.multinomial(images, np.full(images, 1 / images), size=len(block))
        proposals, found = (draws @ proposed).cumsum(axis=1), (draws @ finds).cumsum(axis=1)
        faces = found[:, -1]
        aps = average_precision(*precision_recall(proposals, found[:, :steps], faces))
        block[faces > 0] = aps[faces > 0]
    return samples


def confidence_interval(samples: np.ndarray) -> tuple[float, float] | None:
    """Return the bounds of the central 95 % of the (N,) samples, without nan; None if no samples remain."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return None
    low, high = np.quantile(samples, INTERVAL)
    return float(low), float(high)
